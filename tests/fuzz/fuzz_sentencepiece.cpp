// Any bytes as a SentencePiece model: ids stay in range, offsets inside the text, every refusal is a sentence.
#include <cstdlib>

#include "engine/tokenizers/sentencepiece.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cutaway;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto tokenizer = parse_sentencepiece("fuzz", bytes, {});
  if (!tokenizer) {
    if (!tokenizer.error().text.starts_with("fuzz")) std::abort();
    return 0;
  }
  const std::string_view text = "  the key to\tthe ﬁne old doors, 12 ж\u0301 🙂 <sep>";
  const auto encoding = (*tokenizer)->encode(text, true);
  if (!encoding) std::abort();
  for (size_t i = 0; i < encoding->ids.size(); ++i) {
    const int32_t id = encoding->ids[i];
    const auto [begin, end] = encoding->bytes[i];
    if (id < 0 || id >= (*tokenizer)->size() || begin > end || end > text.size()) std::abort();
    (*tokenizer)->piece(id);
  }
  (*tokenizer)->decode(encoding->ids);
  return 0;
}
