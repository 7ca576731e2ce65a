#include "engine/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace cutaway {
namespace {

/// Yarn (Peng et al. 2023, arXiv 2309.00071): the pair that turns n times over the original context.
double pair_turning(const RopeSpec& rope, double n) {
  return static_cast<double>(rope.width) * std::log(rope.original_n_ctx / (2 * std::numbers::pi * n)) /
         (2 * std::log(static_cast<double>(rope.theta)));
}

/// Slow pairs are stretched, fast ones are left, those between are blended. 0: left, 1: stretched.
double yarn_ramp(const RopeSpec& rope, int64_t k) {
  double low = pair_turning(rope, rope.beta_fast), high = pair_turning(rope, rope.beta_slow);
  if (rope.truncate) low = std::floor(low), high = std::ceil(high);
  low = std::max(low, 0.), high = std::min(high, static_cast<double>(rope.width - 1));
  if (low == high) high += 0.001;  // no division by zero, as in the reference
  return std::clamp((static_cast<double>(k) - low) / (high - low), 0., 1.);
}

/// Llama 3.1: by wavelength against the original context.
double llama3(const RopeSpec& rope, double f) {
  const double wavelength = 2 * std::numbers::pi / f;
  if (wavelength < rope.original_n_ctx / rope.high_freq_factor) return f;
  if (wavelength > rope.original_n_ctx / rope.low_freq_factor) return f / rope.factor;
  const double u =
      (rope.original_n_ctx / wavelength - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor);
  return (1 - u) * f / rope.factor + u * f;
}

}  // namespace

std::vector<double> rope_frequencies(const RopeSpec& rope, int64_t length) {
  const double R = static_cast<double>(rope.width);
  double theta = rope.theta;
  const auto n = static_cast<double>(length);
  if (rope.scaling == RopeScaling::Dynamic && n > rope.original_n_ctx)
    theta *= std::pow(rope.factor * n / rope.original_n_ctx - (rope.factor - 1), R / (R - 2));
  const bool is_long = n > rope.original_n_ctx;
  std::vector<double> frequencies;
  for (int64_t k = 0; k < rope.width / 2; ++k) {
    const double f = std::pow(theta, -2. * static_cast<double>(k) / R);
    switch (rope.scaling) {
      case RopeScaling::None:
      case RopeScaling::Dynamic:
        frequencies.push_back(f);
        break;
      case RopeScaling::Linear:
        frequencies.push_back(f / rope.factor);
        break;
      case RopeScaling::Llama3:
        frequencies.push_back(llama3(rope, f));
        break;
      case RopeScaling::Yarn: {
        const double ramp = yarn_ramp(rope, k);
        frequencies.push_back(f * (1 - ramp) + f / rope.factor * ramp);
        break;
      }
      case RopeScaling::LongRope:
        frequencies.push_back(f / (is_long ? rope.long_factors : rope.short_factors)[static_cast<size_t>(k)]);
        break;
    }
  }
  return frequencies;
}

std::vector<float> rope_table(const RopeSpec& rope, int64_t past, int64_t tokens) {
  const std::vector<double> frequencies = rope_frequencies(rope, past + tokens);
  const size_t half = frequencies.size();
  std::vector<float> table(static_cast<size_t>(tokens) * 2 * half);
  for (size_t t = 0; t < static_cast<size_t>(tokens); ++t)
    for (size_t k = 0; k < half; ++k) {
      const double angle = static_cast<double>(past + static_cast<int64_t>(t)) * frequencies[k];
      table[(2 * t) * half + k] = static_cast<float>(std::cos(angle) * rope.attention_factor);
      table[(2 * t + 1) * half + k] = static_cast<float>(std::sin(angle) * rope.attention_factor);
    }
  return table;
}

}  // namespace cutaway
