#include "engine/builder.h"

#include <cassert>

namespace cutaway {
namespace {

constexpr Size tokens_now{Law::T, 0, Counts::DecoderTokens};
constexpr Size tokens_seen{Law::Past, 0, Counts::DecoderTokens};
constexpr Size rows_asked{Law::Asked, 0, Counts::DecoderTokens};
constexpr Size features(int64_t n) { return {Law::Fixed, n, Counts::Features}; }
constexpr Size heads_of(int64_t n) { return {Law::Fixed, n, Counts::Heads}; }

}  // namespace

Builder::Scope::Scope(Builder& b, std::string part)
    : b_(b), length_(b.prefix_.size()), layer_(b.layer_), block_(b.block_) {
  if (part.starts_with("layers.")) {
    b.layer_ = std::stoi(part.substr(7));
  } else {
    b.block_ = b.prefix_ + part.substr(0, part.size() - 1);
  }
  b.prefix_ += part;
}

Builder::Scope::~Scope() {
  b_.prefix_.resize(length_);
  b_.layer_ = layer_;
  b_.block_ = block_;
}

NodeId Builder::push(Op op, std::vector<NodeId> inputs, std::vector<Size> shape, const std::string& path) {
  Node node;
  node.op = op;
  node.id = static_cast<NodeId>(graph_.nodes.size());
  node.shape = std::move(shape);
  node.layer = layer_;
  node.block = block_;
  node.path = path.empty() ? here(fmt::format("{}_{}", name_of(op), node.id)) : path;
  node.head = op == Op::take_rows;
  for (NodeId input : inputs) {
    assert(input >= 0 && input < node.id);
    node.head = node.head || graph_[input].head;
  }
  node.inputs = std::move(inputs);
  graph_.nodes.push_back(std::move(node));
  return graph_.nodes.back().id;
}

int Builder::weight(const std::string& name, Shape shape) {
  for (size_t i = 0; i < graph_.schema.size(); ++i) {
    if (graph_.schema[i].name != name) continue;
    assert(graph_.schema[i].shape == shape);
    return static_cast<int>(i);
  }
  graph_.schema.push_back({name, std::move(shape), {}});
  return static_cast<int>(graph_.schema.size()) - 1;
}

NodeId Builder::tokens() { return push(Op::tokens, {}, {tokens_now}, here("tokens")); }
NodeId Builder::positions() { return push(Op::positions, {}, {tokens_now}, here("positions")); }
NodeId Builder::segments() { return push(Op::segments, {}, {tokens_now}, here("segments")); }

NodeId Builder::embedding(NodeId ids, const std::string& name, int64_t rows, int64_t cols) {
  const NodeId id = push(Op::embedding, {ids}, {tokens_now, features(cols)}, here(name));
  graph_.nodes.back().weights = {weight(here(name) + ".weight", {rows, cols})};
  return id;
}

NodeId Builder::add(NodeId a, NodeId b) {
  assert(graph_[a].shape == graph_[b].shape);
  return push(Op::add, {a, b}, graph_[a].shape, {});
}

NodeId Builder::layer_norm(NodeId x, const std::string& name) {
  const NodeId id = push(Op::layer_norm, {x}, graph_[x].shape, here(name));
  const int64_t width = graph_[x].shape.back().n;
  Node& node = graph_.nodes.back();
  node.params.eps = spec_.norm_eps;
  node.weights = {weight(here(name) + ".weight", {width})};
  if (spec_.norm_bias) node.weights.push_back(weight(here(name) + ".bias", {width}));
  return id;
}

NodeId Builder::linear(NodeId x, const std::string& name, int64_t in, int64_t out, bool bias) {
  assert(graph_[x].shape.size() == 2 && graph_[x].shape.back().n == in);
  const NodeId id = push(Op::linear, {x}, {graph_[x].shape[0], features(out)}, here(name));
  Node& node = graph_.nodes.back();
  node.weights = {weight(here(name) + ".weight", {out, in})};
  if (bias) node.weights.push_back(weight(here(name) + ".bias", {out}));
  return id;
}

NodeId Builder::activation(NodeId x, Activation kind) {
  static constexpr Op ops[] = {Op::gelu_erf, Op::gelu_tanh, Op::relu, Op::tanh};
  return push(ops[static_cast<size_t>(kind)], {x}, graph_[x].shape, {});
}

NodeId Builder::split_heads(NodeId x, int64_t heads) {
  const int64_t width = graph_[x].shape.back().n;
  assert(width % heads == 0);
  const NodeId id = push(Op::split_heads, {x}, {heads_of(heads), graph_[x].shape[0], features(width / heads)}, {});
  graph_.nodes.back().params = {.heads = heads, .head_dim = width / heads};
  return id;
}

NodeId Builder::merge_heads(NodeId x) {
  const auto& shape = graph_[x].shape;
  return push(Op::merge_heads, {x}, {shape[1], features(shape[0].n * shape[2].n)}, {});
}

NodeId Builder::cache(NodeId x) {
  const auto shape = graph_[x].shape;
  const Params params = graph_[x].params;
  const NodeId id = push(Op::cache, {x}, {shape[0], tokens_seen, shape[2]}, {});
  graph_.nodes.back().params = {.heads = params.heads, .head_dim = params.head_dim};
  return id;
}

NodeId Builder::attend(NodeId q, NodeId k, NodeId v, float scale, int mask_slot) {
  const auto shape = graph_[q].shape;
  const Params params{.scale = scale,
                      .heads = shape[0].n,
                      .kv_heads = graph_[k].shape[0].n,
                      .head_dim = shape[2].n,
                      .mask_slot = mask_slot};
  assert(params.heads % params.kv_heads == 0);
  const Size keys = graph_[k].shape[1];
  const auto answer = [&](Op op, std::vector<NodeId> inputs, std::vector<Size> size, Role role) {
    const NodeId id = push(op, std::move(inputs), std::move(size), here(std::string(name_of(role))));
    graph_.nodes.back().params = params;
    graph_.nodes.back().role = role;
    return id;
  };
  const NodeId context = answer(Op::attend, {q, k, v}, shape, Role::Context);
  const NodeId lse = answer(Op::lse, {context}, {shape[0], shape[1]}, Role::Lse);
  answer(Op::mask, {}, {shape[1], keys}, Role::Mask);
  answer(Op::probs, {q, k, lse}, {shape[0], shape[1], keys}, Role::Probs);
  return context;
}

NodeId Builder::take_rows(NodeId x) {
  graph_.last_hidden = x;
  return push(Op::take_rows, {x}, {rows_asked, graph_[x].shape[1]}, {});
}

NodeId Builder::first_row(NodeId x) { return push(Op::first_row, {x}, {features(1), graph_[x].shape[1]}, {}); }
NodeId Builder::mean_rows(NodeId x) { return push(Op::mean_rows, {x}, {features(1), graph_[x].shape[1]}, {}); }
NodeId Builder::unit_length(NodeId x) { return push(Op::unit_length, {x}, graph_[x].shape, {}); }

NodeId Builder::unembed(NodeId x, const std::string& matrix, int64_t d, int64_t vocab, const std::string& bias) {
  const NodeId id = push(Op::linear, {x}, {graph_[x].shape[0], features(vocab)}, "logits");
  Node& node = graph_.nodes.back();
  node.role = Role::Logits;
  node.weights = {weight(matrix + ".weight", {vocab, d})};
  if (!bias.empty()) node.weights.push_back(weight(bias, {vocab}));
  graph_.logits = id;
  return id;
}

NodeId Builder::mark(NodeId x, Role role, const std::string& path) {
  Node& node = graph_.nodes[static_cast<size_t>(x)];
  node.role = role;
  node.path = path;
  if (role == Role::Pooled) graph_.pooled = x;
  return x;
}

NodeId Builder::mark_here(NodeId x, Role role, const std::string& name) { return mark(x, role, here(name)); }

Graph Builder::finish() { return std::move(graph_); }

}  // namespace cutaway
