// Where every node's rows lie during a pass on the CPU: views share their input's memory, and a node's scratch is used
// again as soon as its last reader has run. Derived from the graph alone, so taps can't change it.
#pragma once

#include <vector>

#include "engine/graph.h"

namespace cutaway {

enum class Home : uint8_t {
  Nothing,  // an answer: never made
  Ids,      // tokens, positions, segments: given or counted
  Scratch,  // a slot
  Cache,    // pages of the state
  Logits,   // straight into Output::logits
  Pooled,   // straight into Output::pooled
};

struct Place {
  Home home = Home::Nothing;
  NodeId root = no_node;  // the node that makes the rows: itself, or what it is a view of
  int slot = -1;          // Scratch only
};

/// How much of everything one pass has.
struct PassSizes {
  int64_t tokens = 0, past = 0;  // of the decoder, or of the only stack
  int64_t asked = 0;             // rows that somebody wants logits for
  int64_t source = 0;            // tokens of the encoder's text, whether they run in this pass or ran before
};

/// A piece of scratch that nodes take in turns: room for the largest of them.
struct Slot {
  std::vector<std::pair<Size, int64_t>> takers;  // row axis and width in floats of every node that uses it

  int64_t floats(const PassSizes&) const;
};

struct Layout {
  std::vector<Place> places;  // by node
  std::vector<Slot> scratch;
};

bool is_view(Op);
bool is_answer(Op);
int64_t rows_of(const Node&, const PassSizes&);
Layout layout_of(const Graph&);

}  // namespace cutaway
