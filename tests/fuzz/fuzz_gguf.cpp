// Any bytes as a GGUF file: read or refused with a sentence; what was accepted lies inside, and so do its tokenizer's
// ids.
#include <cstdlib>

#include "engine/files/gguf.h"
#include "engine/tokenizers/gguf_tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cutaway;
  const auto files = TensorFiles::open_memory("fuzz", std::as_bytes(std::span(data, size)));
  if (!files) {
    if (!files.error().text.starts_with("fuzz")) std::abort();
    return 0;
  }
  if (!(*files)->gguf()) return 0;
  uint8_t sum = 0;
  for (const FileTensor& t : (*files)->tensors()) {
    for (const std::byte byte : t.data) sum ^= static_cast<uint8_t>(byte);
    if ((*files)->find(t.name) != &t) std::abort();
    if (!t.dtype || t.data.size() > 1 << 16) continue;
    if (bytes_of(*t.dtype, elements(t.shape)) != t.data.size()) std::abort();
    std::vector<float> values(static_cast<size_t>(elements(t.shape)));
    to_float({t.data.data(), *t.dtype, t.shape}, values.data());
  }
  volatile uint8_t seen = sum;
  (void)seen;
  for (const auto& [key, value] : (*files)->gguf()->values())
    if (text_of(value).empty()) std::abort();
  const auto tokenizer = read_gguf_tokenizer(*(*files)->gguf());
  if (!tokenizer && !tokenizer.error().text.starts_with("fuzz")) std::abort();
  if (!tokenizer || !*tokenizer) return 0;
  const auto encoding = (*tokenizer)->encode("The key to the old doors, 12 ж\u0301\n", true);
  if (!encoding) return 0;
  for (const int32_t id : encoding->ids)
    if (id < 0 || id >= (*tokenizer)->size()) std::abort();
  (*tokenizer)->decode(encoding->ids);
  return 0;
}
