// Element types and shapes of tensors in files and in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/result.h"

namespace cutaway {

/// Spelt as safetensors spells them.
enum class DType : uint8_t { F64, F32, F16, BF16, F8_E4M3, F8_E5M2, I64, I32, I16, I8, U64, U32, U16, U8, BOOL };

size_t bytes_of(DType);
std::string_view name_of(DType);
std::optional<DType> dtype_named(std::string_view);  // "F16"; nothing for a name we don't know

using Shape = std::vector<int64_t>;  // outermost first, row-major

int64_t elements(const Shape&);     // the caller has checked that it doesn't overflow
std::string text_of(const Shape&);  // "(512, 768)"

/// Half and bfloat16 bits to float and back (round to nearest even).
float half_to_float(uint16_t);
uint16_t float_to_half(float);
float bf16_to_float(uint16_t);
uint16_t float_to_bf16(float);

/// Tensor data that somebody else owns; row-major, dense.
struct TensorView {
  const std::byte* data = nullptr;
  DType dtype = DType::F32;
  Shape shape;

  int64_t size() const { return elements(shape); }
  size_t bytes() const { return static_cast<size_t>(size()) * bytes_of(dtype); }
};

/// Converts n elements of any real or integer type to float.
void to_float(const TensorView&, float* out);

}  // namespace cutaway
