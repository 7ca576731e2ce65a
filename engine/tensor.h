// Element types and shapes of tensors in files and in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/result.h"

namespace cutaway {

/// Spelt as safetensors spells them; behind BOOL the block types of GGUF (engine/blocks.h).
enum class DType : uint8_t {
  F64,
  F32,
  F16,
  BF16,
  F8_E4M3,
  F8_E5M2,
  I64,
  I32,
  I16,
  I8,
  U64,
  U32,
  U16,
  U8,
  BOOL,
  Q8_0,
  Q4_0,
  Q4_K,
  Q6_K
};

/// Elements that share one block, along the innermost side of a shape: 32 or 256 of a block type, else 1.
int64_t block_elements(DType);
inline bool is_block(DType dtype) { return block_elements(dtype) > 1; }
size_t bytes_of(DType);  // of one block, which is one element of all types but the block types
/// Bytes of n elements, a whole number of blocks.
size_t bytes_of(DType, int64_t n);
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

/// Tensor data that somebody else owns; row-major, dense. A row of a block type is a run of blocks.
struct TensorView {
  const std::byte* data = nullptr;
  DType dtype = DType::F32;
  Shape shape;

  int64_t size() const { return elements(shape); }
  size_t bytes() const { return bytes_of(dtype, size()); }
};

/// Converts all elements of any type to float.
void to_float(const TensorView&, float* out);

}  // namespace cutaway
