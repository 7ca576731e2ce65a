#include <algorithm>
#include <cmath>

#include "engine/tokenizers/byte_tokens.h"
#include "engine/tokenizers/merge_word.h"
#include "engine/tokenizers/unicode.h"

namespace cutaway {
namespace {

/// Two neighbours merge where together they are a piece. Neither need be a piece itself.
struct ByScore {
  std::string_view word;
  const Vocabulary& vocab;
  const std::vector<int32_t>& ranks;

  Merge operator()(const Symbol& left, const Symbol& right) const {
    const int32_t id = vocab.id(word.substr(left.begin, right.end - left.begin));
    return id < 0 ? Merge{} : Merge{ranks[static_cast<size_t>(id)], id};
  }
};

class SentencePieceBpe : public Subwords {
 public:
  Vocabulary vocab;
  std::vector<int32_t> ranks;  // of each piece: 0 has the highest score; equal scores, equal ranks; -1 never made
  ByteTokens byte_tokens;
  int32_t unk = -1;

  const Vocabulary& vocabulary() const override { return vocab; }
  int32_t unknown() const override { return unk; }
  std::string bytes(int32_t id) const override { return bytes_of_piece(vocab.token(id)); }

  void encode(std::string_view word, std::vector<SubToken>& out) const override {
    const ByScore merges{word, vocab, ranks};
    MergeWord symbols(merges);
    for (size_t at = 0; at < word.size();) {
      const size_t begin = at;
      at += first_character_bytes(word.substr(at));
      symbols.add(known(word.substr(begin, at - begin)), begin, at);
    }
    symbols.merge();
    bool last_unknown = false;
    symbols.each([&](const Symbol& s) {
      const bool unknown = s.id < 0 && !byte_tokens.put(word, s.begin, s.end, out);
      if (s.id >= 0) out.push_back({s.id, s.begin, s.end});
      if (unknown && last_unknown)
        out.back().end = s.end;  // neighbours that are unknown are one
      else if (unknown && unk >= 0)
        out.push_back({unk, s.begin, s.end});
      last_unknown = unknown && unk >= 0;
    });
  }

 private:
  int32_t known(std::string_view character) const {
    const int32_t id = vocab.id(character);
    return id >= 0 && ranks[static_cast<size_t>(id)] >= 0 ? id : -1;
  }
};

/// Scores to ranks, the highest first.
std::vector<int32_t> ranks_of(const std::vector<double>& scores) {
  std::vector<double> sorted;
  std::ranges::copy_if(scores, std::back_inserter(sorted), [](double score) { return !std::isnan(score); });
  std::ranges::sort(sorted, std::greater());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  std::vector<int32_t> ranks;
  for (double score : scores)
    ranks.push_back(std::isnan(score) ? -1
                                      : static_cast<int32_t>(std::ranges::lower_bound(sorted, score, std::greater()) -
                                                             sorted.begin()));
  return ranks;
}

}  // namespace

Result<SubwordsPtr> read_sentencepiece_bpe(Component c) {
  auto made = std::make_shared<SentencePieceBpe>();
  std::vector<double> scores;
  auto vocabulary = Vocabulary::read_scored(c.file(), c.member("vocab"), scores);
  if (!vocabulary) return vocabulary.error();
  made->vocab = std::move(*vocabulary);
  made->ranks = ranks_of(scores);
  made->unk = static_cast<int32_t>(c.integer("unk_id", -1, 0, made->vocab.size() - 1));
  if (c.flag("byte_fallback", false)) made->byte_tokens = ByteTokens(made->vocab);
  if (c.why()) return *c.why();
  return SubwordsPtr(made);
}

}  // namespace cutaway
