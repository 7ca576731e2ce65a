#include "engine/builder.h"

#include <cassert>

namespace cutaway {
namespace {

constexpr Size rows_asked{Law::Asked, 0, Counts::DecoderTokens};
constexpr Size features(int64_t n) { return {Law::Fixed, n, Counts::Features}; }
constexpr Size heads_of(int64_t n) { return {Law::Fixed, n, Counts::Heads}; }

}  // namespace

Builder::Scope::Scope(Builder& b, std::string part)
    : b_(b), length_(b.prefix_.size()), layer_(b.layer_), block_(b.block_), tokens_of_(b.tokens_of_) {
  if (part.starts_with("layers.")) {
    b.layer_ = std::stoi(part.substr(7));
  } else if (part == "encoder." || part == "decoder.") {
    b.stack_ = part;
    b.tokens_of_ = part == "encoder." ? Counts::EncoderTokens : Counts::DecoderTokens;
  } else {
    b.block_ = b.prefix_ + part.substr(0, part.size() - 1);
  }
  b.prefix_ += part;
}

Builder::Scope::~Scope() {
  b_.prefix_.resize(length_);
  b_.layer_ = layer_;
  b_.block_ = block_;
  b_.tokens_of_ = tokens_of_;
  if (length_ == 0) b_.stack_.clear();
}

Builder::Scope Builder::stack(Counts tokens_of) {
  return Scope(*this, tokens_of == Counts::EncoderTokens ? "encoder." : "decoder.");
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

NodeId Builder::tokens() { return push(Op::tokens, {}, {tokens_now()}, here("tokens")); }
NodeId Builder::segments() { return push(Op::segments, {}, {tokens_now()}, here("segments")); }

NodeId Builder::positions(int64_t first) {
  const NodeId id = push(Op::positions, {}, {tokens_now()}, here("positions"));
  graph_.nodes.back().params.first = first;
  return id;
}

NodeId Builder::embedding(NodeId ids, const std::string& name, int64_t rows, int64_t cols) {
  const NodeId id = push(Op::embedding, {ids}, {graph_[ids].shape[0], features(cols)}, here(name));
  graph_.nodes.back().weights = {weight(here(name) + ".weight", {rows, cols})};
  return id;
}

NodeId Builder::sinusoid(NodeId positions, int64_t width, bool halves) {
  const NodeId id = push(Op::sinusoid, {positions}, {graph_[positions].shape[0], features(width)}, here("sinusoid"));
  graph_.nodes.back().params.halves = halves;
  return id;
}

NodeId Builder::add(NodeId a, NodeId b) {
  assert(graph_[a].shape == graph_[b].shape);
  return push(Op::add, {a, b}, graph_[a].shape, {});
}

NodeId Builder::mul(NodeId a, NodeId b) {
  assert(graph_[a].shape == graph_[b].shape);
  return push(Op::mul, {a, b}, graph_[a].shape, {});
}

NodeId Builder::scale(NodeId x, float factor) {
  if (factor == 1) return x;
  const NodeId id = push(Op::scale, {x}, graph_[x].shape, {});
  graph_.nodes.back().params.scale = factor;
  return id;
}

NodeId Builder::softcap(NodeId x, float cap) {
  if (cap == 0) return x;
  const NodeId id = push(Op::softcap, {x}, graph_[x].shape, {});
  graph_.nodes.back().params.softcap = cap;
  return id;
}

NodeId Builder::concat(NodeId a, NodeId b) {
  const auto &left = graph_[a].shape, &right = graph_[b].shape;
  assert(left.size() == 2 && right.size() == 2 && left[0] == right[0]);
  return push(Op::concat, {a, b}, {left[0], features(left[1].n + right[1].n)}, {});
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

NodeId Builder::rms_norm(NodeId x, const std::string& name, int64_t group, float eps) {
  const NodeId id = push(Op::rms_norm, {x}, graph_[x].shape, here(name));
  Node& node = graph_.nodes.back();
  const int64_t width = group ? group : row_width(node);
  assert(row_width(node) % width == 0);
  node.params.eps = eps != 0 ? eps : spec_.norm_eps;
  node.params.offset = spec_.norm_offset;
  node.params.head_dim = width;
  node.weights = {weight(here(name) + ".weight", {width})};
  return id;
}

NodeId Builder::norm(NodeId x, const std::string& name) {
  return spec_.norm == Norm::Rms ? rms_norm(x, name) : layer_norm(x, name);
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
  static constexpr Op ops[] = {Op::gelu_erf, Op::gelu_tanh, Op::relu, Op::tanh, Op::silu};
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

NodeId Builder::rotary(NodeId x, int rope) {
  if (rope < 0) return x;
  const NodeId id = push(Op::rotary, {x}, graph_[x].shape, {});
  Node& node = graph_.nodes.back();
  node.params.rope = rope;
  node.params.heads = node.shape[0].n;
  node.params.head_dim = node.shape[2].n;
  assert(spec_.ropes[static_cast<size_t>(rope)].begin + spec_.ropes[static_cast<size_t>(rope)].width <=
         node.params.head_dim);
  return id;
}

NodeId Builder::cache(NodeId x, int mask_slot, int64_t rope_dim) {
  const auto shape = graph_[x].shape;
  const MaskRule& rule = spec_.masks[static_cast<size_t>(mask_slot)];
  Size rows{Law::Past, 0, shape[1].counts};
  if (shape[1].counts == Counts::EncoderTokens)
    rows.law = Law::Constant;
  else if (rule.kind == MaskRule::Kind::Window)
    rows = {Law::Window, rule.n, shape[1].counts};
  const NodeId id = push(Op::cache, {x}, {shape[0], rows, shape[2]}, {});
  graph_.nodes.back().params = {
      .heads = shape[0].n, .head_dim = shape[2].n, .rope_dim = rope_dim, .mask_slot = mask_slot};
  return id;
}

NodeId Builder::relative_bias(const std::string& name, int64_t heads, bool ahead) {
  const NodeId id = push(Op::relative_bias, {}, {heads_of(heads), {Law::Distances, 0, tokens_of_}}, here(name));
  Node& node = graph_.nodes.back();
  node.params.heads = heads;
  node.params.buckets = spec_.relative_buckets;
  node.params.max_distance = spec_.relative_max_distance;
  node.params.ahead = ahead;
  node.weights = {weight(here(name) + ".weight", {spec_.relative_buckets, heads})};
  return id;
}

NodeId Builder::alibi_bias(int64_t heads) {
  const NodeId id = push(Op::alibi_bias, {}, {heads_of(heads), {Law::Distances, 0, tokens_of_}}, here("alibi"));
  graph_.nodes.back().params.heads = heads;
  return id;
}

NodeId Builder::latent(Op op, NodeId x, const std::string& name, int64_t heads, int64_t width, const LatentSpec& how) {
  const int64_t made = op == Op::latent_query || op == Op::expand_keys ? how.nope_dim : how.v_dim;
  const NodeId id = push(op, {x}, {heads_of(heads), graph_[x].shape[1], features(width)}, here(name));
  Node& node = graph_.nodes.back();
  node.params.heads = heads;
  node.params.head_dim = width;
  node.params.value_dim = made;
  node.params.rope_dim = how.rope_dim;
  node.weights = {weight(here(name) + ".weight", {heads * made, how.kv_lora_rank})};
  return id;
}

NodeId Builder::latent_query(NodeId q, const std::string& name, const LatentSpec& how) {
  return latent(Op::latent_query, q, name, graph_[q].shape[0].n, how.kv_lora_rank + how.rope_dim, how);
}
NodeId Builder::latent_value(NodeId o, const std::string& name, const LatentSpec& how) {
  return latent(Op::latent_value, o, name, graph_[o].shape[0].n, how.v_dim, how);
}
NodeId Builder::expand_keys(NodeId c, const std::string& name, int64_t heads, const LatentSpec& how) {
  return latent(Op::expand_keys, c, name, heads, how.nope_dim + how.rope_dim, how);
}
NodeId Builder::expand_values(NodeId c, const std::string& name, int64_t heads, const LatentSpec& how) {
  return latent(Op::expand_values, c, name, heads, how.v_dim, how);
}

NodeId Builder::attend(const Attend& how) {
  const auto q_shape = graph_[how.q].shape, k_shape = graph_[how.k].shape, v_shape = graph_[how.v].shape;
  const Params params{.scale = how.scale,
                      .softcap = how.softcap,
                      .heads = q_shape[0].n,
                      .kv_heads = k_shape[0].n,
                      .head_dim = q_shape[2].n,
                      .value_dim = how.value_dim ? how.value_dim : v_shape[2].n,
                      .mask_slot = how.mask_slot};
  assert(params.heads % params.kv_heads == 0 && k_shape[2] == q_shape[2] && v_shape[0] == k_shape[0]);
  Size keys = k_shape[1];
  if (keys.law == Law::Window) keys = {Law::Past, 0, keys.counts};  // the map shows forgotten keys as masked
  const auto answer = [&](Op op, std::vector<NodeId> inputs, std::vector<Size> size, Role role) {
    const NodeId id = push(op, std::move(inputs), std::move(size), here(std::string(name_of(role))));
    graph_.nodes.back().params = params;
    graph_.nodes.back().role = role;
    return id;
  };
  std::vector<NodeId> inputs{how.q, how.k, how.v};
  if (how.bias != no_node) inputs.push_back(how.bias);
  const NodeId context =
      answer(Op::attend, inputs, {q_shape[0], q_shape[1], features(params.value_dim)}, Role::Context);
  const NodeId lse = answer(Op::lse, {context}, {q_shape[0], q_shape[1]}, Role::Lse);
  answer(Op::mask, {}, {q_shape[1], keys}, Role::Mask);
  inputs = {how.q, how.k, lse};
  if (how.bias != no_node) inputs.push_back(how.bias);
  answer(Op::probs, inputs, {q_shape[0], q_shape[1], keys}, Role::Probs);
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
  NodeId id = push(Op::linear, {x}, {graph_[x].shape[0], features(vocab)}, {});
  Node& node = graph_.nodes.back();
  node.weights = {weight(matrix + ".weight", {vocab, d})};
  if (!bias.empty()) node.weights.push_back(weight(bias, {vocab}));
  id = softcap(id, spec_.logit_softcap);
  graph_.nodes.back().role = Role::Logits;
  graph_.nodes.back().path = "logits";
  graph_.logits = id;
  return id;
}

NodeId Builder::mark(NodeId x, Role role, const std::string& path) {
  Node& node = graph_.nodes[static_cast<size_t>(x)];
  node.role = role;
  node.path = stack_ + path;
  if (role == Role::Pooled) graph_.pooled = x;
  return x;
}

NodeId Builder::mark_here(NodeId x, Role role, const std::string& name) {
  Node& node = graph_.nodes[static_cast<size_t>(x)];
  node.role = role;
  node.path = here(name);
  return x;
}

Graph Builder::finish() { return std::move(graph_); }

}  // namespace cutaway
