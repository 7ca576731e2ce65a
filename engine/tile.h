// Attention probabilities are an answer, not a tensor: a view asks for a tile and only that tile is computed, from Q, K
// and the row log-sum-exp that the fused attention left behind. A tile is a pure function of its request.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/graph.h"

namespace cutaway {

struct Snapshot;
using SnapshotPtr = std::shared_ptr<const Snapshot>;

struct Range {
  int64_t begin = 0, end = 0;
  int64_t size() const { return end - begin; }
  bool operator==(const Range&) const = default;
};

enum class Reduce : uint8_t { Max, Mean };      // several cells in one pixel
enum class Heads : uint8_t { One, Mean, Max };  // one head, or over all heads of the layer

struct TileRequest {
  SnapshotPtr step;
  NodeId probs = no_node;  // a node of Role::Probs
  int64_t head = 0;        // for Heads::One
  Heads heads = Heads::One;
  Range queries, keys;            // absolute positions
  int64_t rows = 0, columns = 0;  // of the answer, at most one per cell
  Reduce reduce = Reduce::Max;
  bool without_sink = false;  // key 0 taken out, the row renormalised by what is left

  bool operator==(const TileRequest&) const = default;
};

/// Values of masked and of not recorded cells; no probability is negative.
inline constexpr float masked_cell = -1, not_computed_cell = -2;

struct Tile {
  TileRequest request;
  std::vector<float> values;   // (rows, columns); masked_cell where no cell under the pixel is allowed
  std::vector<float> row_max;  // (rows): largest weight of those queries over all their keys, for the row scale
};

/// The same on the host, when the snapshot's rows are host pages. ≤ 1e-6 of the dense softmax.
Result<Tile> host_tile(const TileRequest&);

}  // namespace cutaway
