// Block-quantised types as GGUF stores them: some neighbours along a row share scales, each keeps a few bits
// (ggml-common.h, ggml-quants.c; spec/dense.md 12.2). Bytes of a block in order; d and dmin are IEEE halves:
//
//   Q8_0   32 elements,  34 bytes: d, int8 q[32]                              d q
//   Q4_0   32 elements,  18 bytes: d, u8 q[16]: element j low, 16 + j high    d (q - 8)
//   Q4_K  256 elements, 144 bytes: d, dmin, u8 scales[12], u8 q[128]          (d scale_s) q - dmin min_s, s: 32 each
//   Q6_K  256 elements, 210 bytes: u8 low[128], u8 high[64], int8 scale[16], d    (d scale_s) (q - 32), s: 16 each
#pragma once

#include "engine/tensor.h"

namespace cutaway {

/// n elements, a whole number of blocks, to float: exact but for one rounding each (Q4_K's difference, Q6_K's product).
void blocks_to_float(DType, const std::byte* blocks, int64_t n, float* out);

/// n finite floats to Q8_0 (d = max |x| / 127, round half away) or Q4_0 (d = the value of largest magnitude / -8).
void blocks_from_float(DType, const float* in, int64_t n, std::byte* blocks);

/// Elements of blocks whose scales are no finite numbers.
int64_t count_not_finite_in_blocks(DType, const std::byte* blocks, int64_t n);

/// Scale and minimum of sub-block s (0..7) of a Q4_K block, from its twelve bytes of six-bit numbers.
struct ScaleAndMin {
  int scale, min;
};
inline ScaleAndMin q4_k_scale(const std::byte* scales, int s) {
  const auto at = [scales](int i) { return std::to_integer<int>(scales[i]); };
  if (s < 4) return {at(s) & 63, at(s + 4) & 63};
  return {(at(s + 4) & 15) | (at(s - 4) >> 6) << 4, at(s + 4) >> 4 | (at(s) >> 6) << 4};
}

}  // namespace cutaway
