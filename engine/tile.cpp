#include <algorithm>
#include <cmath>

#include "engine/snapshot.h"

namespace cutaway {
namespace {

/// One query row of one head: the weights of keys [0, keys), masked_cell where the rule forbids.
class RowSource {
 public:
  static Result<RowSource> of(const TileRequest& request) {
    RowSource source;
    const Snapshot& step = *request.step;
    const Node& probs = step.graph()[request.probs];
    source.mask_ = &step.mask_of(request.probs);
    source.params_ = probs.params;
    source.keys_ = step.positions();
    if (const auto dense = step.dense.find(request.probs); dense != step.dense.end()) {
      source.dense_ = &dense->second;
      return source;
    }
    source.q_ = step.rows(probs.inputs[0]);
    source.k_ = step.rows(probs.inputs[1]);
    source.lse_ = step.rows(probs.inputs[2]);
    if (!source.q_ || !source.k_ || !source.lse_) return error("{} was not recorded", probs.path);
    return source;
  }

  /// weights: (keys). False when the row was not recorded.
  bool row(int64_t head, int64_t query, float* weights) const {
    if (dense_) {
      if (query >= dense_->queries) return false;
      const float* from = &dense_->values[static_cast<size_t>((head * dense_->queries + query) * dense_->keys)];
      for (int64_t key = 0; key < keys_; ++key)
        weights[key] = key < dense_->keys && mask_->allowed(query, key) ? from[key] : masked_cell;
      return true;
    }
    if (query >= q_->rows() || query >= lse_->rows()) return false;
    const int64_t width = params_.head_dim, kv_head = head / (params_.heads / params_.kv_heads);
    const float* q = q_->row(query) + head * width;
    const double lse = lse_->row(query)[head];
    std::fill_n(weights, keys_, masked_cell);
    const auto [first, last] = mask_->span(query, std::min(keys_, k_->rows()));
    for (int64_t key = first; key < last; ++key) {
      if (!mask_->allowed(query, key)) continue;
      const float* k = k_->row(key) + kv_head * width;
      double dot = 0;
      for (int64_t d = 0; d < width; ++d) dot += static_cast<double>(q[d]) * k[d];
      weights[key] = static_cast<float>(std::exp(params_.scale * dot - lse));
    }
    return true;
  }

  int64_t keys() const { return keys_; }
  int64_t heads() const { return params_.heads; }

 private:
  const MaskRule* mask_ = nullptr;
  const DenseProbs* dense_ = nullptr;
  const PagedRows *q_ = nullptr, *k_ = nullptr, *lse_ = nullptr;
  Params params_;
  int64_t keys_ = 0;
};

/// Key 0 leaves the row, and what is left sums to 1 again. A row that saw only key 0 has nothing left.
void take_sink_out(std::vector<float>& row) {
  const float left = row[0] > 0 ? 1 - row[0] : 1;
  row[0] = not_computed_cell;
  for (size_t key = 1; key < row.size(); ++key)
    if (row[key] >= 0) row[key] = left > 0 ? row[key] / left : 0;
}

/// Over the heads asked for. False when the row was not recorded.
bool combined_row(const RowSource& source, const TileRequest& request, int64_t query, std::vector<float>& row,
                  std::vector<float>& scratch) {
  const bool one = request.heads == Heads::One;
  const int64_t first = one ? request.head : 0, last = one ? request.head + 1 : source.heads();
  for (int64_t head = first; head < last; ++head) {
    std::vector<float>& target = head == first ? row : scratch;
    if (!source.row(head, query, target.data())) return false;
    if (request.without_sink) take_sink_out(target);
    if (head == first) continue;
    for (size_t key = 0; key < row.size(); ++key)
      if (row[key] >= 0) row[key] = request.heads == Heads::Max ? std::max(row[key], scratch[key]) : row[key] + scratch[key];
  }
  if (request.heads == Heads::Mean)
    for (float& weight : row)
      if (weight >= 0) weight /= static_cast<float>(source.heads());
  return true;
}

/// Pixel i of n covers cells [begin, end) of a range.
Range cells_under(int64_t i, int64_t n, Range range) {
  const int64_t begin = range.begin + i * range.size() / n;
  return {begin, std::max(begin + 1, range.begin + (i + 1) * range.size() / n)};
}

}  // namespace

Result<Tile> host_tile(const TileRequest& request) {
  assert(request.step && request.rows > 0 && request.columns > 0);
  const auto source = RowSource::of(request);
  if (!source) return source.error();
  Tile tile{request, std::vector<float>(static_cast<size_t>(request.rows * request.columns), masked_cell),
            std::vector<float>(static_cast<size_t>(request.rows), 0.f)};
  std::vector<float> row(static_cast<size_t>(source->keys())), scratch(row.size()), sums;
  std::vector<int64_t> counts;
  for (int64_t r = 0; r < request.rows; ++r) {
    float* out = &tile.values[static_cast<size_t>(r * request.columns)];
    sums.assign(static_cast<size_t>(request.columns), 0.f);
    counts.assign(static_cast<size_t>(request.columns), 0);
    const Range queries = cells_under(r, request.rows, request.queries);
    for (int64_t query = queries.begin; query < queries.end; ++query) {
      if (!combined_row(*source, request, query, row, scratch)) {
        std::fill_n(out, request.columns, not_computed_cell);
        continue;
      }
      tile.row_max[static_cast<size_t>(r)] = std::max(tile.row_max[static_cast<size_t>(r)], *std::ranges::max_element(row));
      for (int64_t c = 0; c < request.columns; ++c) {
        const Range keys = cells_under(c, request.columns, request.keys);
        for (int64_t key = keys.begin; key < std::min(keys.end, source->keys()); ++key) {
          const float weight = row[static_cast<size_t>(key)];
          if (weight == not_computed_cell && counts[static_cast<size_t>(c)] == 0) out[c] = not_computed_cell;
          if (weight < 0) continue;
          const int64_t seen = counts[static_cast<size_t>(c)]++;
          sums[static_cast<size_t>(c)] += weight;
          out[c] = seen == 0 ? weight : std::max(out[c], weight);
        }
      }
    }
    if (request.reduce == Reduce::Mean)
      for (size_t c = 0; c < counts.size(); ++c)
        if (counts[c] > 0) out[c] = sums[c] / static_cast<float>(counts[c]);
  }
  return tile;
}

}  // namespace cutaway
