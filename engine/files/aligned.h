// Memory that begins on 64 bytes, as vector kernels want it: they sum in the same order at each run only then.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>

namespace cutaway {

struct FreeMemory {
  void operator()(std::byte* at) const { std::free(at); }
};
using AlignedBytes = std::unique_ptr<std::byte, FreeMemory>;

/// At least one byte, contents undefined; null when memory is out.
inline AlignedBytes aligned_bytes(size_t bytes) {
  return AlignedBytes(static_cast<std::byte*>(std::aligned_alloc(64, (bytes / 64 + 1) * 64)));
}

}  // namespace cutaway
