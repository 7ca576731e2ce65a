// How each op runs on the CPU: cut into pieces, with whatever the kernels need beside their inputs.
#include "engine/cpu/cpu_plan.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <numeric>

#include "engine/cpu/cached_rows.h"
#include "engine/position_bias.h"

namespace cutaway {
namespace {

constexpr int64_t row_piece_floats = 16 * 1024;  // values by value: smaller pieces cost more to hand over than to do
constexpr int64_t few_piece_bytes = 128 * 1024;  // weights that a thread reads at a time when few rows are asked
constexpr int64_t many_rows = 512;               // a piece of a matrix product is this times many_outs
constexpr int64_t least_shared_attention = 1 << 17;  // multiply-adds: about ten microseconds of one thread

int64_t pieces_of(int64_t n, int64_t piece) { return (n + piece - 1) / piece; }

/// Outputs of a linear that one piece makes from few rows: about few_piece_bytes of weights, whatever the thread count.
int64_t few_outs(const WeightMatrix& w) {
  return std::max<int64_t>(16, few_piece_bytes / stored_bytes(w.type, w.cols) / 16 * 16);
}

}  // namespace

template <class F>
void CpuPlan::over_rows(int64_t rows, int64_t width, F f) {
  const int64_t piece = std::max<int64_t>(1, row_piece_floats / width);
  machine_.pool->each(pieces_of(rows, piece), [&](int64_t i, int) { f(i * piece, std::min(rows, (i + 1) * piece)); });
}

void CpuPlan::run_ids() {
  segments_.assign(static_cast<size_t>(pass_.sizes.tokens), 0);
  const auto& given = pass_.feed->segments;
  assert(given.empty() || given.size() == segments_.size());
  std::ranges::copy(given, segments_.begin());
  spans_.clear();
  turns_.clear();
}

const std::vector<int32_t>& CpuPlan::positions_of(const Node& n) {
  const int64_t past = stream_of(n) == Counts::EncoderTokens ? 0 : pass_.sizes.past;
  positions_.resize(static_cast<size_t>(rows(n.id)));
  std::iota(positions_.begin(), positions_.end(), static_cast<int32_t>(past + n.params.first));
  return positions_;
}

void CpuPlan::run_embedding(const Node& n) {
  const Node& from = node(n.inputs[0]);
  const auto& texts = stream_of(n) == Counts::EncoderTokens ? pass_.feed->source : pass_.feed->ids;
  const int32_t* ids = from.op == Op::tokens      ? texts.data()
                       : from.op == Op::positions ? positions_of(from).data()
                                                  : segments_.data();
  const WeightMatrix table = matrix(n);
  const int64_t count = rows(n.id);
  for (int64_t t = 0; t < count; ++t) assert(ids[t] >= 0 && ids[t] < table.rows);
  float* out = target(n.id);
  over_rows(count, table.cols, [&](int64_t begin, int64_t end) {
    machine_.kernels->embedding(table, ids + begin, end - begin, out + begin * table.cols);
  });
}

void CpuPlan::run_sinusoid(const Node& n) {
  const int64_t first = positions_of(node(n.inputs[0])).front();
  std::ranges::copy(sinusoid_table(row_width(n), n.params.halves, first, rows(n.id)), target(n.id));
}

void CpuPlan::run_rotary(const Node& n) {
  const Params& p = n.params;
  const RopeSpec& rope = model_->spec.ropes[static_cast<size_t>(p.rope)];
  const bool from_zero = stream_of(n) == Counts::EncoderTokens || row_axis(n).law != Law::T;
  const auto [entry, fresh] = turns_.try_emplace({p.rope, stream_of(n), from_zero});
  if (fresh) entry->second = rope_table(rope, from_zero ? 0 : pass_.sizes.past, rows(n.id));
  const float *turns = entry->second.data(), *x = values(n.inputs[0]);
  float* out = target(n.id);
  const int64_t width = row_width(n);
  over_rows(rows(n.id), width, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t)
      machine_.kernels->rotary(x + t * width, turns + t * rope.width, p.heads, p.head_dim, rope.begin, rope.width / 2,
                               rope.interleaved, out + t * width);
  });
}

void CpuPlan::run_concat(const Node& n) {
  const int64_t left = row_width(node(n.inputs[0])), right = row_width(node(n.inputs[1]));
  const float *a = values(n.inputs[0]), *b = values(n.inputs[1]);
  float* out = target(n.id);
  for (int64_t t = 0; t < rows(n.id); ++t, a += left, b += right, out += left + right) {
    std::memcpy(out, a, static_cast<size_t>(left) * sizeof(float));
    std::memcpy(out + left, b, static_cast<size_t>(right) * sizeof(float));
  }
}

void CpuPlan::run_bias(const Node& n) {
  const int64_t distances = rows(n.id);  // the first is that of key 0 to the last query
  const int64_t last =
      stream_of(n) == Counts::EncoderTokens ? pass_.sizes.source : pass_.sizes.past + pass_.sizes.tokens;
  const std::vector<float> bias = position_bias(*model_, n, 1 - last, distances);
  std::ranges::copy(bias, target(n.id));
}

/// The products of every head with its part of a latent projection; a rotary part is taken over as it is.
void CpuPlan::run_latent(const Node& n) {
  const Params& p = n.params;
  const WeightMatrix w = matrix(n);
  const int64_t count = rows(n.id), rank = w.cols, out_width = row_width(n);
  const bool expands = n.op == Op::expand_keys || n.op == Op::expand_values;
  const int64_t in_width = row_width(node(n.inputs[0])), in_head = expands ? 0 : in_width / p.heads;
  const bool cached = expands && layout_.places[static_cast<size_t>(n.inputs[0])].home == Home::Cache;
  if (cached) {  // what a window forgot is masked, and zero here
    const PagedRows& kept = pass_.state->at(n.inputs[0]);
    float* gathered = scratch_.data() + gather_at_;
    std::fill_n(gathered, kept.first_row() * in_width, 0.f);
    kept.gather(kept.first_row(), count, gathered + kept.first_row() * in_width);
  }
  const float* x = cached ? scratch_.data() + gather_at_ : values(n.inputs[0]);
  const int64_t turned = n.op == Op::latent_query || n.op == Op::expand_keys ? p.rope_dim : 0;
  const int64_t rope_in = n.op == Op::latent_query ? p.value_dim : rank, rope_out = p.head_dim - p.rope_dim;
  float* out = target(n.id);
  machine_.pool->each(p.heads, [&](int64_t head, int worker) {
    const float* from = x + head * in_head;
    float* to = out + head * p.head_dim;
    machine_.kernels->head_product(from, in_width, count, w, head * p.value_dim, p.value_dim, n.op == Op::latent_query,
                                   to, out_width, worker_scratch(worker));
    for (int64_t t = 0; turned && t < count; ++t)
      std::memcpy(to + t * out_width + rope_out, from + t * in_width + rope_in,
                  static_cast<size_t>(turned) * sizeof(float));
  });
}

void CpuPlan::run_values(const Node& n) {
  const KernelTable& kernels = *machine_.kernels;
  const int64_t width = row_width(n);
  const float* x = values(n.inputs[0]);
  const float* other = n.inputs.size() > 1 ? values(n.inputs[1]) : nullptr;
  const float *gain = vector(n, 0), *bias = vector(n, 1);
  float* out = target(n.id);
  over_rows(rows(n.id), width, [&](int64_t begin, int64_t end) {
    const int64_t at = begin * width, count = (end - begin) * width;
    switch (n.op) {
      case Op::add:
        return kernels.add(x + at, other + at, count, out + at);
      case Op::mul:
        return kernels.mul(x + at, other + at, count, out + at);
      case Op::scale:
        return kernels.scale(x + at, n.params.scale, count, out + at);
      case Op::softcap:
        return kernels.softcap(x + at, n.params.softcap, count, out + at);
      case Op::rms_norm:
        return kernels.rms_norm(x + at, gain, n.params.offset, n.params.eps, count / n.params.head_dim,
                                n.params.head_dim, out + at);
      case Op::silu:
        return kernels.silu(x + at, count, out + at);
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
  auto [entry, fresh] = pass_.state->try_emplace(n.id, machine_.arena, *cache_format(n, DType::F32));
  PagedRows& cache = entry->second;
  const int64_t before = rows(n.id) - rows(n.inputs[0]);
  assert(cache.rows() == before);
  if (auto grown = cache.grow(rows(n.inputs[0])); !grown) return grown;
  cache.scatter(before, before + rows(n.inputs[0]), values(n.inputs[0]));
  return {};
}

AllowedKeys CpuPlan::allowed_keys(const Node& attend) {
  const MaskRule& rule = pass_.feed->masks[static_cast<size_t>(attend.params.mask_slot)];
  const SpanKey key{attend.params.mask_slot, stream_of(attend), row_axis(node(attend.inputs[1])).counts};
  const int64_t past = key.queries == Counts::EncoderTokens ? 0 : pass_.sizes.past;
  const auto [entry, fresh] = spans_.try_emplace(key, rule, past, rows(attend.id), rows(attend.inputs[1]));
  return entry->second.keys(rule);
}

/// Keys or values as pages of attend_page rows: the cache's own, or this pass's rows in scratch.
CachedRows CpuPlan::cached_rows(NodeId id, int64_t heads, std::vector<const void*>& pages) const {
  pages.clear();
  if (layout_.places[static_cast<size_t>(id)].home == Home::Cache) return cached_rows_of(pass_.state->at(id), pages);
  const int64_t width = row_width(node(id));
  for (int64_t row = 0; row < rows(id); row += page_rows) pages.push_back(values(id) + row * width);
  return CachedRows::floats(pages.data(), heads, width / heads);
}

void CpuPlan::run_attend(const Node& n) {
  const Params& p = n.params;
  const int64_t queries = rows(n.id), keys = rows(n.inputs[1]);
  const int64_t past = stream_of(n) == Counts::EncoderTokens ? 0 : pass_.sizes.past;
  ScoreShape shape{.softcap = p.softcap};
  if (n.inputs.size() > 3) {
    shape.bias = values(n.inputs[3]);
    shape.bias_stride = rows(n.inputs[3]);
    shape.bias_zero = past + queries - 1;
  }
  const Attention attention{.q = values(n.inputs[0]),
                            .k = cached_rows(n.inputs[1], p.kv_heads, k_pages_),
                            .v = cached_rows(n.inputs[2], p.kv_heads, v_pages_),
                            .past = past,
                            .keys = keys,
                            .heads = p.heads,
                            .kv_heads = p.kv_heads,
                            .head_dim = p.head_dim,
                            .value_dim = p.value_dim,
                            .scale = p.scale,
                            .shape = shape,
                            .allowed = allowed_keys(n),
                            .context = target(n.id),
                            .lse = scratch_.data() + lse_at_};
  // Later queries of a causal mask see more keys: the longest pieces go first.
  const int64_t heads = p.heads, blocks = pieces_of(queries, attend_queries);
  const auto piece = [&](int64_t i, int worker) {
    const int64_t begin = (blocks - 1 - i / heads) * attend_queries, end = std::min(queries, begin + attend_queries);
    machine_.kernels->attend(attention, i % heads, begin, end, worker_scratch(worker));
  };
  if (queries * keys * row_width(n) >= least_shared_attention) return machine_.pool->each(blocks * heads, piece);
  for (int64_t i = 0; i < blocks * heads; ++i) piece(i, 0);
}

}  // namespace cutaway
