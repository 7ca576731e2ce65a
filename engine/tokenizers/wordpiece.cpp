#include <algorithm>

#include "engine/tokenizers/subwords.h"
#include "engine/tokenizers/unicode.h"

namespace cutaway {
namespace {

class WordPiece : public Subwords {
 public:
  Vocabulary vocab;
  std::string prefix;  // of a piece that continues a word: "##"
  int32_t unk = -1;
  int64_t max_characters = 100;  // a longer word is unknown

  const Vocabulary& vocabulary() const override { return vocab; }
  int32_t unknown() const override { return unk; }

  void encode(std::string_view word, std::vector<SubToken>& out) const override {
    const size_t before = out.size();
    int64_t characters = 0;
    for (size_t at = 0; at < word.size(); ++characters) next_character(word, at);
    std::string piece;
    for (size_t begin = 0; begin < word.size();) {
      size_t end = std::min(word.size(), begin + vocab.longest());
      int32_t id = -1;
      for (; characters <= max_characters && end > begin; --end) {
        if (end < word.size() && (static_cast<uint8_t>(word[end]) & 0xc0) == 0x80) continue;  // inside a character
        piece.assign(begin == 0 ? "" : prefix);
        piece += word.substr(begin, end - begin);
        id = vocab.id(piece);
        if (id >= 0) break;
      }
      if (id < 0) {  // no match anywhere: the whole word is unknown
        out.resize(before);
        out.push_back({unk, 0, static_cast<uint32_t>(word.size())});
        return;
      }
      out.push_back({id, static_cast<uint32_t>(begin), static_cast<uint32_t>(end)});
      begin = end;
    }
  }
};

}  // namespace

Result<SubwordsPtr> read_wordpiece(Component c) {
  auto made = std::make_shared<WordPiece>();
  auto vocabulary = Vocabulary::read(c.file(), c.member("vocab"));
  if (!vocabulary) return vocabulary.error();
  made->vocab = std::move(*vocabulary);
  made->prefix = c.text("continuing_subword_prefix", "##");
  made->max_characters = c.integer("max_input_chars_per_word", 100, 1, 1 << 20);
  const std::string unknown = c.text("unk_token", "[UNK]");
  made->unk = made->vocab.id(unknown);
  if (made->unk < 0) c.fail(fmt::format("has the unk_token \"{}\", which is not in its vocab", unknown));
  if (c.why()) return *c.why();
  return SubwordsPtr(made);
}

}  // namespace cutaway
