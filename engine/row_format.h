// How a row of a cache lies in memory: heads one after another, each in the storage type of the cache (spec/dense.md
// 7.1). Bytes of one head of n numbers:
//
//   F32, F16, BF16   4 n, 2 n, 2 n
//   F8_E4M3          n: numbers divided by a scale that all rows of the head share and that lies beside them
//   Q8_0, Q4_0       34 or 18 a block of 32 (engine/blocks.h)
//
// The last `tail` numbers of a head stay F16 beside blocks: the part of a latent row that turns with the position.
#pragma once

#include "engine/tensor.h"

namespace cutaway {

struct Node;
class Graph;

struct RowFormat {
  DType dtype = DType::F32;
  int64_t heads = 1, head_dim = 0;  // numbers
  int64_t tail = 0;

  int64_t width() const { return heads * head_dim; }  // numbers in a row
  size_t head_bytes() const;
  size_t row_bytes() const { return static_cast<size_t>(heads) * head_bytes(); }
  bool operator==(const RowFormat&) const = default;
};

/// One row of width() numbers into row_bytes() bytes, and back. Rounds to nearest; numbers that are not finite give NaN
/// where the type can't say them. scales: one a head, for F8_E4M3 only; numbers beyond 448 times it become that.
void encode_row(const RowFormat&, const float* scales, const float* in, std::byte* row);
void decode_row(const RowFormat&, const float* scales, const std::byte* row, float* out);
/// The scales that fit n rows of numbers: powers of two, so that they don't change how a number is rounded, and at
/// least 3.5 times what those rows need, for the rows to come.
void fit_scales(const RowFormat&, const float* in, int64_t n, float* scales);

/// A cache's rows in that type. Fails, by the node and both numbers, where a head is no whole number of blocks.
Result<RowFormat> cache_format(const Node& cache, DType);
/// The same for all caches of a graph.
Result<void> check_cache(const Graph&, DType);

/// The types that a cache can have, by the names of the command line: fp32, fp16, bf16, fp8, q8_0, q4_0.
std::optional<DType> cache_dtype_named(std::string_view);
std::string_view cache_dtype_name(DType);

}  // namespace cutaway
