#include "engine/cpu/cpu_plan.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <new>
#include <numeric>

namespace cutaway {
namespace {

constexpr int64_t row_piece_floats = 16 * 1024;  // values by value: smaller pieces cost more to hand over than to do
constexpr int64_t few_piece_bytes = 128 * 1024;  // weights that a thread reads at a time when few rows are asked
constexpr int64_t many_outs = 192, many_rows = 512;  // a piece of a matrix product
constexpr int64_t least_shared_attention = 1 << 17;  // multiply-adds: about ten microseconds of one thread
constexpr int64_t head_rows = 64;                    // rows that head() runs at a time

int64_t pieces_of(int64_t n, int64_t piece) { return (n + piece - 1) / piece; }
int64_t aligned(int64_t floats) { return (floats + 15) / 16 * 16; }

WeightType weight_type(DType dtype) {
  assert(dtype == DType::F32 || dtype == DType::F16 || dtype == DType::BF16);
  return dtype == DType::F32 ? WeightType::F32 : dtype == DType::F16 ? WeightType::F16 : WeightType::BF16;
}

/// Outputs of a linear that one piece makes from few rows: about few_piece_bytes of weights, whatever the thread count.
int64_t few_outs(const WeightMatrix& w) {
  const int64_t row_bytes = w.cols * (w.type == WeightType::F32 ? 4 : 2);
  return std::max<int64_t>(16, few_piece_bytes / row_bytes / 16 * 16);
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
    const bool kept = tapped.op == Op::lse || (home == Home::Scratch && !tapped.head);
    recorded_[static_cast<size_t>(id)] = kept && rows_of(tapped, 2, 0) == 2;
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

Result<void> CpuPlan::reserve() {
  int64_t floats = 0, heads = 0;
  slot_at_.clear();
  for (const Slot& slot : layout_.scratch) {
    slot_at_.push_back(floats);
    floats += aligned(slot.floats(pass_.tokens, pass_.asked));
  }
  worker_floats_ = 0;
  const int64_t keys = pass_.past + pass_.tokens;
  for (const Node& n : model_->graph->nodes) {
    if (n.op == Op::attend) {
      worker_floats_ = std::max(worker_floats_, attend_scratch(keys, n.params.head_dim));
      heads = std::max(heads, n.params.heads);
    }
    if (n.op == Op::linear && rows(n.id) > few_rows)
      worker_floats_ = std::max(worker_floats_, linear_scratch(matrix(n).type, many_outs, matrix(n).cols));
  }
  worker_floats_ = aligned(worker_floats_);
  lse_at_ = floats;
  workers_at_ = lse_at_ + aligned(heads * pass_.tokens);
  return scratch_.reserve(workers_at_ + worker_floats_ * machine_.pool->threads());
}

Result<void> CpuPlan::run(const Feed& feed, State& state, Recording& recording, Output& out) {
  assert(!feed.ids.empty() && feed.logits_begin <= feed.logits_end);
  const Graph& graph = *model_->graph;
  pass_ = {.feed = &feed,
           .state = &state,
           .tokens = static_cast<int64_t>(feed.ids.size()),
           .asked = graph.logits == no_node ? 0 : feed.logits_end - feed.logits_begin,
           .past = feed.past};
  // What to go back to on failure: an entry that was not there before has no number.
  std::map<NodeId, int64_t> state_rows, recording_rows;
  for (const auto& [id, rows] : state) state_rows[id] = rows.rows();
  for (const auto& [id, rows] : recording) recording_rows[id] = rows.rows();

  Result<void> ran = reserve();
  if (ran) ran = run_nodes(feed, recording, out);
  pass_ = {};
  if (ran) return ran;
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
  out.logits.resize(static_cast<size_t>(pass_.asked) * width_of(graph.logits));
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
    if (n.head && pass_.asked == 0) continue;
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
    pass_ = {.asked = last - first, .logits = out + (first - begin) * vocab};
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
    case Op::add:
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
      const int64_t first = n.op == Op::first_row ? 0 : pass_.feed->logits_begin - pass_.past;
      assert(first >= 0 && first + rows(n.id) <= rows(n.inputs[0]));
      const size_t bytes = static_cast<size_t>(rows(n.id) * row_width(n)) * sizeof(float);
      std::memcpy(target(n.id), values(n.inputs[0]) + first * row_width(n), bytes);
    }
  }
  return {};
}

template <class F>
void CpuPlan::over_rows(int64_t rows, int64_t width, F f) {
  const int64_t piece = std::max<int64_t>(1, row_piece_floats / width);
  machine_.pool->each(pieces_of(rows, piece), [&](int64_t i, int) { f(i * piece, std::min(rows, (i + 1) * piece)); });
}

void CpuPlan::run_ids() {
  positions_.resize(static_cast<size_t>(pass_.tokens));
  std::iota(positions_.begin(), positions_.end(), static_cast<int32_t>(pass_.past));
  segments_.assign(static_cast<size_t>(pass_.tokens), 0);
  const auto& given = pass_.feed->segments;
  assert(given.empty() || given.size() == segments_.size());
  std::ranges::copy(given, segments_.begin());
  spans_.clear();
}

void CpuPlan::run_embedding(const Node& n) {
  const Op source = node(n.inputs[0]).op;
  const int32_t* ids = source == Op::tokens      ? pass_.feed->ids.data()
                       : source == Op::positions ? positions_.data()
                                                 : segments_.data();
  const WeightMatrix table = matrix(n);
  for (int64_t t = 0; t < pass_.tokens; ++t) assert(ids[t] >= 0 && ids[t] < table.rows);
  float* out = target(n.id);
  over_rows(pass_.tokens, table.cols, [&](int64_t begin, int64_t end) {
    machine_.kernels->embedding(table, ids + begin, end - begin, out + begin * table.cols);
  });
}

void CpuPlan::run_values(const Node& n) {
  const KernelTable& kernels = *machine_.kernels;
  const int64_t width = row_width(n);
  const float* x = values(n.inputs[0]);
  const float* other = n.op == Op::add ? values(n.inputs[1]) : nullptr;
  const float *gain = vector(n, 0), *bias = vector(n, 1);
  float* out = target(n.id);
  over_rows(rows(n.id), width, [&](int64_t begin, int64_t end) {
    const int64_t at = begin * width, count = (end - begin) * width;
    switch (n.op) {
      case Op::add:
        return kernels.add(x + at, other + at, count, out + at);
      case Op::layer_norm:
        return kernels.layer_norm(x + at, gain, bias, n.params.eps, end - begin, width, out + at);
      case Op::gelu_erf:
        return kernels.gelu_erf(x + at, count, out + at);
      case Op::gelu_tanh:
        return kernels.gelu_tanh(x + at, count, out + at);
      case Op::relu:
        return kernels.relu(x + at, count, out + at);
      case Op::tanh:
        return kernels.tanh(x + at, count, out + at);
      default:
        return kernels.unit_length(x + at, end - begin, width, out + at);
    }
  });
}

void CpuPlan::run_linear(const Node& n) {
  const KernelTable& kernels = *machine_.kernels;
  const WeightMatrix w = matrix(n);
  const int64_t n_rows = rows(n.id);
  const float *x = values(n.inputs[0]), *bias = vector(n, 1);
  float* y = target(n.id);
  if (n_rows <= few_rows) {
    const int64_t outs = few_outs(w);
    return machine_.pool->each(pieces_of(w.rows, outs), [&](int64_t i, int) {
      kernels.linear_few(x, n_rows, w, bias, i * outs, std::min(w.rows, (i + 1) * outs), y);
    });
  }
  const int64_t across = pieces_of(w.rows, many_outs);
  machine_.pool->each(across * pieces_of(n_rows, many_rows), [&](int64_t i, int worker) {
    const int64_t row = i / across * many_rows, out = i % across * many_outs;
    kernels.linear_many(x + row * w.cols, std::min(many_rows, n_rows - row), w, bias, out,
                        std::min(w.rows, out + many_outs), y + row * w.rows, worker_scratch(worker));
  });
}

Result<void> CpuPlan::run_cache(const Node& n) {
  auto [entry, fresh] =
      pass_.state->try_emplace(n.id, machine_.arena, static_cast<size_t>(row_width(n)) * sizeof(float));
  PagedRows& cache = entry->second;
  assert(cache.rows() == pass_.past);
  if (auto grown = cache.grow(pass_.tokens); !grown) return grown;
  cache.scatter(pass_.past, pass_.past + pass_.tokens, values(n.inputs[0]));
  return {};
}

AllowedKeys CpuPlan::allowed_keys(int mask_slot) {
  const MaskRule& rule = pass_.feed->masks[static_cast<size_t>(mask_slot)];
  const auto [entry, fresh] = spans_.try_emplace(mask_slot, rule, pass_.past, pass_.tokens, pass_.past + pass_.tokens);
  return entry->second.keys(rule);
}

/// Keys or values as pages of attend_page rows: the cache's own, or this pass's rows in scratch.
void CpuPlan::page_table(NodeId id, std::vector<const float*>& pages) const {
  static_assert(page_rows == attend_page);
  pages.clear();
  if (layout_.places[static_cast<size_t>(id)].home == Home::Cache) {
    for (const auto& page : pass_.state->at(id).pages()) pages.push_back(reinterpret_cast<const float*>(page->host));
    return;
  }
  assert(pass_.past == 0);  // without a cache, earlier tokens are gone
  for (int64_t row = 0; row < pass_.tokens; row += page_rows) pages.push_back(values(id) + row * row_width(node(id)));
}

void CpuPlan::run_attend(const Node& n) {
  page_table(n.inputs[1], k_pages_);
  page_table(n.inputs[2], v_pages_);
  const Attention attention{.q = values(n.inputs[0]),
                            .k_pages = k_pages_.data(),
                            .v_pages = v_pages_.data(),
                            .past = pass_.past,
                            .keys = pass_.past + pass_.tokens,
                            .heads = n.params.heads,
                            .kv_heads = n.params.kv_heads,
                            .head_dim = n.params.head_dim,
                            .scale = n.params.scale,
                            .allowed = allowed_keys(n.params.mask_slot),
                            .context = target(n.id),
                            .lse = scratch_.data() + lse_at_};
  // Later queries of a causal mask see more keys: the longest pieces go first.
  const int64_t heads = n.params.heads, blocks = pieces_of(pass_.tokens, attend_queries);
  const auto piece = [&](int64_t i, int worker) {
    const int64_t begin = (blocks - 1 - i / heads) * attend_queries,
                  end = std::min(pass_.tokens, begin + attend_queries);
    machine_.kernels->attend(attention, i % heads, begin, end, worker_scratch(worker));
  };
  if (pass_.tokens * attention.keys * row_width(n) >= least_shared_attention)
    return machine_.pool->each(blocks * heads, piece);
  for (int64_t i = 0; i < blocks * heads; ++i) piece(i, 0);
}

Result<void> CpuPlan::record(NodeId id, Recording& recording) {
  const Node& n = node(id);
  auto [entry, fresh] = recording.try_emplace(id, machine_.arena, static_cast<size_t>(row_width(n)) * sizeof(float));
  PagedRows& kept = entry->second;
  const int64_t before = kept.rows();
  if (auto grown = kept.grow(pass_.tokens); !grown) return grown;
  kept.scatter(before, before + pass_.tokens, n.op == Op::lse ? scratch_.data() + lse_at_ : values(id));
  return {};
}

}  // namespace cutaway
