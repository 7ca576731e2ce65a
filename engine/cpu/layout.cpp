#include "engine/cpu/layout.h"

#include <algorithm>
#include <cassert>

namespace cutaway {
namespace {

/// The axis that counts rows: the first of (T, D), the second of (H, T, Dh) and of an lse (H, T).
const Size& row_axis(const Node& node) { return node.shape[node.shape[0].counts == Counts::Heads ? 1 : 0]; }

/// Value by value or row by row: the output may overwrite the input.
bool works_in_place(Op op) {
  switch (op) {
    case Op::add:
    case Op::layer_norm:
    case Op::gelu_erf:
    case Op::gelu_tanh:
    case Op::relu:
    case Op::tanh:
    case Op::unit_length:
      return true;
    default:
      return false;
  }
}

Slot need_of(const Node& node) {
  const int64_t width = row_width(node);
  switch (row_axis(node).law) {
    case Law::T:
      return {.per_token = width};
    case Law::Asked:
      return {.per_asked_row = width};
    default:
      return {.once = width * row_axis(node).n};
  }
}

class Slots {
 public:
  explicit Slots(std::vector<Slot>& slots) : slots_(slots) {}

  /// The free slot that wastes least, or a new one.
  int take(const Slot& need) {
    const auto misfit = [&](int i) {
      const Slot& slot = slots_[static_cast<size_t>(i)];
      return std::abs(slot.per_token - need.per_token) + std::abs(slot.per_asked_row - need.per_asked_row) +
             std::abs(slot.once - need.once);
    };
    const auto best = std::ranges::min_element(free_, {}, misfit);
    int taken = static_cast<int>(slots_.size());
    if (best == free_.end()) {
      slots_.push_back(need);
    } else {
      taken = *best;
      free_.erase(best);
    }
    Slot& slot = slots_[static_cast<size_t>(taken)];
    slot = {std::max(slot.per_token, need.per_token), std::max(slot.per_asked_row, need.per_asked_row),
            std::max(slot.once, need.once)};
    return taken;
  }
  void give_back(int slot) { free_.push_back(slot); }

 private:
  std::vector<Slot>& slots_;
  std::vector<int> free_;
};

}  // namespace

int64_t Slot::floats(int64_t tokens, int64_t asked) const {
  return std::max({per_token * tokens, per_asked_row * asked, once});
}

bool is_view(Op op) { return op == Op::split_heads || op == Op::merge_heads; }
bool is_answer(Op op) { return op == Op::lse || op == Op::mask || op == Op::probs; }

int64_t rows_of(const Node& node, int64_t tokens, int64_t asked) {
  const Size& axis = row_axis(node);
  return axis.law == Law::Asked ? asked : axis.at(0, tokens);
}

Layout layout_of(const Graph& graph) {
  Layout layout;
  std::vector<NodeId> last_reader(graph.nodes.size(), no_node);  // by root
  for (const Node& node : graph.nodes) {
    Place place{.root = node.id};
    if (is_view(node.op)) place.root = layout.places[static_cast<size_t>(node.inputs[0])].root;
    layout.places.push_back(place);
    if (is_answer(node.op)) continue;
    for (NodeId input : node.inputs)
      last_reader[static_cast<size_t>(layout.places[static_cast<size_t>(input)].root)] = node.id;
  }

  Slots slots(layout.scratch);
  for (const Node& node : graph.nodes) {
    Place& place = layout.places[static_cast<size_t>(node.id)];
    const auto release_inputs = [&] {
      NodeId done = no_node;  // add(x, x) reads one root twice
      for (NodeId input : node.inputs) {
        const NodeId root = layout.places[static_cast<size_t>(input)].root;
        const Place& from = layout.places[static_cast<size_t>(root)];
        if (from.home != Home::Scratch || last_reader[static_cast<size_t>(root)] != node.id || root == done) continue;
        slots.give_back(from.slot);
        done = root;
      }
    };
    if (is_answer(node.op)) continue;
    if (is_view(node.op)) {
      const Place& root = layout.places[static_cast<size_t>(place.root)];
      place.home = root.home;
      place.slot = root.slot;
      release_inputs();
      continue;
    }
    if (works_in_place(node.op)) release_inputs();
    if (node.op == Op::tokens || node.op == Op::positions || node.op == Op::segments) {
      place.home = Home::Ids;
    } else if (node.op == Op::cache) {
      place.home = Home::Cache;
    } else if (node.id == graph.logits) {
      place.home = Home::Logits;
    } else if (node.id == graph.pooled) {
      place.home = Home::Pooled;
    } else {
      place.home = Home::Scratch;
      place.slot = slots.take(need_of(node));
      if (last_reader[static_cast<size_t>(node.id)] == no_node) slots.give_back(place.slot);
    }
    if (!works_in_place(node.op)) release_inputs();
  }
  return layout;
}

}  // namespace cutaway
