// Shaders compiled at build time and embedded in the binary.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace cutaway {

struct EmbeddedShader {
  std::string_view name;  // the file: "add.comp"
  const uint32_t* code;
  size_t bytes;
};
std::span<const EmbeddedShader> embedded_shaders();

}  // namespace cutaway
