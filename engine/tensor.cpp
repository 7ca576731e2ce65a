// Element types: their sizes, their names and their values as float.
#include "engine/tensor.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "engine/blocks.h"

namespace cutaway {
namespace {

struct TypeInfo {
  DType dtype;
  std::string_view name;
  size_t bytes;
  int64_t elements = 1;  // in so many bytes
};

constexpr TypeInfo types[] = {
    {DType::F64, "F64", 8},          {DType::F32, "F32", 4},
    {DType::F16, "F16", 2},          {DType::BF16, "BF16", 2},
    {DType::F8_E4M3, "F8_E4M3", 1},  {DType::F8_E5M2, "F8_E5M2", 1},
    {DType::I64, "I64", 8},          {DType::I32, "I32", 4},
    {DType::I16, "I16", 2},          {DType::I8, "I8", 1},
    {DType::U64, "U64", 8},          {DType::U32, "U32", 4},
    {DType::U16, "U16", 2},          {DType::U8, "U8", 1},
    {DType::BOOL, "BOOL", 1},        {DType::Q8_0, "Q8_0", 34, 32},
    {DType::Q4_0, "Q4_0", 18, 32},   {DType::Q4_K, "Q4_K", 144, 256},
    {DType::Q6_K, "Q6_K", 210, 256},
};

/// A finite-only 8-bit float: 4 exponent bits (bias 7), 3 of mantissa, no infinity, NaN is 0x7f and 0xff.
float e4m3_to_float(uint8_t bits) {
  const int exponent = bits >> 3 & 15, mantissa = bits & 7;
  const float sign = bits & 0x80 ? -1.f : 1.f;
  if (exponent == 15 && mantissa == 7) return std::numeric_limits<float>::quiet_NaN();
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(mantissa), -9);
  return sign * std::ldexp(static_cast<float>(8 + mantissa), exponent - 10);
}

/// The upper byte of a half.
float e5m2_to_float(uint8_t bits) { return half_to_float(static_cast<uint16_t>(bits << 8)); }

/// Reads n elements of type T, which need not be aligned in a file, and converts each.
template <class T, class Convert>
void convert(const std::byte* in, int64_t n, float* out, Convert to) {
  for (int64_t i = 0; i < n; ++i) {
    T value;
    std::memcpy(&value, in + static_cast<size_t>(i) * sizeof(T), sizeof(T));
    out[i] = to(value);
  }
}

template <class T>
void convert(const std::byte* in, int64_t n, float* out) {
  convert<T>(in, n, out, [](T value) { return static_cast<float>(value); });
}

}  // namespace

int64_t block_elements(DType dtype) { return types[static_cast<size_t>(dtype)].elements; }

size_t bytes_of(DType dtype) { return types[static_cast<size_t>(dtype)].bytes; }

size_t bytes_of(DType dtype, int64_t n) {
  const TypeInfo& type = types[static_cast<size_t>(dtype)];
  assert(n % type.elements == 0);
  return static_cast<size_t>(n / type.elements) * type.bytes;
}

std::string_view name_of(DType dtype) { return types[static_cast<size_t>(dtype)].name; }

std::optional<DType> dtype_named(std::string_view name) {
  for (const TypeInfo& type : types)
    if (type.name == name) return type.dtype;
  return std::nullopt;
}

int64_t elements(const Shape& shape) {
  int64_t n = 1;
  for (int64_t size : shape) n *= size;
  return n;
}

std::string text_of(const Shape& shape) { return fmt::format("({})", fmt::join(shape, ", ")); }

float half_to_float(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t exponent = half >> 10 & 31, mantissa = half & 0x3ff;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | mantissa << 13);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
  const float tiny = static_cast<float>(mantissa) * 0x1p-24f;  // subnormal, exact in float
  return sign ? -tiny : tiny;
}

uint16_t float_to_half(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value), magnitude = bits & 0x7fffffffu;
  const uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  if (magnitude > 0x7f800000u) return sign | 0x7e00;                 // NaN
  if (magnitude >= 0x477ff000u) return sign | 0x7c00;                // 65520 and above round to infinity
  if (magnitude < 0x38800000u) {                                     // subnormal half: multiples of 2^-24
    const float scaled = std::bit_cast<float>(magnitude) * 0x1p24f;  // exact: a power of two
    return sign | static_cast<uint16_t>(std::nearbyint(scaled));     // ties to even; 1024 is the least normal
  }
  const uint32_t rounded = magnitude + 0xfffu + (magnitude >> 13 & 1);
  return sign | static_cast<uint16_t>((rounded - (112u << 23)) >> 13);
}

float bf16_to_float(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

uint16_t float_to_bf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

void to_float(const TensorView& t, float* out) {
  if (t.size() == 0) return;  // nothing to copy, and perhaps nowhere
  const int64_t n = t.size();
  switch (t.dtype) {
    case DType::F64:
      return convert<double>(t.data, n, out);
    case DType::F32:
      std::memcpy(out, t.data, static_cast<size_t>(n) * sizeof(float));
      return;
    case DType::F16:
      return convert<uint16_t>(t.data, n, out, half_to_float);
    case DType::BF16:
      return convert<uint16_t>(t.data, n, out, bf16_to_float);
    case DType::F8_E4M3:
      return convert<uint8_t>(t.data, n, out, e4m3_to_float);
    case DType::F8_E5M2:
      return convert<uint8_t>(t.data, n, out, e5m2_to_float);
    case DType::I64:
      return convert<int64_t>(t.data, n, out);
    case DType::I32:
      return convert<int32_t>(t.data, n, out);
    case DType::I16:
      return convert<int16_t>(t.data, n, out);
    case DType::I8:
      return convert<int8_t>(t.data, n, out);
    case DType::U64:
      return convert<uint64_t>(t.data, n, out);
    case DType::U32:
      return convert<uint32_t>(t.data, n, out);
    case DType::U16:
      return convert<uint16_t>(t.data, n, out);
    case DType::U8:
      return convert<uint8_t>(t.data, n, out);
    case DType::BOOL:
      return convert<uint8_t>(t.data, n, out, [](uint8_t b) { return b ? 1.f : 0.f; });
    case DType::Q8_0:
    case DType::Q4_0:
    case DType::Q4_K:
    case DType::Q6_K:
      return blocks_to_float(t.dtype, t.data, n, out);
  }
}

}  // namespace cutaway
