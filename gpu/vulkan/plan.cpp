#include "gpu/vulkan/plan.h"

#include <algorithm>

#include "gpu/vulkan/pushes.h"

namespace cutaway {
namespace {

constexpr int64_t head_rows = 64;         // rows of logits made at a time
constexpr int64_t most_value_dim = 1024;  // sixteen sums an invocation in attend.comp
constexpr int64_t past_step = 256;        // scratch that grows with the past grows by so many rows at a time

/// Rows of the input, or some of them: no memory of its own.
bool is_alias(Op op) { return is_view(op) || op == Op::first_row || op == Op::take_rows; }
bool is_input(Op op) { return op == Op::tokens || op == Op::positions || op == Op::segments; }
bool is_uploaded(Op op) { return op == Op::sinusoid || op == Op::relative_bias || op == Op::alibi_bias; }

/// Has memory of its own in the scratch.
bool has_room(Op op) { return !is_alias(op) && !is_input(op) && !is_answer(op) && !is_uploaded(op) && op != Op::cache; }

PassSizes sizes_of(const Feed& feed) {
  return {.tokens = static_cast<int64_t>(feed.ids.size()), .past = feed.past, .source = feed.source_tokens};
}

}  // namespace

Result<void> VulkanPlan::supports(const Graph& graph) {
  for (const Node& node : graph.nodes) {
    const bool expands = node.op == Op::expand_keys || node.op == Op::expand_values;
    if (expands && row_axis(node).law == Law::Window)
      return machine_error("{} is made of every cached row; the Vulkan backend forgets those behind a window",
                           node.path);
    if (node.op == Op::attend && std::max(node.params.head_dim, node.params.value_dim) > most_value_dim)
      return machine_error("{} has heads of {} numbers; the Vulkan backend holds at most {}", node.path,
                           std::max(node.params.head_dim, node.params.value_dim), most_value_dim);
  }
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
  while (is_alias(graph_[id].op)) id = graph_[id].inputs[0];
  return id;
}

NodeId VulkanPlan::lse_of(NodeId attend) const {
  for (NodeId id = attend + 1; id < static_cast<NodeId>(graph_.nodes.size()); ++id)
    if (graph_[id].op == Op::lse && graph_[id].inputs[0] == attend) return id;
  return no_node;
}

bool VulkanPlan::runs(const Feed& feed, const Node& node) const {
  return !node.head && (!feed.source.empty() || stream_of(node) == Counts::DecoderTokens);
}

/// A tap gets rows of its own: those of a cache that forgets nothing are in the state already, answers are asked for by
/// tiles, and pooled or head rows are not one a position.
bool VulkanPlan::records(NodeId id) const {
  const Node& node = graph_[id];
  if (!taps_.contains(id) || node.head || rows_of(node, {.tokens = 2, .source = 2}) != 2) return false;
  if (node.op == Op::lse) return true;
  return !is_answer(node.op) && !is_input(graph_[source(id)].op) && !keeps_all(node);
}

int64_t VulkanPlan::new_rows(const Node& node, const PassSizes& sizes) const {
  if (node.op == Op::cache) return rows_of(graph_[node.inputs[0]], sizes);
  const Law law = row_axis(node).law;
  return law == Law::Past || law == Law::Window ? sizes.tokens : rows_of(node, sizes);
}

void VulkanPlan::place_nodes() {
  const auto n = static_cast<NodeId>(graph_.nodes.size());
  rooms_of_.assign(graph_.nodes.size(), -1);
  std::vector<NodeId> last_use(graph_.nodes.size(), -1);
  for (const Node& node : graph_.nodes) {
    for (NodeId input : node.inputs) last_use[static_cast<size_t>(source(input))] = node.id;
    last_use[static_cast<size_t>(source(node.id))] = std::max(last_use[static_cast<size_t>(source(node.id))], node.id);
  }
  for (NodeId kept : {graph_.last_hidden, graph_.logits, graph_.pooled})
    if (kept != no_node) last_use[static_cast<size_t>(source(kept))] = n;
  for (const Node& node : graph_.nodes) place(node, last_use);
}

void VulkanPlan::place(const Node& node, const std::vector<NodeId>& last_use) {
  std::vector<bool> taken(rooms_.size(), false);
  for (NodeId other = 0; other < node.id; ++other) {
    const int room = rooms_of_[static_cast<size_t>(other)];
    if (room >= 0 && last_use[static_cast<size_t>(other)] >= node.id) taken[static_cast<size_t>(room)] = true;
  }
  const auto take = [&](int64_t width) {
    size_t room = 0;
    while (room < rooms_.size() && (taken[room] || rooms_[room].head != node.head)) ++room;
    if (room == rooms_.size()) rooms_.push_back({.takers = {}, .head = node.head}), taken.push_back(false);
    taken[room] = true;
    rooms_[room].takers.takers.emplace_back(row_axis(node), width);
    return static_cast<int>(room);
  };
  if (has_room(node.op)) rooms_of_[static_cast<size_t>(node.id)] = take(row_width(node));
  if (node.op != Op::attend) return;
  const NodeId lse = lse_of(node.id);
  if (lse != no_node && records(lse)) lse_rooms_[node.id] = take(node.params.heads);
}

std::vector<std::string> VulkanPlan::steps() const {
  std::vector<std::string> lines;
  for (const Node& node : graph_.nodes) {
    if (has_room(node.op) || is_uploaded(node.op) || node.op == Op::cache)
      lines.push_back(fmt::format("{} {}", name_of(node.op), node.path));
    if (records(node.id)) lines.push_back(fmt::format("record {}", node.path));
  }
  return lines;
}

Result<void> VulkanPlan::check(const Feed& feed, const PassSizes& sizes) const {
  assert(sizes.tokens > 0 && feed.past >= 0 && (feed.segments.empty() || feed.segments.size() == feed.ids.size()));
  assert(feed.source.empty() || static_cast<int64_t>(feed.source.size()) == feed.source_tokens);
  for (const Node& node : graph_.nodes) {
    const int64_t made = node.head ? head_rows : rows_of(node, sizes);
    if (!is_input(node.op) && row_width(node) > INT32_MAX / std::max<int64_t>(made, 1))
      return machine_error("{} rows at once are too many for {} on this device", made, node.path);
    if (node.op != Op::embedding || !runs(feed, node)) continue;
    const int64_t rows = graph_.schema[static_cast<size_t>(node.weights[0])].shape[0];
    const Node& from = graph_[node.inputs[0]];
    const bool encoder = stream_of(node) == Counts::EncoderTokens;
    const int64_t end = (encoder ? 0 : feed.past) + from.params.first + made;
    if (from.op == Op::positions && end > rows)
      return error("the text has {} tokens; {} holds {}", end - from.params.first, node.path, rows - from.params.first);
    const auto ids = from.op == Op::tokens     ? (encoder ? feed.source : feed.ids)
                     : from.op == Op::segments ? feed.segments
                                               : std::span<const int32_t>();
    for (int32_t id : ids)
      if (id < 0 || id >= rows) return error("id {} is out of range; {} holds {}", id, node.path, rows);
  }
  return {};
}

Result<void> VulkanPlan::grow_scratch(PassSizes sizes, bool head) {
  sizes.past = (sizes.past + past_step - 1) / past_step * past_step;
  for (Room& room : rooms_) {
    const int64_t floats = room.takers.floats(sizes);
    if (room.head != head || room.floats >= floats) continue;
    room.buffer = nullptr;
    room.floats = 0;
    auto buffer =
        backend_->device().buffer(static_cast<size_t>(floats) * sizeof(float), MemoryKind::Device, "the activations");
    if (!buffer) return buffer.error();
    room.buffer = *std::move(buffer);
    room.floats = floats;
  }
  return {};
}

Result<void> VulkanPlan::grow_rows(const Feed& feed, const PassSizes& sizes, State& state, Recording& recording) const {
  const auto grow = [&](std::map<NodeId, PagedRows>& all, const Node& node) {
    const auto [entry, fresh] =
        all.try_emplace(node.id, backend_->arena(), static_cast<size_t>(row_width(node)) * sizeof(float));
    return entry->second.grow(new_rows(node, sizes));
  };
  for (const Node& node : graph_.nodes) {
    if (!runs(feed, node)) continue;
    if (node.op == Op::cache)
      if (auto grown = grow(state, node); !grown) return grown;
    if (records(node.id))
      if (auto grown = grow(recording, node); !grown) return grown;
    assert(node.op != Op::cache || state.at(node.id).rows() == rows_of(node, sizes));
  }
  return {};
}

Result<void> VulkanPlan::run_head(Pass& pass, uint64_t hidden, int64_t rows, float* out) {
  assert(graph_.logits != no_node);
  const auto hidden_width = static_cast<uint64_t>(row_width(graph_[graph_.last_hidden]));
  const int64_t vocab = row_width(graph_[graph_.logits]);
  for (int64_t begin = 0; begin < rows; begin += head_rows) {
    pass.sizes.asked = std::min(head_rows, rows - begin);
    pass.taken = hidden + static_cast<uint64_t>(begin) * hidden_width * sizeof(float);
    if (auto grown = grow_scratch(pass.sizes, true); !grown) return grown;
    for (const Node& node : graph_.nodes)
      if (node.head) run_node(pass, node);
    const Room& room = rooms_[static_cast<size_t>(rooms_of_[static_cast<size_t>(graph_.logits)])];
    const size_t bytes = static_cast<size_t>(pass.sizes.asked * vocab) * sizeof(float);
    if (auto back = backend_->read_back(pass.work, *room.buffer, 0, bytes, out); !back) return back;
    out += pass.sizes.asked * vocab;
  }
  return {};
}

Result<void> VulkanPlan::run_body(Pass& pass, Output& out) {
  const Feed& feed = *pass.feed;
  for (auto& [id, rows] : *pass.state) pass.tables[id] = pass.uploads.table(rows);
  for (const MaskRule& rule : feed.masks)
    pass.bits.push_back(rule.bits ? pass.uploads.put(rule.bits->words.data(), rule.bits->words.size() * 4) : 0);
  for (const Node& node : graph_.nodes) {
    if (!runs(feed, node)) continue;
    run_node(pass, node);
    if (feed.progress)
      feed.progress->fraction = static_cast<float>(node.id + 1) / static_cast<float>(graph_.nodes.size());
  }
  if (auto ok = pass.uploads.ok(); !ok) return ok;
  if (graph_.pooled != no_node) {
    out.pooled.resize(static_cast<size_t>(row_width(graph_[graph_.pooled])));
    const Room& room = rooms_[static_cast<size_t>(rooms_of_[static_cast<size_t>(source(graph_.pooled))])];
    auto back = backend_->read_back(pass.work, *room.buffer, 0, out.pooled.size() * sizeof(float), out.pooled.data());
    if (!back) return back;
  }
  const int64_t asked = feed.logits_end - feed.logits_begin;
  if (asked <= 0 || graph_.logits == no_node) return pass.work.finish();
  const auto width = static_cast<uint64_t>(row_width(graph_[graph_.last_hidden]));
  out.logits.resize(static_cast<size_t>(asked * row_width(graph_[graph_.logits])));
  const uint64_t hidden =
      address(pass, graph_.last_hidden) + static_cast<uint64_t>(feed.logits_begin - feed.past) * width * sizeof(float);
  return run_head(pass, hidden, asked, out.logits.data());
}

Result<void> VulkanPlan::run(const Feed& feed, State& state, Recording& recording, Output& out) {
  const PassSizes sizes = sizes_of(feed);
  if (auto ok = check(feed, sizes); !ok) return ok;
  if (auto grown = grow_scratch(sizes, false); !grown) return grown;
  State next_state = state;  // page tables only: on failure the caller's stay as they were
  Recording next_recording = recording;
  if (auto grown = grow_rows(feed, sizes, next_state, next_recording); !grown) return grown;
  WorkLease work(backend_->device());
  if (!work) return work.error();
  work->begin(feed.progress);
  Uploads uploads(backend_->device());
  Pass pass{.work = *work,
            .uploads = uploads,
            .feed = &feed,
            .sizes = sizes,
            .state = &next_state,
            .recording = &next_recording};
  out = {};
  if (auto ran = run_body(pass, out); !ran) {
    (void)work->finish();  // nothing may still read the uploads; the first error is what counts
    return ran;
  }
  out.node_ms.assign(graph_.nodes.size(), 0.f);
  for (const auto& [node, ms] : work->node_ms()) out.node_ms[static_cast<size_t>(node)] = static_cast<float>(ms);
  for (const Node& node : graph_.nodes)
    if (node.op == Op::cache) forget_unseen(node, feed.masks, sizes.past + sizes.tokens, next_state.at(node.id));
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
  const auto n = static_cast<uint64_t>((end - begin) * width);
  assert(n <= INT32_MAX);
  work->dispatch("gather.comp", {},
                 RowsPush{.width = static_cast<uint32_t>(width),
                          .row = static_cast<uint32_t>(begin),
                          .n = static_cast<uint32_t>(n),
                          .dense = (*hidden)->address,
                          .table = table},
                 groups_of(n), static_cast<double>(n));
  auto ran = run_head(pass, (*hidden)->address, end - begin, out);
  if (!ran) (void)work->finish();
  return ran;
}

}  // namespace cutaway
