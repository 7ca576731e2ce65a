// The arithmetic of the CPU backend, as one table of functions for each instruction level. kernels.cpp is compiled once
// a level; levels.h chooses a table at start-up. A kernel works on raw pointers in one thread; the plan cuts the work.
// All arithmetic is fp32. Matrices are row-major. Buffers are 64-byte aligned, so that a repeated step sums in the same
// order and gives the same bits. Nothing here may include a standard container: its inline code would be shared by the
// levels, and the linker would keep one level's copy for all.
#pragma once

#include <cstddef>
#include <cstdint>

namespace cutaway {

enum class WeightType : uint8_t { F32, F16, BF16, Q8_0, Q4_0, Q4_K, Q6_K };

/// Bytes of n neighbours in a row; of a block type (engine/blocks.h) n is a whole number of blocks.
inline constexpr int64_t stored_bytes(WeightType type, int64_t n) {
  switch (type) {
    case WeightType::F32:
      return n * 4;
    case WeightType::F16:
    case WeightType::BF16:
      return n * 2;
    case WeightType::Q8_0:
      return n / 32 * 34;
    case WeightType::Q4_0:
      return n / 32 * 18;
    case WeightType::Q4_K:
      return n / 256 * 144;
    case WeightType::Q6_K:
      return n / 256 * 210;
  }
  return 0;
}

/// A weight matrix (rows, cols), dense. A linear's rows are its outputs, a table's rows its entries. Of a block type
/// each row is a run of blocks, aligned to nothing.
struct WeightMatrix {
  const void* data = nullptr;
  WeightType type = WeightType::F32;
  int64_t rows = 0, cols = 0;
};

/// Which keys each query of a pass may see: keys [begin[t], end[t]), less those that a painted bit forbids.
struct AllowedKeys {
  const int32_t* begin = nullptr;  // (T)
  const int32_t* end = nullptr;    // (T)
  const uint32_t* bits = nullptr;  // null, or (bit_queries, words_per_row) over absolute positions
  int64_t words_per_row = 0, bit_queries = 0, bit_keys = 0;  // a cell outside this area is as begin and end say
};

/// What becomes of a score before the mask: c tanh(s / c), then a number by head and distance is added.
struct ScoreShape {
  float softcap = 0;            // 0: none
  const float* bias = nullptr;  // null, or (heads, bias_stride): entry key - query + bias_zero
  int64_t bias_stride = 0, bias_zero = 0;
};

/// How the numbers of a cached head are stored (engine/row_format.h).
enum class CacheType : uint8_t { F32, F16, BF16, F8, Q8_0, Q4_0 };

/// Keys or values of all positions: pages of attend_page rows, each row its heads one after another.
struct CachedRows {
  const void* const* pages = nullptr;
  CacheType type = CacheType::F32;
  int64_t row_bytes = 0, head_bytes = 0;
  int64_t dim = 0;                // numbers of a head
  int64_t tail = 0;               // its last numbers, which are F16 whatever the type
  const float* scales = nullptr;  // F8: one a head

  /// Rows of floats.
  static CachedRows floats(const void* const* pages, int64_t heads, int64_t dim) {
    return {pages, CacheType::F32, heads * dim * 4, dim * 4, dim};
  }
};

/// One attention node of one pass: T queries at positions past .. past + T - 1 over `keys` keys.
struct Attention {
  const float* q = nullptr;  // (T, heads * head_dim)
  CachedRows k, v;           // of kv_heads heads
  int64_t past = 0, keys = 0;
  int64_t heads = 0, kv_heads = 0, head_dim = 0;
  int64_t value_dim = 0;  // the first so many of a head's v.dim values are summed
  float scale = 1;
  ScoreShape shape;
  AllowedKeys allowed;
  float* context = nullptr;  // (T, heads * value_dim)
  float* lse = nullptr;      // (T, heads), natural log; -inf for a query that sees nothing
};

/// The weights of an attention node that has run, for pictures.
struct AttentionWeights {
  const float* const* q_pages = nullptr;    // pages of attend_page rows of (heads * head_dim), by position
  const float* const* lse_pages = nullptr;  // pages of attend_page rows of (heads)
  CachedRows k;                             // of kv_heads heads
  int64_t keys = 0;
  int64_t heads = 0, kv_heads = 0, head_dim = 0;
  double scale = 1;
  ScoreShape shape;
  AllowedKeys allowed;  // begin[0] and end[0] are those of the first query asked for
  float masked = -1;    // what stands for a weight where there is none
};

inline constexpr int64_t attend_page = 16;     // rows of a page of keys or values
inline constexpr int64_t attend_queries = 64;  // queries in a block
inline constexpr int64_t attend_keys = 128;    // keys in a block
inline constexpr int64_t few_rows = 8;         // up to here a linear reads each weight once, by dot products

/// Floats of scratch that attend() needs.
inline constexpr int64_t attend_scratch(int64_t keys, int64_t head_dim, int64_t value_dim) {
  const int64_t block = (attend_queries + attend_keys) * (head_dim + value_dim) + attend_queries * (attend_keys + 4);
  const int64_t row = keys + 4 * head_dim + 2 * value_dim;
  return (block > row ? block : row) + 128;
}
/// Doubles of scratch that attention_weights() needs.
inline constexpr int64_t weights_scratch(int64_t head_dim) {
  return (attend_queries + attend_keys + 1) * head_dim + attend_queries + 2 * attend_keys + 16;
}
/// Floats of scratch that linear_many() needs for `outs` outputs.
inline constexpr int64_t linear_scratch(WeightType type, int64_t outs, int64_t ins) {
  return type == WeightType::F32 ? 0 : outs * ins;
}

struct KernelTable {
  const char* level;  // "v3"
  const char* name;   // "AVX2"

  /// out[t] = table[ids[t]]; (n, table.cols).
  void (*embedding)(const WeightMatrix& table, const int32_t* ids, int64_t n, float* out);
  /// out = a + b; out may be a or b.
  void (*add)(const float* a, const float* b, int64_t n, float* out);
  /// out = a * b; out may be a or b.
  void (*mul)(const float* a, const float* b, int64_t n, float* out);
  /// out = factor x; out may be x.
  void (*scale)(const float* x, float factor, int64_t n, float* out);
  /// out = cap tanh(x / cap); out may be x.
  void (*softcap)(const float* x, float cap, int64_t n, float* out);
  /// x / sqrt(mean(x^2) + eps) * (gain + offset) per group of `width` values; out may be x.
  void (*rms_norm)(const float* x, const float* gain, float offset, float eps, int64_t groups, int64_t width,
                   float* out);
  /// (x - mean) / sqrt(var + eps) * gain + bias per row, biased variance; bias may be null; out may be x.
  void (*layer_norm)(const float* x, const float* gain, const float* bias, float eps, int64_t rows, int64_t width,
                     float* out);
  /// out = f(x), n values; out may be x. Absolute error below 1e-6 max(1, |x|).
  void (*gelu_erf)(const float* x, int64_t n, float* out);
  void (*gelu_tanh)(const float* x, int64_t n, float* out);
  void (*relu)(const float* x, int64_t n, float* out);
  void (*silu)(const float* x, int64_t n, float* out);
  void (*tanh)(const float* x, int64_t n, float* out);
  /// Turns pairs of each head of one row by the row's cos and sin, (2, half). The pair of k is begin + k and begin + k
  /// + half, or 2k and 2k + 1 when interleaved. out may be x.
  void (*rotary)(const float* x, const float* cos_sin, int64_t heads, int64_t head_dim, int64_t begin, int64_t half,
                 bool interleaved, float* out);
  /// e^x, n values, relative error below 2e-7; 0 below -87.3, finite above 88.
  void (*exp)(const float* x, int64_t n, float* out);
  /// y[t][o] = x[t] . w[o] + bias[o] for t < rows and o in [out_begin, out_end). x: (rows, w.cols), y: (rows, w.rows).
  void (*linear_few)(const float* x, int64_t rows, const WeightMatrix& w, const float* bias, int64_t out_begin,
                     int64_t out_end, float* y);
  /// The same through matrix products. scratch: linear_scratch() floats.
  void (*linear_many)(const float* x, int64_t rows, const WeightMatrix& w, const float* bias, int64_t out_begin,
                      int64_t out_end, float* y, float* scratch);
  /// y[t] = x[t] W^T, or x[t] W when transposed, with W the rows [row_begin, row_begin + rows_used) of w; x and y have
  /// rows of their own strides. scratch: rows_used * w.cols floats unless w is F32.
  void (*head_product)(const float* x, int64_t x_stride, int64_t rows, const WeightMatrix& w, int64_t row_begin,
                       int64_t rows_used, bool transposed, float* y, int64_t y_stride, float* scratch);
  /// softmax(shape(scale q k^T) | allowed) v of one head and queries [q_begin, q_end) of the pass, at most
  /// attend_queries. A masked key enters neither maximum nor sum; a query without keys gets context 0 and lse -inf.
  void (*attend)(const Attention&, int64_t head, int64_t q_begin, int64_t q_end, float* scratch);
  /// e^(shape(scale q k^T) - lse) of one head for queries [q_begin, q_end), at most attend_queries: out is (queries,
  /// keys).
  void (*attention_weights)(const AttentionWeights&, int64_t head, int64_t q_begin, int64_t q_end, float* out,
                            double* scratch);
  /// Mean over rows, (width).
  void (*mean_rows)(const float* x, int64_t rows, int64_t width, float* out);
  /// x / max(|x|, 1e-12) per row; out may be x.
  void (*unit_length)(const float* x, int64_t rows, int64_t width, float* out);
};

extern const KernelTable kernels_v1, kernels_v3, kernels_v4;

}  // namespace cutaway
