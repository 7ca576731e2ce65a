// Rotary position embedding (Su et al. 2021, arXiv 2104.09864) and the ways in which it is stretched to longer texts.
#pragma once

#include <cstdint>
#include <vector>

namespace cutaway {

enum class RopeScaling : uint8_t { None, Linear, Dynamic, Llama3, Yarn, LongRope };

struct RopeSpec {
  float theta = 10000;
  int64_t begin = 0, width = 0;  // the dimensions of a head that turn; the rest passes through
  bool interleaved = false;      // pairs (2k, 2k + 1) as in Meta's files and GGUF's llama; else (k, k + width / 2)
  RopeScaling scaling = RopeScaling::None;
  float factor = 1;
  float original_n_ctx = 0;                         // context before stretching; Dynamic: where it begins
  float low_freq_factor = 1, high_freq_factor = 4;  // Llama3
  float beta_fast = 32, beta_slow = 1;              // Yarn
  bool truncate = true;                             // Yarn: its bounds are rounded outwards
  float attention_factor = 1;                       // Yarn, LongRope: multiplies cos and sin
  std::vector<float> short_factors, long_factors;   // LongRope: a divisor per pair

  bool operator==(const RopeSpec&) const = default;
};

/// Radians per position of each of the width / 2 pairs, for a text of `length` tokens (spec dense.md 4.4).
std::vector<double> rope_frequencies(const RopeSpec&, int64_t length);

/// cos and sin of positions [past, past + tokens): (tokens, 2, width / 2), times attention_factor.
std::vector<float> rope_table(const RopeSpec&, int64_t past, int64_t tokens);

}  // namespace cutaway
