#include "engine/graph.h"

#include <algorithm>

namespace cutaway {

std::string_view name_of(Op op) {
  static constexpr std::string_view names[] = {
#define OP(name) #name,
#include "engine/ops.inc"
#undef OP
  };
  return names[static_cast<size_t>(op)];
}

std::string_view name_of(Role role) {
  static constexpr std::string_view names[] = {"",     "q",   "k",       "v",      "latent", "bias",   "probs",
                                               "mask", "lse", "context", "hidden", "logits", "pooled", "state"};
  return names[static_cast<size_t>(role)];
}

int64_t Size::at(int64_t past, int64_t t) const {
  switch (law) {
    case Law::Fixed:
      return n;
    case Law::T:
    case Law::Constant:
      return t;
    case Law::Distances:
      return past + 2 * t - 1;
    case Law::Past:
      return past + t;
    case Law::Window:
      return std::min(past + t, n);
    case Law::LogLevels: {
      int64_t levels = 1;  // ceil(log2(tokens)) + 1 are allocated
      while ((int64_t{1} << (levels - 1)) < past + t) ++levels;
      return levels;
    }
    case Law::Asked:
      return 1;
  }
  return 0;
}

int64_t row_width(const Node& node) {
  int64_t width = 1;
  for (const Size& size : node.shape)
    if (size.law == Law::Fixed) width *= size.n;
  return width;
}

const Size& row_axis(const Node& node) { return node.shape[node.shape[0].counts == Counts::Heads ? 1 : 0]; }

Counts stream_of(const Node& node) {
  return row_axis(node).counts == Counts::EncoderTokens ? Counts::EncoderTokens : Counts::DecoderTokens;
}

NodeId Graph::in(std::string_view block, Role role) const {
  for (const Node& node : nodes)
    if (node.role == role && node.block == block) return node.id;
  return no_node;
}

NodeId Graph::named(std::string_view path) const {
  for (const Node& node : nodes)
    if (node.path == path) return node.id;
  return no_node;
}

std::vector<NodeId> Graph::with(Role role) const {
  std::vector<NodeId> found;
  for (const Node& node : nodes)
    if (node.role == role) found.push_back(node.id);
  return found;
}

std::vector<std::string> Graph::blocks_with(Role role) const {
  std::vector<std::string> found;
  for (NodeId id : with(role)) found.push_back((*this)[id].block);
  return found;
}

std::vector<int> Graph::readers() const {
  std::vector<int> count(nodes.size(), 0);
  for (const Node& node : nodes) {
    if (node.op == Op::lse || node.op == Op::mask || node.op == Op::probs) continue;
    for (NodeId input : node.inputs) ++count[static_cast<size_t>(input)];
  }
  return count;
}

int64_t Graph::parameters() const {
  int64_t sum = 0;
  for (const TensorSchema& tensor : schema) sum += elements(tensor.shape);
  return sum;
}

double Graph::flops(NodeId id, int64_t past, int64_t t) const {
  const Node& node = (*this)[id];
  const double rows = node.head ? 1. : static_cast<double>(t);
  if (node.op == Op::linear) return 2. * rows * static_cast<double>(elements(schema[node.weights[0]].shape));
  if (node.op == Op::attend)
    return 2. * static_cast<double>(node.params.heads * (node.params.head_dim + node.params.value_dim)) * rows *
           static_cast<double>(past + t);
  if (node.op == Op::latent_query || node.op == Op::latent_value)
    return 2. * rows * static_cast<double>(elements(schema[node.weights[0]].shape));
  if (node.op == Op::expand_keys || node.op == Op::expand_values)
    return 2. * static_cast<double>(past + t) * static_cast<double>(elements(schema[node.weights[0]].shape));
  return 0;  // norms, additions and activations are counted as bytes, not as multiply-adds
}

int64_t Graph::cache_values_per_token() const {
  int64_t sum = 0;
  for (const Node& node : nodes)
    if (node.op == Op::cache && node.shape[1].law != Law::Constant) sum += node.params.heads * node.params.head_dim;
  return sum;
}

std::vector<int> Graph::own_mask_slots() const {
  std::vector<int> slots;
  for (const Node& node : nodes)
    if (node.op == Op::probs && node.shape[1].counts == Counts::DecoderTokens &&
        node.shape[2].counts == Counts::DecoderTokens)
      if (std::ranges::find(slots, node.params.mask_slot) == slots.end()) slots.push_back(node.params.mask_slot);
  return slots;
}

}  // namespace cutaway
