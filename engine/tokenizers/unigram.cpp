#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/tokenizers/byte_tokens.h"
#include "engine/tokenizers/unicode.h"

namespace cutaway {
namespace {

constexpr double unknown_penalty = 10;  // below the least score: SentencePiece, unigram_model.cc

/// All pieces that a text begins with: the pieces sorted, and a range of them that narrows byte by byte.
class Prefixes {
 public:
  void add(std::string_view piece, int32_t id) {
    if (!piece.empty()) pieces_.emplace_back(piece, id);
  }
  void sort() {
    std::ranges::sort(pieces_);
    for (size_t byte = 0; byte <= 256; ++byte)
      first_[byte] = std::ranges::lower_bound(pieces_, byte, {}, [](const auto& p) { return byte_of(p.first, 0); }) -
                     pieces_.begin();
  }

  /// Calls each(id, length), the shortest first.
  template <class Each>
  void of(std::string_view text, Each each) const {
    if (text.empty()) return;
    const size_t first = static_cast<uint8_t>(text[0]);
    auto begin = pieces_.begin() + first_[first], end = pieces_.begin() + first_[first + 1];
    for (size_t length = 1; begin != end; ++length) {
      for (; begin != end && begin->first.size() == length; ++begin) each(begin->second, length);
      if (length == text.size()) return;
      const size_t byte = static_cast<uint8_t>(text[length]);
      const auto at = [length](const auto& p) { return byte_of(p.first, length); };
      begin = std::ranges::lower_bound(begin, end, byte, {}, at);
      end = std::ranges::upper_bound(begin, end, byte, {}, at);
    }
  }

 private:
  static size_t byte_of(std::string_view piece, size_t at) { return static_cast<uint8_t>(piece[at]); }
  std::vector<std::pair<std::string_view, int32_t>> pieces_;
  ptrdiff_t first_[257] = {};  // where pieces of each first byte begin
};

class Unigram : public Subwords {
 public:
  Vocabulary vocab;
  std::vector<double> scores;  // NaN: no piece of the lattice
  Prefixes prefixes;
  ByteTokens byte_tokens;
  double unknown_score = 0;
  int32_t unk = -1;
  bool single_precision = false;

  const Vocabulary& vocabulary() const override { return vocab; }
  int32_t unknown() const override { return unk; }
  std::string bytes(int32_t id) const override { return bytes_of_piece(vocab.token(id)); }

  void encode(std::string_view word, std::vector<SubToken>& out) const override {
    std::vector<SubToken> best = most_likely(word);
    for (size_t i = 0; i < best.size(); ++i) {
      SubToken& one = best[i];
      if (one.id >= 0) {
        out.push_back(one);
        continue;
      }
      while (i + 1 < best.size() && best[i + 1].id < 0) one.end = best[++i].end;  // unknown neighbours are one
      if (byte_tokens.put(word, one.begin, one.end, out)) continue;
      if (unk >= 0) out.push_back({unk, one.begin, one.end});
    }
  }

 private:
  struct Best {
    double score = 0;
    uint32_t begin = 0;
    int32_t id = -2;  // -2: not reached, -1: an unknown character
  };

  /// The best way to each place in the word; then back from its end. An id of -1 is an unknown character.
  std::vector<SubToken> most_likely(std::string_view word) const {
    std::vector<Best> best(word.size() + 1);
    for (size_t at = 0; at < word.size();) {
      const size_t width = first_character_bytes(word.substr(at));
      const double here = best[at].score;
      bool single = false;
      prefixes.of(word.substr(at), [&](int32_t id, size_t length) {
        reach(best[at + length], here + scores[static_cast<size_t>(id)], at, id);
        single = single || length == width;
      });
      if (!single) reach(best[at + width], here + unknown_score, at, -1);
      at += width;
    }
    std::vector<SubToken> way;
    for (size_t end = word.size(); end > 0; end = best[end].begin)
      way.push_back({best[end].id, best[end].begin, static_cast<uint32_t>(end)});
    std::ranges::reverse(way);
    return way;
  }

  void reach(Best& place, double score, size_t begin, int32_t id) const {
    if (place.id != -2 && score <= place.score) return;
    place = {single_precision ? static_cast<double>(static_cast<float>(score)) : score, static_cast<uint32_t>(begin),
             id};
  }
};

}  // namespace

Result<SubwordsPtr> read_unigram(Component c) {
  auto made = std::make_shared<Unigram>();
  auto vocabulary = Vocabulary::read_scored(c.file(), c.member("vocab"), made->scores);
  if (!vocabulary) return vocabulary.error();
  made->vocab = std::move(*vocabulary);
  double least = std::numeric_limits<double>::infinity();
  for (int32_t id = 0; id < made->vocab.size(); ++id) {
    const double score = made->scores[static_cast<size_t>(id)];
    const std::string& piece = made->vocab.token(id);
    if (std::isnan(score)) continue;
    least = std::min(least, score);
    if (made->vocab.id(piece) != id) continue;
    if (invalid_utf8(piece)) c.fail(fmt::format("has a token that is not valid UTF-8 at {}", id));
    made->prefixes.add(piece, id);
  }
  made->prefixes.sort();
  made->unknown_score = (std::isfinite(least) ? least : 0) - unknown_penalty;
  made->unk = static_cast<int32_t>(c.integer("unk_id", -1, 0, made->vocab.size() - 1));
  made->single_precision = c.flag("single_precision", false);
  if (c.flag("byte_fallback", false)) made->byte_tokens = ByteTokens(made->vocab);
  if (c.why()) return *c.why();
  return SubwordsPtr(made);
}

}  // namespace cutaway
