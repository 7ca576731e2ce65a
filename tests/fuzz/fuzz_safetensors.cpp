// Any bytes as a safetensors file: read or refused with a sentence; every tensor that was accepted lies inside.
#include <cstdlib>

#include "engine/files/tensor_files.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cutaway;
  const auto files = TensorFiles::open_memory("fuzz", std::as_bytes(std::span(data, size)));
  if (!files) {
    if (files.error().text.empty()) std::abort();
    return 0;
  }
  uint8_t sum = 0;
  for (const FileTensor& t : (*files)->tensors()) {
    for (const std::byte byte : t.data) sum ^= static_cast<uint8_t>(byte);
    if ((*files)->find(t.name) != &t) std::abort();
    if (!t.dtype || t.data.size() > 1 << 16) continue;
    std::vector<float> values(static_cast<size_t>(elements(t.shape)));
    to_float({t.data.data(), *t.dtype, t.shape}, values.data());
  }
  volatile uint8_t seen = sum;
  (void)seen;
  return 0;
}
