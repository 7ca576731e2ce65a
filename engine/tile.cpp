#include "engine/tile.h"

#include <algorithm>
#include <cassert>

#include "engine/cpu/allowed.h"
#include "engine/cpu/cached_rows.h"
#include "engine/cpu/levels.h"
#include "engine/position_bias.h"
#include "engine/snapshot.h"

namespace cutaway {
namespace {

std::vector<const float*> page_table(const PagedRows& rows) {
  static_assert(page_rows == attend_page);
  std::vector<const float*> pages;
  for (const auto& page : rows.pages()) pages.push_back(page ? reinterpret_cast<const float*>(page->host) : nullptr);
  return pages;
}

/// Whole rows of weights of an attention node: rebuilt from q, k and lse, or as a trace holds them.
class WeightRows {
 public:
  static Result<WeightRows> of(const TileRequest& request) {
    WeightRows source;
    const Snapshot& step = *request.step;
    const Node& probs = step.graph()[request.probs];
    source.mask_ = &step.mask_of(request.probs);
    source.params_ = probs.params;
    source.keys_ = step.axis(request.probs, 1);
    source.queries_ = step.axis(request.probs, 0);
    if (const auto dense = step.dense.find(request.probs); dense != step.dense.end()) {
      source.dense_ = &dense->second;
      source.recorded_ = dense->second.queries;
      return source;
    }
    const PagedRows *q = step.rows(probs.inputs[0]), *k = step.rows(probs.inputs[1]), *lse = step.rows(probs.inputs[2]);
    if (!q || !k || !lse) return error("{} was not recorded", probs.path);
    source.recorded_ = std::min(q->rows(), lse->rows());
    source.known_keys_ = std::min(source.keys_, k->rows());
    source.q_ = page_table(*q);
    source.k_rows_ = cached_rows_of(*k, source.k_);
    if (k->format().heads != probs.params.kv_heads)  // rows of floats know no heads
      source.k_rows_ = CachedRows::floats(source.k_.data(), probs.params.kv_heads, probs.params.head_dim);
    source.lse_ = page_table(*lse);
    if (probs.inputs.size() > 3) source.bias_ = bias_of(step, step.graph()[probs.inputs[3]], source);
    source.scratch_.resize(static_cast<size_t>(weights_scratch(probs.params.head_dim)));
    return source;
  }

  int64_t keys() const { return keys_; }
  int64_t heads() const { return params_.heads; }
  int64_t recorded() const { return recorded_; }  // queries from here on have no weights

  /// weights: (queries, keys), masked_cell where the rule forbids. At most attend_queries recorded queries.
  void rows(int64_t head, Range queries, float* weights) {
    if (dense_) return dense_rows(head, queries, weights);
    const AllowedSpans spans(*mask_, queries.begin, queries.size(), known_keys_);
    CachedRows keys_now = k_rows_;
    keys_now.pages = k_.data();
    const AttentionWeights attention{.q_pages = q_.data(),
                                     .lse_pages = lse_.data(),
                                     .k = keys_now,
                                     .keys = keys_,
                                     .heads = params_.heads,
                                     .kv_heads = params_.kv_heads,
                                     .head_dim = params_.head_dim,
                                     .scale = params_.scale,
                                     .shape = {.softcap = params_.softcap,
                                               .bias = bias_.empty() ? nullptr : bias_.data(),
                                               .bias_stride = queries_ + keys_ - 1,
                                               .bias_zero = queries_ - 1},
                                     .allowed = spans.keys(*mask_),
                                     .masked = masked_cell};
    best_kernels().attention_weights(attention, head, queries.begin, queries.end, weights, scratch_.data());
  }

 private:
  static std::vector<float> bias_of(const Snapshot& step, const Node& bias, const WeightRows& source) {
    if (const auto held = step.biases.find(bias.id); held != step.biases.end()) return held->second;
    return position_bias(*step.model, bias, 1 - source.queries_, source.queries_ + source.keys_ - 1);
  }

  void dense_rows(int64_t head, Range queries, float* weights) const {
    for (int64_t query = queries.begin; query < queries.end; ++query, weights += keys_) {
      const float* from = &dense_->values[static_cast<size_t>((head * dense_->queries + query) * dense_->keys)];
      for (int64_t key = 0; key < keys_; ++key)
        weights[key] = key < dense_->keys && mask_->allowed(query, key) ? from[key] : masked_cell;
    }
  }

  const MaskRule* mask_ = nullptr;
  const DenseProbs* dense_ = nullptr;
  std::vector<const float*> q_, lse_;
  std::vector<const void*> k_;
  CachedRows k_rows_;        // but for the pages, which are k_
  std::vector<float> bias_;  // (H, T + S - 1), or empty
  std::vector<double> scratch_;
  Params params_;
  int64_t queries_ = 0, keys_ = 0, known_keys_ = 0, recorded_ = 0;
};

/// Key 0 leaves the row, and what is left sums to 1 again. A row that saw only key 0 has nothing left.
void take_sink_out(float* row, int64_t keys) {
  const float left = row[0] > 0 ? 1 - row[0] : 1;
  row[0] = not_computed_cell;
  for (int64_t key = 1; key < keys; ++key)
    if (row[key] >= 0) row[key] = left > 0 ? row[key] / left : 0;
}

/// Rows over the heads asked for. scratch is as large as weights; what a mask forbids is the same in every head.
void combined_rows(WeightRows& source, const TileRequest& request, Range queries, float* weights, float* scratch) {
  const bool one = request.heads == Heads::One;
  const int64_t first = one ? request.head : 0, last = one ? request.head + 1 : source.heads();
  const int64_t keys = source.keys(), cells = queries.size() * keys;
  for (int64_t head = first; head < last; ++head) {
    float* target = head == first ? weights : scratch;
    source.rows(head, queries, target);
    if (request.without_sink)
      for (int64_t i = 0; i < queries.size(); ++i) take_sink_out(target + i * keys, keys);
    if (head == first) continue;
    for (int64_t i = 0; i < cells; ++i) {
      const float both = request.heads == Heads::Max ? std::max(weights[i], scratch[i]) : weights[i] + scratch[i];
      weights[i] = weights[i] >= 0 ? both : weights[i];
    }
  }
  if (request.heads != Heads::Mean) return;
  for (int64_t i = 0; i < cells; ++i)
    if (weights[i] >= 0) weights[i] /= static_cast<float>(source.heads());
}

/// Pixel i of n covers cells [begin, end) of a range.
Range cells_under(int64_t i, int64_t n, Range range) {
  const int64_t begin = range.begin + i * range.size() / n;
  return {begin, std::max(begin + 1, range.begin + (i + 1) * range.size() / n)};
}

float largest(const float* row, int64_t n) {
  float best[16];
  std::fill_n(best, 16, not_computed_cell);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16)
    for (int k = 0; k < 16; ++k) best[k] = row[i + k] > best[k] ? row[i + k] : best[k];
  for (; i < n; ++i) best[0] = std::max(best[0], row[i]);
  return *std::max_element(best, best + 16);
}

/// One row of pixels being gathered from rows of weights.
struct PixelRow {
  Reduce reduce;
  std::vector<Range> keys;  // cells under each pixel
  bool one_to_one;
  std::vector<float> sums;
  std::vector<int32_t> counts;

  PixelRow(const TileRequest& request, int64_t known_keys)
      : reduce(request.reduce),
        one_to_one(request.columns == request.keys.size() && request.keys.end <= known_keys),
        sums(static_cast<size_t>(request.columns)),
        counts(static_cast<size_t>(request.columns)) {
    for (int64_t c = 0; c < request.columns; ++c) {
      keys.push_back(cells_under(c, request.columns, request.keys));
      keys.back().end = std::min(keys.back().end, known_keys);
    }
  }

  void start() {
    std::ranges::fill(sums, 0.f);
    std::ranges::fill(counts, 0);
  }

  /// out[c] becomes the largest weight so far; masked_cell is less than any.
  void add(const float* row, float* out) {
    if (one_to_one) {
      const float* from = row + keys[0].begin;
      for (size_t c = 0; c < keys.size(); ++c) out[c] = from[c] > out[c] ? from[c] : out[c];
    } else {
      for (size_t c = 0; c < keys.size(); ++c)
        for (int64_t key = keys[c].begin; key < keys[c].end; ++key) out[c] = row[key] > out[c] ? row[key] : out[c];
    }
    if (keys[0].begin == 0 && row[0] == not_computed_cell && out[0] < 0) out[0] = not_computed_cell;  // the sink
    if (reduce == Reduce::Max) return;
    for (size_t c = 0; c < keys.size(); ++c)
      for (int64_t key = keys[c].begin; key < keys[c].end; ++key)
        if (row[key] >= 0) sums[c] += row[key], ++counts[c];
  }

  void finish(float* out) const {
    if (reduce == Reduce::Max) return;
    for (size_t c = 0; c < keys.size(); ++c)
      if (counts[c] > 0) out[c] = sums[c] / static_cast<float>(counts[c]);
  }
};

}  // namespace

Result<Tile> host_tile(const TileRequest& request) {
  assert(request.step && request.rows > 0 && request.columns > 0);
  auto source = WeightRows::of(request);
  if (!source) return source.error();
  const int64_t keys = source->keys();
  Tile tile{request, std::vector<float>(static_cast<size_t>(request.rows * request.columns), masked_cell),
            std::vector<float>(static_cast<size_t>(request.rows), 0.f)};
  // Rows are made in blocks of about a megabyte, across pixels: a pixel may cover less than one block or many.
  const int64_t block = std::clamp<int64_t>((256 << 10) / keys, 4, attend_queries);
  const int64_t last_query = std::min(request.queries.end, source->recorded());
  std::vector<float> weights(static_cast<size_t>(block * keys)),
      scratch(request.heads == Heads::One ? 0 : weights.size());
  Range made;
  PixelRow pixels(request, keys);
  for (int64_t r = 0; r < request.rows; ++r) {
    float* out = &tile.values[static_cast<size_t>(r * request.columns)];
    float& row_max = tile.row_max[static_cast<size_t>(r)];
    pixels.start();
    const Range queries = cells_under(r, request.rows, request.queries);
    for (int64_t query = queries.begin; query < queries.end; ++query) {
      if (query >= source->recorded()) {
        std::fill_n(out, request.columns, not_computed_cell);
        continue;
      }
      if (query >= made.end) {
        made = {query, std::max(query + 1, std::min(query + block, last_query))};
        combined_rows(*source, request, made, weights.data(), scratch.data());
      }
      const float* row = &weights[static_cast<size_t>((query - made.begin) * keys)];
      row_max = std::max(row_max, largest(row, keys));
      pixels.add(row, out);
    }
    pixels.finish(out);
  }
  return tile;
}

}  // namespace cutaway
