// Where the time of a pass went: stages (embedding, layers, head) and the nodes inside them.
#pragma once

#include "widgets/view.h"

namespace cutaway {

struct NodeTime {
  NodeId node = no_node;
  float ms = 0;
  std::string name;  // "attn.q_proj", without the layer in front
};
struct StageTime {
  int layer = -1;      // -1: before or after the stack
  bool after = false;  // after the stack
  float ms = 0;
  std::vector<NodeTime> nodes;  // in running order
};
/// Stages in running order; nodes that took no time (views, answers) are left out.
std::vector<StageTime> stage_times(const Snapshot&);
std::string say_stage(const StageTime&);

}  // namespace cutaway
