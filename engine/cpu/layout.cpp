#include "engine/cpu/layout.h"

#include <algorithm>
#include <cassert>

namespace cutaway {
namespace {

/// Value by value or row by row: the output may overwrite the input.
bool works_in_place(Op op) {
  switch (op) {
    case Op::add:
    case Op::mul:
    case Op::scale:
    case Op::softcap:
    case Op::rms_norm:
    case Op::rotary:
    case Op::silu:
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

int64_t rows_on(const Size& axis, const PassSizes& sizes) {
  if (axis.law == Law::Asked) return sizes.asked;
  if (axis.law == Law::Window)
    return sizes.past + sizes.tokens;  // rows keep their numbers when older ones are forgotten
  return axis.counts == Counts::EncoderTokens ? axis.at(0, sizes.source) : axis.at(sizes.past, sizes.tokens);
}

class Slots {
 public:
  explicit Slots(std::vector<Slot>& slots) : slots_(slots) {}

  /// A free slot that nodes of such rows use already, the best fitting of them; else any free one; else a new one.
  int take(const Size& axis, int64_t width) {
    const auto misfit = [&](int i) {
      int64_t best = INT64_MAX;
      for (const auto& [rows, wide] : slots_[static_cast<size_t>(i)].takers)
        if (rows == axis) best = std::min(best, std::abs(wide - width));
      return best;
    };
    const auto best = std::ranges::min_element(free_, {}, misfit);
    int taken = static_cast<int>(slots_.size());
    if (best == free_.end()) {
      slots_.emplace_back();
    } else {
      taken = *best;
      free_.erase(best);
    }
    slots_[static_cast<size_t>(taken)].takers.emplace_back(axis, width);
    return taken;
  }
  void give_back(int slot) { free_.push_back(slot); }

 private:
  std::vector<Slot>& slots_;
  std::vector<int> free_;
};

}  // namespace

int64_t Slot::floats(const PassSizes& sizes) const {
  int64_t most = 0;
  for (const auto& [axis, width] : takers) most = std::max(most, rows_on(axis, sizes) * width);
  return most;
}

bool is_view(Op op) { return op == Op::split_heads || op == Op::merge_heads; }
bool is_answer(Op op) { return op == Op::lse || op == Op::mask || op == Op::probs; }

int64_t rows_of(const Node& node, const PassSizes& sizes) { return rows_on(row_axis(node), sizes); }

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
      place.slot = slots.take(row_axis(node), row_width(node));
      if (last_reader[static_cast<size_t>(node.id)] == no_node) slots.give_back(place.slot);
    }
    if (!works_in_place(node.op)) release_inputs();
  }
  return layout;
}

}  // namespace cutaway
