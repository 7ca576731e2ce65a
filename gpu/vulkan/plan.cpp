#include "gpu/vulkan/plan.h"

#include <algorithm>

#include "gpu/vulkan/pushes.h"

namespace cutaway {
namespace {

constexpr int64_t head_rows = 64;       // rows of logits made at a time
constexpr int64_t most_head_dim = 256;  // four columns an invocation in attend.comp

bool is_view(Op op) {
  return op == Op::split_heads || op == Op::merge_heads || op == Op::first_row || op == Op::take_rows;
}
bool is_input(Op op) { return op == Op::tokens || op == Op::positions || op == Op::segments; }
bool is_answer(Op op) { return op == Op::lse || op == Op::mask || op == Op::probs; }

/// Has memory of its own in the scratch.
bool has_rows(Op op) { return !is_view(op) && !is_input(op) && !is_answer(op) && op != Op::cache; }

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
      return nullptr;
  }
}

/// What the shaders can do; the rest runs on the CPU.
bool has_shader(const Node& node) {
  switch (node.op) {
    case Op::attend:
      return node.params.softcap == 0 && node.inputs.size() == 3 && node.params.value_dim == node.params.head_dim;
    case Op::cache:
      return keeps_all(node);
    case Op::sinusoid:
    case Op::mul:
    case Op::scale:
    case Op::softcap:
    case Op::rms_norm:
    case Op::silu:
    case Op::rotary:
    case Op::concat:
    case Op::relative_bias:
    case Op::alibi_bias:
    case Op::latent_query:
    case Op::latent_value:
    case Op::expand_keys:
    case Op::expand_values:
      return false;
    default:
      return node.shape.empty() || stream_of(node) == Counts::DecoderTokens;
  }
}

}  // namespace

Result<void> VulkanPlan::supports(const Graph& graph) {
  for (const Node& node : graph.nodes)
    if (!has_shader(node)) return machine_error("vulkan has no shader for {} ({})", name_of(node.op), node.path);
  for (const Node& node : graph.nodes)
    if (node.op == Op::attend && node.params.head_dim > most_head_dim)
      return machine_error("{} has heads of {} numbers; the Vulkan backend holds at most {}", node.path,
                           node.params.head_dim, most_head_dim);
  return {};
}

VulkanPlan::VulkanPlan(std::shared_ptr<VulkanBackend> backend, std::shared_ptr<const DeviceWeights> weights,
                       const Taps& taps)
    : backend_(std::move(backend)),
      weights_(std::move(weights)),
      model_(weights_->model),
      graph_(*model_->graph),
      taps_(taps) {
  place_nodes();
}

NodeId VulkanPlan::source(NodeId id) const {
  while (is_view(graph_[id].op)) id = graph_[id].inputs[0];
  return id;
}

NodeId VulkanPlan::lse_of(NodeId attend) const {
  for (NodeId id = attend + 1; id < static_cast<NodeId>(graph_.nodes.size()); ++id)
    if (graph_[id].op == Op::lse && graph_[id].inputs[0] == attend) return id;
  return no_node;
}

/// A tap gets rows of its own: a cache's rows are in the state already, answers are asked for by tiles, and pooled or
/// head rows are not one a position.
bool VulkanPlan::records(NodeId id) const {
  const Node& node = graph_[id];
  if (!taps_.contains(id) || node.head || places_[static_cast<size_t>(id)].one_row) return false;
  return node.op == Op::lse || (!is_answer(node.op) && !is_input(node.op) && node.op != Op::cache);
}

void VulkanPlan::place_nodes() {
  const auto n = static_cast<NodeId>(graph_.nodes.size());
  places_.resize(graph_.nodes.size());
  std::vector<NodeId> last_use(graph_.nodes.size(), -1);
  for (const Node& node : graph_.nodes) {
    Place& place = places_[static_cast<size_t>(node.id)];
    if (!is_input(node.op)) place.width = row_width(node);
    place.one_row = node.op == Op::first_row || node.op == Op::mean_rows;
    for (NodeId input : node.inputs) {
      place.one_row = place.one_row || places_[static_cast<size_t>(input)].one_row;
      last_use[static_cast<size_t>(source(input))] = node.id;
    }
    last_use[static_cast<size_t>(source(node.id))] = std::max(last_use[static_cast<size_t>(source(node.id))], node.id);
  }
  for (NodeId kept : {graph_.last_hidden, graph_.logits, graph_.pooled})
    if (kept != no_node) last_use[static_cast<size_t>(source(kept))] = n;
  for (NodeId id = 0; id < n; ++id) place(id, last_use);
}

void VulkanPlan::place(NodeId id, const std::vector<NodeId>& last_use) {
  const Node& node = graph_[id];
  std::vector<bool> taken(slots_.size(), false);
  for (NodeId other = 0; other < id; ++other) {
    const int slot = places_[static_cast<size_t>(other)].slot;
    if (slot >= 0 && last_use[static_cast<size_t>(other)] >= id) taken[static_cast<size_t>(slot)] = true;
  }
  const auto take = [&](int64_t width) {
    size_t slot = 0;
    while (slot < slots_.size() && (taken[slot] || slots_[slot].head != node.head)) ++slot;
    if (slot == slots_.size()) slots_.push_back({.head = node.head}), taken.push_back(false);
    taken[slot] = true;
    slots_[slot].width = std::max(slots_[slot].width, width);
    return static_cast<int>(slot);
  };
  if (has_rows(node.op)) places_[static_cast<size_t>(id)].slot = take(places_[static_cast<size_t>(id)].width);
  if (node.op != Op::attend) return;
  const NodeId lse = lse_of(id);
  if (lse != no_node && records(lse)) lse_slots_[id] = take(node.params.heads);
}

std::vector<std::string> VulkanPlan::steps() const {
  std::vector<std::string> lines;
  for (const Node& node : graph_.nodes) {
    if (has_rows(node.op) || node.op == Op::cache) lines.push_back(fmt::format("{} {}", name_of(node.op), node.path));
    if (records(node.id)) lines.push_back(fmt::format("record {}", node.path));
  }
  return lines;
}

uint64_t VulkanPlan::address(const Pass& pass, NodeId id) const {
  while (is_view(graph_[id].op)) {
    if (graph_[id].op == Op::take_rows) return pass.taken;
    id = graph_[id].inputs[0];
  }
  const int slot = places_[static_cast<size_t>(id)].slot;
  assert(slot >= 0);
  return slots_[static_cast<size_t>(slot)].buffer->address;
}

int64_t VulkanPlan::rows_of(const Pass& pass, NodeId id) const {
  return places_[static_cast<size_t>(id)].one_row ? 1 : pass.rows;
}

Result<void> VulkanPlan::check(const Feed& feed, [[maybe_unused]] const State& state,
                               [[maybe_unused]] const Recording& recording) const {
  const auto T = static_cast<int64_t>(feed.ids.size());
  assert(T > 0 && feed.past >= 0 && (feed.segments.empty() || feed.segments.size() == feed.ids.size()));
  for (const Node& node : graph_.nodes) {
    if (places_[static_cast<size_t>(node.id)].width > INT32_MAX / std::max<int64_t>(node.head ? head_rows : T, 1))
      return machine_error("{} tokens at once are too many for {} on this device", T, node.path);
    if (node.op == Op::cache) assert(state.contains(node.id) && state.at(node.id).rows() == feed.past);
    if (records(node.id)) assert(recording.contains(node.id) && recording.at(node.id).rows() == feed.past);
    if (node.op != Op::embedding) continue;
    const int64_t rows = graph_.schema[static_cast<size_t>(node.weights[0])].shape[0];
    const Op kind = graph_[node.inputs[0]].op;
    if (kind == Op::positions && feed.past + T > rows)
      return error("the text has {} tokens; {} holds {}", feed.past + T, node.path, rows);
    for (int32_t id : kind == Op::tokens ? feed.ids : kind == Op::segments ? feed.segments : std::span<const int32_t>())
      if (id < 0 || id >= rows) return error("id {} is out of range; {} holds {}", id, node.path, rows);
  }
  return {};
}

Result<void> VulkanPlan::grow_scratch(int64_t rows, bool head) {
  for (Slot& slot : slots_) {
    if (slot.head != head || slot.rows >= rows) continue;
    slot.buffer = nullptr;
    slot.rows = 0;
    auto buffer = backend_->device().buffer(static_cast<size_t>(rows * slot.width) * sizeof(float), MemoryKind::Device,
                                            "the activations");
    if (!buffer) return buffer.error();
    slot.buffer = *std::move(buffer);
    slot.rows = rows;
  }
  return {};
}

void VulkanPlan::embedding(Pass& pass, const Node& node) const {
  const Feed& feed = *pass.feed;
  std::vector<int32_t> ids(feed.ids.begin(), feed.ids.end());
  const Op kind = graph_[node.inputs[0]].op;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (kind == Op::positions) ids[i] = static_cast<int32_t>(feed.past + static_cast<int64_t>(i));
    if (kind == Op::segments) ids[i] = feed.segments.empty() ? 0 : feed.segments[i];
  }
  const int64_t width = places_[static_cast<size_t>(node.id)].width, n = pass.rows * width;
  pass.work.dispatch("embedding.comp", {storage(node.weights[0]), 0},
                     EmbeddingPush{.width = narrow(width),
                                   .n = narrow(n),
                                   .ids = pass.uploads.put(ids.data(), ids.size() * sizeof(int32_t)),
                                   .table = weight(node.weights[0]),
                                   .out = address(pass, node.id)},
                     groups_of(static_cast<uint64_t>(n)), static_cast<double>(n), node.id);
}

void VulkanPlan::linear(Pass& pass, const Node& node) const {
  const Shape& shape = graph_.schema[static_cast<size_t>(node.weights[0])].shape;  // (out, in)
  const int64_t rows = rows_of(pass, node.id), columns = shape[0], width = shape[1];
  const bool bias = node.weights.size() > 1;
  const LinearPush push{.rows = narrow(rows),
                        .width = narrow(width),
                        .columns = narrow(columns),
                        .has_bias = bias,
                        .x = address(pass, node.inputs[0]),
                        .matrix = weight(node.weights[0]),
                        .bias = bias ? weight(node.weights[1]) : 0,
                        .y = address(pass, node.id)};
  const auto tiles = static_cast<uint64_t>((rows + 7) / 8 * ((columns + 7) / 8));
  const uint64_t groups = rows == 1 ? static_cast<uint64_t>((columns + 7) / 8) : groups_of(tiles);
  pass.work.dispatch(rows == 1 ? "linear_one.comp" : "linear.comp", {storage(node.weights[0]), width % 4 == 0}, push,
                     groups, 2. * static_cast<double>(rows) * static_cast<double>(columns) * static_cast<double>(width),
                     node.id);
}

void VulkanPlan::layer_norm(Pass& pass, const Node& node) const {
  const int64_t rows = rows_of(pass, node.id), width = places_[static_cast<size_t>(node.id)].width;
  const bool bias = node.weights.size() > 1;
  pass.work.dispatch("layer_norm.comp", {},
                     NormPush{.width = narrow(width),
                              .eps = node.params.eps,
                              .has_bias = bias,
                              .x = address(pass, node.inputs[0]),
                              .gain = weight(node.weights[0]),
                              .bias = bias ? weight(node.weights[1]) : 0,
                              .out = address(pass, node.id)},
                     static_cast<uint64_t>(rows), 8. * static_cast<double>(rows * width), node.id);
}

void VulkanPlan::attend(Pass& pass, const Node& node) const {
  const Params& p = node.params;
  const int64_t keys = graph_[node.inputs[1]].op == Op::cache ? pass.feed->past + pass.rows : pass.rows;
  const auto table = [&](NodeId id) {
    if (graph_[id].op == Op::cache) return pass.tables.at(id);
    return pass.uploads.table(address(pass, id), pass.rows,
                              static_cast<size_t>(p.kv_heads * p.head_dim) * sizeof(float));
  };
  const auto slot = static_cast<size_t>(p.mask_slot);
  const auto lse = lse_slots_.find(node.id);
  const bool has_lse = lse != lse_slots_.end();
  const AttendPush push{.rows = narrow(pass.rows),
                        .past = narrow(pass.feed->past),
                        .keys = narrow(keys),
                        .heads = narrow(p.heads),
                        .kv_heads = narrow(p.kv_heads),
                        .head_dim = narrow(p.head_dim),
                        .scale = p.scale,
                        .has_lse = has_lse,
                        .mask = mask_push(pass.feed->masks[slot]),
                        .q = address(pass, node.inputs[0]),
                        .k = table(node.inputs[1]),
                        .v = table(node.inputs[2]),
                        .context = address(pass, node.id),
                        .lse = has_lse ? slots_[static_cast<size_t>(lse->second)].buffer->address : 0,
                        .bits = pass.bits[slot]};
  const double cost = 4. * static_cast<double>(pass.rows * p.heads) * static_cast<double>(keys * p.head_dim);
  const uint32_t fours = p.head_dim % 4 == 0;
  if (backend_->device().about().is_cpu)  // barriers are dear there, even for one row
    pass.work.dispatch("attend_rows.comp", {fours, narrow((p.head_dim + 3) / 4)}, push,
                       static_cast<uint64_t>(((pass.rows + 3) / 4 * p.heads + 7) / 8), cost, node.id);
  else
    pass.work.dispatch("attend.comp", {fours}, push, static_cast<uint64_t>(pass.rows * p.heads), cost, node.id);
}

/// Rows of `from` become the last rows of `to`, on the time of the node `whose`.
void VulkanPlan::append(Pass& pass, NodeId whose, NodeId from, const PagedRows& to, uint64_t table) const {
  const int64_t width = static_cast<int64_t>(to.row_bytes() / sizeof(float)), n = pass.rows * width;
  const uint64_t dense = graph_[from].op == Op::lse
                             ? slots_[static_cast<size_t>(lse_slots_.at(graph_[from].inputs[0]))].buffer->address
                             : address(pass, from);
  pass.work.dispatch(
      "record.comp", {},
      RowsPush{
          .width = narrow(width), .row = narrow(to.rows() - pass.rows), .n = narrow(n), .dense = dense, .table = table},
      groups_of(static_cast<uint64_t>(n)), static_cast<double>(n), whose);
}

void VulkanPlan::run_node(Pass& pass, const Node& node) const {
  const uint64_t n = static_cast<uint64_t>(rows_of(pass, node.id) * places_[static_cast<size_t>(node.id)].width);
  switch (node.op) {
    case Op::embedding:
      embedding(pass, node);
      break;
    case Op::layer_norm:
      layer_norm(pass, node);
      break;
    case Op::linear:
      linear(pass, node);
      break;
    case Op::attend:
      attend(pass, node);
      break;
    case Op::cache:
      append(pass, node.id, node.inputs[0], pass.state->at(node.id), pass.tables.at(node.id));
      break;
    case Op::add:
      pass.work.dispatch("add.comp", {},
                         AddPush{.n = narrow(static_cast<int64_t>(n)),
                                 .a = address(pass, node.inputs[0]),
                                 .b = address(pass, node.inputs[1]),
                                 .out = address(pass, node.id)},
                         groups_of(n), static_cast<double>(n), node.id);
      break;
    case Op::gelu_erf:
    case Op::gelu_tanh:
    case Op::relu:
    case Op::tanh:
      pass.work.dispatch(
          activation_shader(node.op), {},
          ActivationPush{
              .n = narrow(static_cast<int64_t>(n)), .x = address(pass, node.inputs[0]), .out = address(pass, node.id)},
          groups_of(n), 20. * static_cast<double>(n), node.id);
      break;
    case Op::mean_rows:
      pass.work.dispatch("mean_rows.comp", {},
                         MeanPush{.width = narrow(static_cast<int64_t>(n)),
                                  .rows = narrow(rows_of(pass, node.inputs[0])),
                                  .x = address(pass, node.inputs[0]),
                                  .out = address(pass, node.id)},
                         groups_of(n), static_cast<double>(n) * static_cast<double>(pass.rows), node.id);
      break;
    case Op::unit_length: {
      const int64_t width = places_[static_cast<size_t>(node.id)].width;
      pass.work.dispatch(
          "unit_length.comp", {},
          UnitPush{.width = narrow(width), .x = address(pass, node.inputs[0]), .out = address(pass, node.id)},
          n / static_cast<uint64_t>(width), 4. * static_cast<double>(n), node.id);
      break;
    }
    default:
      break;  // inputs, views and answers run nothing
  }
  if (!node.head && records(node.id)) {
    const PagedRows& rows = pass.recording->at(node.id);
    // Views and answers take no time of their own: what records them counts for the node that made the rows.
    append(pass, source(node.op == Op::lse ? node.inputs[0] : node.id), node.id, rows, pass.uploads.table(rows));
  }
}

Result<void> VulkanPlan::run_head(Pass& pass, uint64_t hidden, int64_t rows, float* out) {
  assert(graph_.logits != no_node);
  const auto hidden_width = static_cast<uint64_t>(places_[static_cast<size_t>(graph_.last_hidden)].width);
  const int64_t vocab = places_[static_cast<size_t>(graph_.logits)].width;
  for (int64_t begin = 0; begin < rows; begin += head_rows) {
    pass.rows = std::min(head_rows, rows - begin);
    pass.taken = hidden + static_cast<uint64_t>(begin) * hidden_width * sizeof(float);
    if (auto grown = grow_scratch(pass.rows, true); !grown) return grown;
    for (const Node& node : graph_.nodes)
      if (node.head) run_node(pass, node);
    const Slot& slot = slots_[static_cast<size_t>(places_[static_cast<size_t>(graph_.logits)].slot)];
    auto back =
        backend_->read_back(pass.work, *slot.buffer, 0, static_cast<size_t>(pass.rows * vocab) * sizeof(float), out);
    if (!back) return back;
    out += pass.rows * vocab;
  }
  return {};
}

Result<void> VulkanPlan::run_body(Pass& pass, const Feed& feed, State& state, Recording& recording, Output& out) {
  for (auto& [id, rows] : state) pass.tables[id] = pass.uploads.table(rows);
  for (const MaskRule& rule : feed.masks)
    pass.bits.push_back(rule.bits ? pass.uploads.put(rule.bits->words.data(), rule.bits->words.size() * 4) : 0);
  pass.state = &state, pass.recording = &recording;
  for (const Node& node : graph_.nodes) {
    if (node.head) continue;
    run_node(pass, node);
    if (feed.progress)
      feed.progress->fraction = static_cast<float>(node.id + 1) / static_cast<float>(graph_.nodes.size());
  }
  if (auto ok = pass.uploads.ok(); !ok) return ok;
  if (graph_.pooled != no_node) {
    out.pooled.resize(static_cast<size_t>(places_[static_cast<size_t>(graph_.pooled)].width));
    const Slot& slot = slots_[static_cast<size_t>(places_[static_cast<size_t>(source(graph_.pooled))].slot)];
    auto back = backend_->read_back(pass.work, *slot.buffer, 0, out.pooled.size() * sizeof(float), out.pooled.data());
    if (!back) return back;
  }
  const int64_t asked = feed.logits_end - feed.logits_begin;
  if (asked <= 0 || graph_.logits == no_node) return pass.work.finish();
  const auto width = static_cast<uint64_t>(places_[static_cast<size_t>(graph_.last_hidden)].width);
  out.logits.resize(static_cast<size_t>(asked * places_[static_cast<size_t>(graph_.logits)].width));
  const uint64_t hidden =
      address(pass, graph_.last_hidden) + static_cast<uint64_t>(feed.logits_begin - feed.past) * width * sizeof(float);
  return run_head(pass, hidden, asked, out.logits.data());
}

Result<void> VulkanPlan::run(const Feed& feed, State& state, Recording& recording, Output& out) {
  if (auto ok = check(feed, state, recording); !ok) return ok;
  const auto T = static_cast<int64_t>(feed.ids.size());
  if (auto grown = grow_scratch(T, false); !grown) return grown;
  State next_state = state;  // page tables only: on failure the caller's stay as they were
  Recording next_recording = recording;
  for (auto& [id, rows] : next_state)
    if (auto grown = rows.grow(T); !grown) return grown;
  for (auto& [id, rows] : next_recording)
    if (records(id))
      if (auto grown = rows.grow(T); !grown) return grown;
  WorkLease work(backend_->device());
  if (!work) return work.error();
  work->begin(feed.progress);
  Uploads uploads(backend_->device());
  Pass pass{.work = *work, .uploads = uploads, .feed = &feed, .rows = T};
  out = {};
  if (auto ran = run_body(pass, feed, next_state, next_recording, out); !ran) {
    (void)work->finish();  // nothing may still read the uploads; the first error is what counts
    return ran;
  }
  out.node_ms.assign(graph_.nodes.size(), 0.f);
  for (const auto& [node, ms] : work->node_ms()) out.node_ms[static_cast<size_t>(node)] = static_cast<float>(ms);
  state = std::move(next_state);
  recording = std::move(next_recording);
  return {};
}

Result<void> VulkanPlan::head(const PagedRows& last_hidden, int64_t begin, int64_t end, float* out) {
  assert(begin >= 0 && begin <= end && end <= last_hidden.rows());
  if (begin == end) return {};
  if (graph_.logits == no_node) return error("{}: the model has no output head", model_->name);
  Device& device = backend_->device();
  const auto width = static_cast<int64_t>(last_hidden.row_bytes() / sizeof(float));
  auto hidden =
      device.buffer(static_cast<size_t>(end - begin) * last_hidden.row_bytes(), MemoryKind::Device, "the head");
  if (!hidden) return hidden.error();
  WorkLease work(device);
  if (!work) return work.error();
  work->begin(nullptr);
  Uploads uploads(device);
  Pass pass{.work = *work, .uploads = uploads};
  const uint64_t table = uploads.table(last_hidden);
  if (auto ok = uploads.ok(); !ok) return ok;
  const int64_t n = (end - begin) * width;
  work->dispatch(
      "gather.comp", {},
      RowsPush{
          .width = narrow(width), .row = narrow(begin), .n = narrow(n), .dense = (*hidden)->address, .table = table},
      groups_of(static_cast<uint64_t>(n)), static_cast<double>(n));
  auto ran = run_head(pass, (*hidden)->address, end - begin, out);
  if (!ran) (void)work->finish();
  return ran;
}

}  // namespace cutaway
