// The dispatches of each op, and what they need beside their inputs.
#include <algorithm>
#include <numeric>

#include "engine/position_bias.h"
#include "gpu/vulkan/plan.h"
#include "gpu/vulkan/pushes.h"

namespace cutaway {
namespace {

uint32_t narrow(int64_t n) {
  assert(n >= 0 && n <= INT32_MAX);
  return static_cast<uint32_t>(n);
}

const char* activation_shader(Op op) {
  switch (op) {
    case Op::gelu_erf:
      return "gelu_erf.comp";
    case Op::gelu_tanh:
      return "gelu_tanh.comp";
    case Op::relu:
      return "relu.comp";
    case Op::tanh:
      return "tanh.comp";
    default:
      assert(op == Op::silu);
      return "silu.comp";
  }
}

uint32_t all_fours(std::initializer_list<int64_t> widths) {
  return std::ranges::all_of(widths, [](int64_t width) { return width % 4 == 0; });
}

}  // namespace

uint64_t VulkanPlan::address(const Pass& pass, NodeId id) const {
  for (; rooms_of_[static_cast<size_t>(id)] < 0; id = graph_[id].inputs[0]) {
    if (graph_[id].op == Op::take_rows) return pass.taken;
    if (const auto here = pass.uploaded.find(id); here != pass.uploaded.end()) return here->second;
    assert(!graph_[id].inputs.empty());
  }
  return rooms_[static_cast<size_t>(rooms_of_[static_cast<size_t>(id)])].buffer->address;
}

int64_t VulkanPlan::past_of(const Pass& pass, const Node& node) const {
  return stream_of(node) == Counts::EncoderTokens ? 0 : pass.sizes.past;
}

/// Of a cache, or of rows in the scratch as if they lay in pages.
uint64_t VulkanPlan::page_table(Pass& pass, NodeId id) const {
  if (graph_[id].op == Op::cache) return pass.tables.at(id);
  return pass.uploads.table(address(pass, id), rows(pass, id),
                            static_cast<size_t>(row_width(graph_[id])) * sizeof(float));
}

void VulkanPlan::embedding(Pass& pass, const Node& node) const {
  const Feed& feed = *pass.feed;
  const Node& from = graph_[node.inputs[0]];
  std::vector<int32_t> ids(static_cast<size_t>(rows(pass, node.id)), 0);  // segments that nobody gave are 0
  if (from.op == Op::tokens)
    std::ranges::copy(stream_of(node) == Counts::EncoderTokens ? feed.source : feed.ids, ids.begin());
  else if (from.op == Op::positions)
    std::iota(ids.begin(), ids.end(), static_cast<int32_t>(past_of(pass, node) + from.params.first));
  else
    std::ranges::copy(feed.segments, ids.begin());
  const int64_t width = row_width(node), n = static_cast<int64_t>(ids.size()) * width;
  pass.work.dispatch("embedding.comp", {storage(node.weights[0]), 0},
                     EmbeddingPush{.width = narrow(width),
                                   .n = narrow(n),
                                   .ids = pass.uploads.put(ids.data(), ids.size() * sizeof(int32_t)),
                                   .table = weight(node.weights[0]),
                                   .out = address(pass, node.id)},
                     groups_of(static_cast<uint64_t>(n)), static_cast<double>(n), node.id);
}

/// Rows that the host makes from positions alone: (T, D) of a sinusoid, (H, T + S - 1) of a bias.
void VulkanPlan::upload_positions(Pass& pass, const Node& node) const {
  const int64_t n = rows(pass, node.id);
  std::vector<float> values;
  if (node.op == Op::sinusoid) {
    const int64_t first = past_of(pass, node) + graph_[node.inputs[0]].params.first;
    values = sinusoid_table(row_width(node), node.params.halves, first, n);
  } else {  // the first distance is that of key 0 to the last query
    const bool encoder = stream_of(node) == Counts::EncoderTokens;
    const int64_t last = encoder ? pass.sizes.source : pass.sizes.past + pass.sizes.tokens;
    values = position_bias(*model_, node, 1 - last, n);
  }
  pass.uploaded[node.id] = pass.uploads.put(values.data(), values.size() * sizeof(float));
}

void VulkanPlan::linear(Pass& pass, const Node& node) const {
  const Shape& shape = graph_.schema[static_cast<size_t>(node.weights[0])].shape;  // (out, in)
  const int64_t n_rows = rows(pass, node.id), columns = shape[0], width = shape[1];
  const bool bias = node.weights.size() > 1;
  const LinearPush push{.rows = narrow(n_rows),
                        .width = narrow(width),
                        .columns = narrow(columns),
                        .has_bias = bias,
                        .x = address(pass, node.inputs[0]),
                        .matrix = weight(node.weights[0]),
                        .bias = bias ? weight(node.weights[1]) : 0,
                        .y = address(pass, node.id)};
  const auto tiles = static_cast<uint64_t>((n_rows + 7) / 8 * ((columns + 7) / 8));
  const uint64_t groups = n_rows == 1 ? static_cast<uint64_t>((columns + 7) / 8) : groups_of(tiles);
  pass.work.dispatch(
      n_rows == 1 ? "linear_one.comp" : "linear.comp", {storage(node.weights[0]), all_fours({width})}, push, groups,
      2. * static_cast<double>(n_rows) * static_cast<double>(columns) * static_cast<double>(width), node.id);
}

void VulkanPlan::norm(Pass& pass, const Node& node) const {
  const int64_t n = rows(pass, node.id) * row_width(node);
  const int64_t width = node.op == Op::rms_norm ? node.params.head_dim : row_width(node);
  const uint64_t x = address(pass, node.inputs[0]), gain = weight(node.weights[0]), out = address(pass, node.id);
  const auto groups = static_cast<uint64_t>(n / width);
  const double cost = 8. * static_cast<double>(n);
  if (node.op == Op::rms_norm)
    return pass.work.dispatch("rms_norm.comp", {},
                              RmsNormPush{.width = narrow(width),
                                          .eps = node.params.eps,
                                          .offset = node.params.offset,
                                          .x = x,
                                          .gain = gain,
                                          .out = out},
                              groups, cost, node.id);
  const bool bias = node.weights.size() > 1;
  pass.work.dispatch("layer_norm.comp", {},
                     NormPush{.width = narrow(width),
                              .eps = node.params.eps,
                              .has_bias = bias,
                              .x = x,
                              .gain = gain,
                              .bias = bias ? weight(node.weights[1]) : 0,
                              .out = out},
                     groups, cost, node.id);
}

void VulkanPlan::rotary(Pass& pass, const Node& node) const {
  const RopeSpec& rope = model_->spec.ropes[static_cast<size_t>(node.params.rope)];
  const int64_t n_rows = rows(pass, node.id), width = row_width(node), n = n_rows * width;
  const bool from_zero = row_axis(node).law != Law::T;  // all rows that were ever made, not those of this pass
  const auto [turns, fresh] = pass.turns.try_emplace({node.params.rope, stream_of(node), from_zero});
  if (fresh) {
    const std::vector<float> table = rope_table(rope, from_zero ? 0 : past_of(pass, node), n_rows);
    turns->second = pass.uploads.put(table.data(), table.size() * sizeof(float));
  }
  pass.work.dispatch("rotary.comp", {},
                     RotaryPush{.n = narrow(n),
                                .width = narrow(width),
                                .head_dim = narrow(node.params.head_dim),
                                .begin = narrow(rope.begin),
                                .pairs = narrow(rope.width / 2),
                                .interleaved = rope.interleaved,
                                .x = address(pass, node.inputs[0]),
                                .turns = turns->second,
                                .out = address(pass, node.id)},
                     groups_of(static_cast<uint64_t>(n)), 4. * static_cast<double>(n), node.id);
}

void VulkanPlan::latent(Pass& pass, const Node& node) const {
  const Params& p = node.params;
  const int64_t rank = graph_.schema[static_cast<size_t>(node.weights[0])].shape[1];  // of (H * made, r)
  const bool expands = node.op == Op::expand_keys || node.op == Op::expand_values;
  const bool query = node.op == Op::latent_query;
  const int64_t inner = query ? p.value_dim : rank, in_width = row_width(graph_[node.inputs[0]]);
  const int64_t in_head = expands ? 0 : in_width / p.heads, n = rows(pass, node.id) * row_width(node);
  const uint32_t fours = all_fours({inner, in_width, in_head});
  pass.work.dispatch("latent.comp", {storage(node.weights[0]), fours, query},
                     LatentPush{.rows = narrow(rows(pass, node.id)),
                                .heads = narrow(p.heads),
                                .inner = narrow(inner),
                                .in_width = narrow(in_width),
                                .in_head = narrow(in_head),
                                .out_head = narrow(p.head_dim),
                                .turned = narrow(query || node.op == Op::expand_keys ? p.rope_dim : 0),
                                .x = page_table(pass, node.inputs[0]),
                                .matrix = weight(node.weights[0]),
                                .y = address(pass, node.id)},
                     groups_of(static_cast<uint64_t>(n)), 2. * static_cast<double>(n) * static_cast<double>(inner),
                     node.id);
}

void VulkanPlan::attend(Pass& pass, const Node& node) const {
  const Params& p = node.params;
  const int64_t queries = rows(pass, node.id), keys = rows(pass, node.inputs[1]), past = past_of(pass, node);
  const int64_t v_stride = row_width(graph_[node.inputs[2]]) / p.kv_heads;
  const bool biased = node.inputs.size() > 3;
  const auto slot = static_cast<size_t>(p.mask_slot);
  const auto lse = lse_rooms_.find(node.id);
  const bool has_lse = lse != lse_rooms_.end();
  const AttendPush push{.rows = narrow(queries),
                        .past = narrow(past),
                        .keys = narrow(keys),
                        .heads = narrow(p.heads),
                        .kv_heads = narrow(p.kv_heads),
                        .head_dim = narrow(p.head_dim),
                        .value_dim = narrow(p.value_dim),
                        .v_stride = narrow(v_stride),
                        .scale = p.scale,
                        .softcap = p.softcap,
                        .has_lse = has_lse,
                        .bias_stride = biased ? narrow(rows(pass, node.inputs[3])) : 0,
                        .bias_zero = narrow(past + queries - 1),
                        .mask = mask_push(pass.feed->masks[slot]),
                        .q = address(pass, node.inputs[0]),
                        .k = page_table(pass, node.inputs[1]),
                        .v = page_table(pass, node.inputs[2]),
                        .context = address(pass, node.id),
                        .lse = has_lse ? rooms_[static_cast<size_t>(lse->second)].buffer->address : 0,
                        .bits = pass.bits[slot],
                        .bias = biased ? address(pass, node.inputs[3]) : 0};
  const double cost =
      2. * static_cast<double>(queries * p.heads) * static_cast<double>(keys * (p.head_dim + p.value_dim));
  const uint32_t fours = all_fours({p.head_dim, p.value_dim, v_stride});
  if (backend_->attends_by_rows())
    pass.work.dispatch("attend_rows.comp", {fours, narrow((p.head_dim + 3) / 4), narrow((p.value_dim + 3) / 4)}, push,
                       static_cast<uint64_t>(((queries + 3) / 4 * p.heads + 7) / 8), cost, node.id);
  else
    pass.work.dispatch("attend.comp", {fours, narrow((p.value_dim + 63) / 64)}, push,
                       static_cast<uint64_t>(queries * p.heads), cost, node.id);
}

/// The new rows of `from` become the last rows of `to`, on the time of the node `whose`.
void VulkanPlan::append(Pass& pass, NodeId whose, NodeId from, const PagedRows& to, uint64_t table) const {
  const int64_t count = new_rows(graph_[from], pass.sizes), old = rows(pass, from) - count;
  const int64_t width = static_cast<int64_t>(to.row_bytes() / sizeof(float)), n = count * width;
  const uint64_t base = graph_[from].op == Op::lse
                            ? rooms_[static_cast<size_t>(lse_rooms_.at(graph_[from].inputs[0]))].buffer->address
                            : address(pass, from);
  pass.work.dispatch("record.comp", {},
                     RowsPush{.width = narrow(width),
                              .row = narrow(to.rows() - count),
                              .n = narrow(n),
                              .dense = base + static_cast<uint64_t>(old) * to.row_bytes(),
                              .table = table},
                     groups_of(static_cast<uint64_t>(n)), static_cast<double>(n), whose);
}

/// Ops that make each number of their output from one of each input.
void VulkanPlan::run_values(Pass& pass, const Node& node) const {
  const int64_t n = rows(pass, node.id) * row_width(node);
  const auto groups = groups_of(static_cast<uint64_t>(n));
  const uint64_t x = address(pass, node.inputs[0]), out = address(pass, node.id);
  if (node.op == Op::add || node.op == Op::mul)
    pass.work.dispatch(node.op == Op::add ? "add.comp" : "mul.comp", {},
                       AddPush{.n = narrow(n), .a = x, .b = address(pass, node.inputs[1]), .out = out}, groups,
                       static_cast<double>(n), node.id);
  else if (node.op == Op::scale || node.op == Op::softcap)
    pass.work.dispatch(node.op == Op::scale ? "scale.comp" : "softcap.comp", {},
                       ScalePush{.n = narrow(n),
                                 .factor = node.op == Op::scale ? node.params.scale : node.params.softcap,
                                 .x = x,
                                 .out = out},
                       groups, (node.op == Op::scale ? 1. : 20.) * static_cast<double>(n), node.id);
  else
    pass.work.dispatch(activation_shader(node.op), {}, ActivationPush{.n = narrow(n), .x = x, .out = out}, groups,
                       20. * static_cast<double>(n), node.id);
}

void VulkanPlan::run_node(Pass& pass, const Node& node) const {
  const int64_t n_rows = rows(pass, node.id), width = row_width(node);
  switch (node.op) {
    case Op::embedding:
      embedding(pass, node);
      break;
    case Op::sinusoid:
    case Op::relative_bias:
    case Op::alibi_bias:
      upload_positions(pass, node);
      break;
    case Op::layer_norm:
    case Op::rms_norm:
      norm(pass, node);
      break;
    case Op::linear:
      linear(pass, node);
      break;
    case Op::rotary:
      rotary(pass, node);
      break;
    case Op::latent_query:
    case Op::latent_value:
    case Op::expand_keys:
    case Op::expand_values:
      latent(pass, node);
      break;
    case Op::attend:
      attend(pass, node);
      break;
    case Op::cache:
      append(pass, node.id, node.inputs[0], pass.state->at(node.id), pass.tables.at(node.id));
      break;
    case Op::add:
    case Op::mul:
    case Op::scale:
    case Op::softcap:
    case Op::gelu_erf:
    case Op::gelu_tanh:
    case Op::relu:
    case Op::silu:
    case Op::tanh:
      run_values(pass, node);
      break;
    case Op::concat: {
      const int64_t left = row_width(graph_[node.inputs[0]]), n = n_rows * width;
      pass.work.dispatch("concat.comp", {},
                         ConcatPush{.n = narrow(n),
                                    .left = narrow(left),
                                    .right = narrow(width - left),
                                    .a = address(pass, node.inputs[0]),
                                    .b = address(pass, node.inputs[1]),
                                    .out = address(pass, node.id)},
                         groups_of(static_cast<uint64_t>(n)), static_cast<double>(n), node.id);
      break;
    }
    case Op::mean_rows:
      pass.work.dispatch("mean_rows.comp", {},
                         MeanPush{.width = narrow(width),
                                  .rows = narrow(rows(pass, node.inputs[0])),
                                  .x = address(pass, node.inputs[0]),
                                  .out = address(pass, node.id)},
                         groups_of(static_cast<uint64_t>(width)),
                         static_cast<double>(width) * static_cast<double>(rows(pass, node.inputs[0])), node.id);
      break;
    case Op::unit_length:
      pass.work.dispatch(
          "unit_length.comp", {},
          UnitPush{.width = narrow(width), .x = address(pass, node.inputs[0]), .out = address(pass, node.id)},
          static_cast<uint64_t>(n_rows), 4. * static_cast<double>(n_rows * width), node.id);
      break;
    default:
      break;  // inputs, views and answers run nothing
  }
  if (node.head || !records(node.id)) return;
  const PagedRows& kept = pass.recording->at(node.id);
  // Views and answers take no time of their own: what records them counts for the node that made the rows.
  append(pass, source(node.op == Op::lse ? node.inputs[0] : node.id), node.op == Op::cache ? node.inputs[0] : node.id,
         kept, pass.uploads.table(kept));
}

}  // namespace cutaway
