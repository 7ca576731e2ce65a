// Any bytes as a tokenizer.json and, behind a 0 byte, a text for it: ids stay in range, offsets inside the text.
#include <algorithm>
#include <cstdlib>

#include "engine/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cutaway;
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const size_t cut = std::min(all.find('\0'), all.size());
  const auto tokenizer = Tokenizer::parse("tokenizer.json", all.substr(0, cut));
  if (!tokenizer) {
    if (!tokenizer.error().text.starts_with("tokenizer.json")) std::abort();
    return 0;
  }
  const std::string_view text = cut < all.size() ? all.substr(cut + 1) : "The key to the old doors, 12 [MASK]";
  const auto encoding = (*tokenizer)->encode(text, true);
  if (!encoding) return 0;
  for (size_t i = 0; i < encoding->ids.size(); ++i) {
    const int32_t id = encoding->ids[i];
    const auto [begin, end] = encoding->bytes[i];
    if (id < 0 || id >= (*tokenizer)->size() || begin > end || end > text.size()) std::abort();
    (*tokenizer)->piece(id);
  }
  (*tokenizer)->decode(encoding->ids);
  return 0;
}
