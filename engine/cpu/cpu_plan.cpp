#include "engine/cpu/cpu_plan.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <new>

#include "engine/snapshot.h"

namespace cutaway {
namespace {

constexpr int64_t head_rows = 64;  // rows that head() runs at a time

int64_t aligned(int64_t floats) { return (floats + 15) / 16 * 16; }

WeightType weight_type(DType dtype) {
  switch (dtype) {
    case DType::F16:
      return WeightType::F16;
    case DType::BF16:
      return WeightType::BF16;
    case DType::Q8_0:
      return WeightType::Q8_0;
    case DType::Q4_0:
      return WeightType::Q4_0;
    case DType::Q4_K:
      return WeightType::Q4_K;
    case DType::Q6_K:
      return WeightType::Q6_K;
    default:
      assert(dtype == DType::F32);
      return WeightType::F32;
  }
}

bool is_latent(Op op) {
  return op == Op::latent_query || op == Op::latent_value || op == Op::expand_keys || op == Op::expand_values;
}

using Clock = std::chrono::steady_clock;
float ms_since(Clock::time_point start) {
  return std::chrono::duration<float, std::milli>(Clock::now() - start).count();
}

}  // namespace

void Scratch::Free::operator()(float* p) const { ::operator delete[](p, std::align_val_t{64}); }

Result<void> Scratch::reserve(int64_t n) {
  constexpr int64_t small = 16 << 20;
  if (n <= size_ && (n >= size_ / 8 || size_ <= small)) return {};
  memory_.reset();
  size_ = 0;
  memory_.reset(static_cast<float*>(
      ::operator new[](static_cast<size_t>(n) * sizeof(float), std::align_val_t{64}, std::nothrow)));
  if (!memory_)
    return machine_error("out of memory: {} bytes of scratch for this pass", static_cast<size_t>(n) * sizeof(float));
  size_ = n;
  return {};
}

CpuPlan::CpuPlan(ModelPtr model, const Taps& taps, CpuMachine machine)
    : model_(std::move(model)), machine_(std::move(machine)), layout_(layout_of(*model_->graph)) {
  const Graph& graph = *model_->graph;
  for (size_t i = 0; i < graph.schema.size(); ++i) weights_.push_back(model_->weights->tensor(static_cast<int>(i)));
  recorded_.assign(graph.nodes.size(), false);
  for (NodeId id : taps) {
    const Node& tapped = node(id);
    const Home home = layout_.places[static_cast<size_t>(id)].home;
    // Caches are in the state already; rows of the head and of the pool are not positions.
    const bool kept = tapped.op == Op::lse || (home == Home::Scratch && !tapped.head) ||
                      (tapped.op == Op::cache && !keeps_all(tapped));
    const bool by_position = tapped.op == Op::cache || rows_of(tapped, {.tokens = 2, .source = 2}) == 2;
    recorded_[static_cast<size_t>(id)] = kept && by_position;
  }
}

std::vector<std::string> CpuPlan::steps() const {
  std::vector<std::string> lines;
  for (const Node& n : model_->graph->nodes) {
    if (layout_.places[static_cast<size_t>(n.id)].home != Home::Nothing && !is_view(n.op))
      lines.push_back(fmt::format("{} {}", name_of(n.op), n.path));
    if (recorded_[static_cast<size_t>(n.id)]) lines.push_back(fmt::format("record {}", n.path));
  }
  return lines;
}

WeightMatrix CpuPlan::matrix(const Node& n) const {
  const TensorView& view = weights_[static_cast<size_t>(n.weights[0])];
  return {view.data, weight_type(view.dtype), view.shape[0], view.shape[1]};
}

const float* CpuPlan::vector(const Node& n, size_t i) const {
  if (i >= n.weights.size()) return nullptr;
  const TensorView& view = weights_[static_cast<size_t>(n.weights[i])];
  assert(view.dtype == DType::F32);
  return reinterpret_cast<const float*>(view.data);
}

float* CpuPlan::target(NodeId id) const {
  const Place& place = layout_.places[static_cast<size_t>(id)];
  switch (place.home) {
    case Home::Logits:
      return pass_.logits;
    case Home::Pooled:
      return pass_.pooled;
    default:
      assert(place.home == Home::Scratch);
      return scratch_.data() + slot_at_[static_cast<size_t>(place.slot)];
  }
}

const float* CpuPlan::values(NodeId id) const { return target(id); }

bool CpuPlan::runs(const Node& n) const {
  if (n.head && pass_.sizes.asked == 0) return false;
  return pass_.source_runs || stream_of(n) == Counts::DecoderTokens;
}

Result<void> CpuPlan::reserve() {
  int64_t floats = 0, lse_floats = 0, gathered = 0;
  slot_at_.clear();
  for (const Slot& slot : layout_.scratch) {
    slot_at_.push_back(floats);
    floats += aligned(slot.floats(pass_.sizes));
  }
  worker_floats_ = 0;
  for (const Node& n : model_->graph->nodes) {
    if (n.op == Op::attend) {
      const int64_t keys = rows(n.inputs[1]);
      worker_floats_ = std::max(worker_floats_, attend_scratch(keys, n.params.head_dim, n.params.value_dim));
      lse_floats = std::max(lse_floats, n.params.heads * rows(n.id));
    }
    if (n.op == Op::linear && rows(n.id) > few_rows)
      worker_floats_ = std::max(worker_floats_, linear_scratch(matrix(n).type, many_outs, matrix(n).cols));
    if (is_latent(n.op))
      worker_floats_ = std::max(worker_floats_, linear_scratch(matrix(n).type, n.params.value_dim, matrix(n).cols));
    if (n.op == Op::expand_keys || n.op == Op::expand_values)
      gathered = std::max(gathered, rows(n.id) * row_width(node(n.inputs[0])));
  }
  worker_floats_ = aligned(worker_floats_);
  lse_at_ = floats;
  gather_at_ = lse_at_ + aligned(lse_floats);
  workers_at_ = gather_at_ + aligned(gathered);
  return scratch_.reserve(workers_at_ + worker_floats_ * machine_.pool->threads());
}

Result<void> CpuPlan::run(const Feed& feed, State& state, Recording& recording, Output& out) {
  assert(!feed.ids.empty() && feed.logits_begin <= feed.logits_end);
  const Graph& graph = *model_->graph;
  pass_ = {.feed = &feed,
           .state = &state,
           .sizes = {.tokens = static_cast<int64_t>(feed.ids.size()),
                     .past = feed.past,
                     .asked = graph.logits == no_node ? 0 : feed.logits_end - feed.logits_begin,
                     .source = feed.source_tokens},
           .source_runs = !feed.source.empty()};
  // What to go back to on failure: an entry that was not there before has no number.
  std::map<NodeId, int64_t> state_rows, recording_rows;
  for (const auto& [id, rows] : state) state_rows[id] = rows.rows();
  for (const auto& [id, rows] : recording) recording_rows[id] = rows.rows();

  Result<void> ran = reserve();
  if (ran) ran = run_nodes(feed, recording, out);
  const int64_t seen = pass_.sizes.past + pass_.sizes.tokens;
  pass_ = {};
  if (ran) {
    for (const Node& n : graph.nodes)
      if (n.op == Op::cache) forget_unseen(n, feed.masks, seen, state.at(n.id));
    return ran;
  }
  const auto restore = [](std::map<NodeId, PagedRows>& all, const std::map<NodeId, int64_t>& before) {
    std::erase_if(all, [&](const auto& entry) { return !before.contains(entry.first); });
    for (auto& [id, rows] : all) rows.truncate(before.at(id));
  };
  restore(state, state_rows);
  restore(recording, recording_rows);
  return ran;
}

Result<void> CpuPlan::run_nodes(const Feed& feed, Recording& recording, Output& out) {
  const Graph& graph = *model_->graph;
  const auto width_of = [&](NodeId id) { return id == no_node ? 0 : static_cast<size_t>(row_width(node(id))); };
  out.logits.resize(static_cast<size_t>(pass_.sizes.asked) * width_of(graph.logits));
  out.pooled.resize(width_of(graph.pooled));
  out.node_ms.assign(graph.nodes.size(), 0.f);
  pass_.logits = out.logits.data();
  pass_.pooled = out.pooled.data();
  run_ids();
  for (const Node& n : graph.nodes) {
    if (feed.progress) {
      if (feed.progress->cancelled) return Error{"cancelled", Fault::Ours};
      feed.progress->fraction = static_cast<float>(n.id) / static_cast<float>(graph.nodes.size());
    }
    if (!runs(n)) continue;
    const auto start = Clock::now();
    if (auto ran = run_node(n); !ran) return ran;
    if (recorded_[static_cast<size_t>(n.id)])
      if (auto kept = record(n.id, recording); !kept) return kept;
    const Home home = layout_.places[static_cast<size_t>(n.id)].home;
    if (home != Home::Nothing && home != Home::Ids && !is_view(n.op))
      out.node_ms[static_cast<size_t>(n.id)] = ms_since(start);
  }
  if (feed.progress) feed.progress->fraction = 1;
  return {};
}

Result<void> CpuPlan::head(const PagedRows& last_hidden, int64_t begin, int64_t end, float* out) {
  const Graph& graph = *model_->graph;
  assert(graph.logits != no_node && begin <= end && end <= last_hidden.rows());
  const int64_t vocab = row_width(node(graph.logits));
  for (int64_t first = begin; first < end; first += head_rows) {
    const int64_t last = std::min(end, first + head_rows);
    pass_ = {.sizes = {.asked = last - first}, .logits = out + (first - begin) * vocab};
    if (auto room = reserve(); !room) return room;
    for (const Node& n : graph.nodes) {
      if (!n.head) continue;
      if (n.op == Op::take_rows)
        last_hidden.gather(first, last, target(n.id));
      else if (auto ran = run_node(n); !ran)
        return ran;
    }
  }
  pass_ = {};
  return {};
}

Result<void> CpuPlan::run_node(const Node& n) {
  switch (n.op) {
    case Op::tokens:
    case Op::positions:
    case Op::segments:
    case Op::split_heads:
    case Op::merge_heads:
    case Op::lse:
    case Op::mask:
    case Op::probs:
      break;
    case Op::embedding:
      run_embedding(n);
      break;
    case Op::linear:
      run_linear(n);
      break;
    case Op::attend:
      run_attend(n);
      break;
    case Op::cache:
      return run_cache(n);
    case Op::rotary:
      run_rotary(n);
      break;
    case Op::concat:
      run_concat(n);
      break;
    case Op::relative_bias:
    case Op::alibi_bias:
      run_bias(n);
      break;
    case Op::sinusoid:
      run_sinusoid(n);
      break;
    case Op::latent_query:
    case Op::latent_value:
    case Op::expand_keys:
    case Op::expand_values:
      run_latent(n);
      break;
    case Op::add:
    case Op::mul:
    case Op::scale:
    case Op::softcap:
    case Op::rms_norm:
    case Op::silu:
    case Op::layer_norm:
    case Op::gelu_erf:
    case Op::gelu_tanh:
    case Op::relu:
    case Op::tanh:
    case Op::unit_length:
      run_values(n);
      break;
    case Op::mean_rows:
      machine_.kernels->mean_rows(values(n.inputs[0]), rows(n.inputs[0]), row_width(n), target(n.id));
      break;
    case Op::first_row:
    case Op::take_rows: {
      const int64_t first = n.op == Op::first_row ? 0 : pass_.feed->logits_begin - pass_.sizes.past;
      assert(first >= 0 && first + rows(n.id) <= rows(n.inputs[0]));
      const size_t bytes = static_cast<size_t>(rows(n.id) * row_width(n)) * sizeof(float);
      std::memcpy(target(n.id), values(n.inputs[0]) + first * row_width(n), bytes);
    }
  }
  return {};
}

/// The rows that this pass made: all of a node's, or those after the ones that were there before.
Result<void> CpuPlan::record(NodeId id, Recording& recording) {
  const Node& n = node(id);
  const int64_t width = row_width(n);
  const RowFormat format = n.op == Op::cache ? pass_.state->at(id).format() : RowFormat{.head_dim = width};
  auto [entry, fresh] = recording.try_emplace(id, machine_.arena, format);
  PagedRows& kept = entry->second;
  const bool all = n.op != Op::cache && (row_axis(n).law == Law::Past || row_axis(n).law == Law::Window);
  const int64_t before = kept.rows(), old = all ? before : 0, made = rows(id) - old;
  const float* from =
      n.op == Op::lse ? scratch_.data() + lse_at_ : values(n.op == Op::cache ? n.inputs[0] : id) + old * width;
  const int64_t count = n.op == Op::cache ? rows(n.inputs[0]) : made;
  if (auto grown = kept.grow(count); !grown) return grown;
  kept.scatter(before, before + count, from);
  return {};
}

}  // namespace cutaway
