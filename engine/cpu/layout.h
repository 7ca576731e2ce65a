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

/// A piece of scratch that nodes take in turns: room for the largest of them.
struct Slot {
  int64_t per_token = 0, per_asked_row = 0, once = 0;  // floats

  int64_t floats(int64_t tokens, int64_t asked) const;
};

struct Layout {
  std::vector<Place> places;  // by node
  std::vector<Slot> scratch;
};

bool is_view(Op);
bool is_answer(Op);
/// Rows of a node when a pass has that many tokens and so many rows were asked logits for.
int64_t rows_of(const Node&, int64_t tokens, int64_t asked);
Layout layout_of(const Graph&);

}  // namespace cutaway
