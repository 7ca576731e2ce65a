#include "engine/blocks.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace cutaway {
namespace {

uint16_t half_bits(const std::byte* at) {
  uint16_t bits;
  std::memcpy(&bits, at, 2);
  return bits;
}
float half_at(const std::byte* at) { return half_to_float(half_bits(at)); }
void put_half(std::byte* at, float value) {
  const uint16_t bits = float_to_half(value);
  std::memcpy(at, &bits, 2);
}

int byte_at(const std::byte* at) { return std::to_integer<int>(*at); }
int signed_at(const std::byte* at) { return static_cast<int8_t>(*at); }

void q8_0_to_float(const std::byte* block, float* out) {
  const float d = half_at(block);
  for (int j = 0; j < 32; ++j) out[j] = d * static_cast<float>(signed_at(block + 2 + j));
}

void q4_0_to_float(const std::byte* block, float* out) {
  const float d = half_at(block);
  for (int j = 0; j < 16; ++j) {
    const int two = byte_at(block + 2 + j);
    out[j] = d * static_cast<float>((two & 15) - 8);
    out[j + 16] = d * static_cast<float>((two >> 4) - 8);
  }
}

void q4_k_to_float(const std::byte* block, float* out) {
  const float d = half_at(block), dmin = half_at(block + 2);
  for (int s = 0; s < 8; ++s) {
    const ScaleAndMin sub = q4_k_scale(block + 4, s);
    const float scale = d * static_cast<float>(sub.scale), min = dmin * static_cast<float>(sub.min);  // both exact
    const std::byte* chunk = block + 16 + 32 * (s / 2);
    for (int j = 0; j < 32; ++j) {
      const int q = s % 2 == 0 ? byte_at(chunk + j) & 15 : byte_at(chunk + j) >> 4;
      out[32 * s + j] = scale * static_cast<float>(q) - min;
    }
  }
}

void q6_k_to_float(const std::byte* block, float* out) {
  const float d = half_at(block + 208);
  for (int half = 0; half < 2; ++half) {
    const std::byte *low = block + 64 * half, *high = block + 128 + 32 * half, *scales = block + 192 + 8 * half;
    for (int k = 0; k < 4; ++k)  // quarters: the low nibbles of 64 bytes, then their high nibbles
      for (int l = 0; l < 32; ++l) {
        const int byte = byte_at(low + l + 32 * (k & 1)), nibble = k < 2 ? byte & 15 : byte >> 4;
        const int q = (nibble | (byte_at(high + l) >> 2 * k & 3) << 4) - 32;
        const float scale = d * static_cast<float>(signed_at(scales + l / 16 + 2 * k));
        out[128 * half + 32 * k + l] = scale * static_cast<float>(q);
      }
  }
}

void q8_0_from_float(const float* in, std::byte* block) {
  float most = 0;
  for (int j = 0; j < 32; ++j) most = std::max(most, std::abs(in[j]));
  const float d = most / 127, inverse = d == 0 ? 0 : 1 / d;
  put_half(block, d);
  for (int j = 0; j < 32; ++j) block[2 + j] = static_cast<std::byte>(static_cast<int>(std::round(in[j] * inverse)));
}

void q4_0_from_float(const float* in, std::byte* block) {
  const float extreme = *std::max_element(in, in + 32, [](float a, float b) { return std::abs(a) < std::abs(b); });
  const float d = extreme / -8, inverse = d == 0 ? 0 : 1 / d;
  put_half(block, d);
  const auto code = [inverse](float x) {
    return std::min(15, static_cast<int>(static_cast<double>(x) * inverse + 8.5));
  };
  for (int j = 0; j < 16; ++j) block[2 + j] = static_cast<std::byte>(code(in[j]) | code(in[j + 16]) << 4);
}

bool finite(uint16_t half) { return (half & 0x7c00) != 0x7c00; }

}  // namespace

void blocks_to_float(DType dtype, const std::byte* blocks, int64_t n, float* out) {
  const int64_t width = block_elements(dtype);
  assert(is_block(dtype) && n % width == 0);
  const auto decode = dtype == DType::Q8_0   ? q8_0_to_float
                      : dtype == DType::Q4_0 ? q4_0_to_float
                      : dtype == DType::Q4_K ? q4_k_to_float
                                             : q6_k_to_float;
  for (int64_t at = 0; at < n; at += width, blocks += bytes_of(dtype)) decode(blocks, out + at);
}

void blocks_from_float(DType dtype, const float* in, int64_t n, std::byte* blocks) {
  assert((dtype == DType::Q8_0 || dtype == DType::Q4_0) && n % 32 == 0);
  for (int64_t at = 0; at < n; at += 32, blocks += bytes_of(dtype))
    dtype == DType::Q8_0 ? q8_0_from_float(in + at, blocks) : q4_0_from_float(in + at, blocks);
}

int64_t count_not_finite_in_blocks(DType dtype, const std::byte* blocks, int64_t n) {
  const int64_t width = block_elements(dtype);
  int64_t bad = 0;
  for (int64_t at = 0; at < n; at += width, blocks += bytes_of(dtype)) {
    const bool fine = finite(half_bits(blocks + (dtype == DType::Q6_K ? 208 : 0))) &&
                      (dtype != DType::Q4_K || finite(half_bits(blocks + 2)));
    if (!fine) bad += width;
  }
  return bad;
}

}  // namespace cutaway
