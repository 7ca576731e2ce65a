#include "engine/row_format.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "engine/blocks.h"
#include "engine/graph.h"

namespace cutaway {
namespace {

constexpr std::pair<std::string_view, DType> names[] = {{"fp32", DType::F32},  {"fp16", DType::F16},
                                                        {"bf16", DType::BF16}, {"fp8", DType::F8_E4M3},
                                                        {"q8_0", DType::Q8_0}, {"q4_0", DType::Q4_0}};

bool finite(const float* x, int64_t n) {
  return std::all_of(x, x + n, [](float value) { return std::isfinite(value); });
}

/// Round to nearest even, beyond 448 to that; what is not finite becomes NaN. Below 2^-6 steps are 2^-9.
std::byte to_e4m3(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x), magnitude = bits & 0x7fffffffu, sign = bits >> 24 & 0x80;
  if (magnitude >= 0x7f800000u) return std::byte{0x7f};
  uint32_t code;
  if (magnitude < 0x3c800000u) {
    code = static_cast<uint32_t>(std::nearbyint(std::bit_cast<float>(magnitude) * 512));  // 8 is the least normal
  } else {
    const uint32_t rounded = magnitude + 0x7ffffu + (magnitude >> 20 & 1);
    code = std::min((rounded - (120u << 23)) >> 20, 0x7eu);
  }
  return static_cast<std::byte>(sign | code);
}

void encode_e4m3(const float* in, int64_t n, float scale, std::byte* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = to_e4m3(in[i] / scale);
}

void decode_e4m3(const std::byte* in, int64_t n, float scale, float* out) {
  to_float({in, DType::F8_E4M3, {n}}, out);
  for (int64_t i = 0; i < n; ++i) out[i] *= scale;
}

template <uint16_t (*to)(float)>
void encode_halves(const float* in, int64_t n, std::byte* out) {
  for (int64_t i = 0; i < n; ++i) {
    const uint16_t bits = to(in[i]);
    std::memcpy(out + 2 * i, &bits, 2);
  }
}

/// A block of what is not finite has the scale NaN.
void encode_blocks(DType dtype, const float* in, int64_t n, std::byte* out) {
  const float nothing[32] = {};
  const uint16_t nan = 0x7e00;
  for (int64_t at = 0; at < n; at += 32, out += bytes_of(dtype)) {
    const bool fine = finite(in + at, 32);
    blocks_from_float(dtype, fine ? in + at : nothing, 32, out);
    if (!fine) std::memcpy(out, &nan, 2);
  }
}

void encode(DType dtype, const float* scale, const float* in, int64_t n, std::byte* out) {
  switch (dtype) {
    case DType::F16:
      return encode_halves<float_to_half>(in, n, out);
    case DType::BF16:
      return encode_halves<float_to_bf16>(in, n, out);
    case DType::F8_E4M3:
      return encode_e4m3(in, n, *scale, out);
    case DType::Q8_0:
    case DType::Q4_0:
      return encode_blocks(dtype, in, n, out);
    default:
      assert(dtype == DType::F32);
      std::memcpy(out, in, static_cast<size_t>(n) * sizeof(float));
  }
}

}  // namespace

size_t RowFormat::head_bytes() const {
  return bytes_of(dtype, head_dim - tail) + static_cast<size_t>(tail) * bytes_of(DType::F16);
}

void encode_row(const RowFormat& format, const float* scales, const float* in, std::byte* row) {
  if (format.dtype == DType::F32) return encode(DType::F32, nullptr, in, format.width(), row);
  const int64_t n = format.head_dim - format.tail;
  for (int64_t head = 0; head < format.heads; ++head, in += format.head_dim, row += format.head_bytes()) {
    encode(format.dtype, scales ? scales + head : nullptr, in, n, row);
    encode(DType::F16, nullptr, in + n, format.tail, row + bytes_of(format.dtype, n));
  }
}

void decode_row(const RowFormat& format, const float* scales, const std::byte* row, float* out) {
  if (format.dtype == DType::F32) return to_float({row, DType::F32, {format.width()}}, out);
  const int64_t n = format.head_dim - format.tail;
  for (int64_t head = 0; head < format.heads; ++head, out += format.head_dim, row += format.head_bytes()) {
    if (format.dtype == DType::F8_E4M3)
      decode_e4m3(row, n, scales[head], out);
    else
      to_float({row, format.dtype, {n}}, out);
    to_float({row + bytes_of(format.dtype, n), DType::F16, {format.tail}}, out + n);
  }
}

void fit_scales(const RowFormat& format, const float* in, int64_t n, float* scales) {
  for (int64_t head = 0; head < format.heads; ++head) {
    float most = 0;
    for (int64_t row = 0; row < n; ++row)
      for (int64_t i = 0; i < format.head_dim; ++i) {
        const float x = std::abs(in[row * format.width() + head * format.head_dim + i]);
        if (std::isfinite(x)) most = std::max(most, x);
      }
    int exponent = 0;
    std::frexp(most, &exponent);  // most <= 2^exponent
    scales[head] = most > 0 ? std::ldexp(1.f, std::clamp(exponent - 7, -100, 100)) : 1.f;
  }
}

Result<RowFormat> cache_format(const Node& cache, DType dtype) {
  assert(cache.op == Op::cache);
  const bool blocks = is_block(dtype);
  const RowFormat format{dtype, cache.params.heads, cache.params.head_dim, blocks ? cache.params.rope_dim : 0};
  const int64_t n = format.head_dim - format.tail, block = block_elements(dtype);
  if (n % block != 0)
    return error("{}: a head is {} numbers wide; a {} cache stores blocks of {}, so a multiple of {} is needed",
                 cache.path, n, cache_dtype_name(dtype), block, block);
  return format;
}

Result<void> check_cache(const Graph& graph, DType dtype) {
  for (const Node& node : graph.nodes)
    if (node.op == Op::cache)
      if (const auto format = cache_format(node, dtype); !format) return format.error();
  return {};
}

std::optional<DType> cache_dtype_named(std::string_view name) {
  const auto found = std::ranges::find(names, name, &std::pair<std::string_view, DType>::first);
  return found == std::end(names) ? std::nullopt : std::optional(found->second);
}

std::string_view cache_dtype_name(DType dtype) {
  const auto found = std::ranges::find(names, dtype, &std::pair<std::string_view, DType>::second);
  assert(found != std::end(names));
  return found->first;
}

}  // namespace cutaway
