// A model of a tokenizer.json: turns one word into tokens.
#pragma once

#include <memory>

#include "engine/tokenizers/component.h"
#include "engine/tokenizers/vocabulary.h"

namespace cutaway {

struct SubToken {
  int32_t id = 0;
  uint32_t begin = 0, end = 0;  // bytes of the word
};

class Subwords {
 public:
  virtual ~Subwords() = default;
  virtual void encode(std::string_view word, std::vector<SubToken>& out) const = 0;
  virtual const Vocabulary& vocabulary() const = 0;
  virtual int32_t unknown() const = 0;  // id, or -1
  /// The bytes that a token stands for, before any decoder.
  virtual std::string bytes(int32_t id) const { return vocabulary().token(id); }
};
using SubwordsPtr = std::shared_ptr<const Subwords>;

/// Byte-pair encoding (Sennrich et al. 2016); with byte_level, words are bytes (Radford et al. 2019).
Result<SubwordsPtr> read_bpe(Component, bool byte_level);
/// SentencePiece's byte-pair encoding (Kudo & Richardson 2018): the two neighbours that together are the piece of the
/// highest score merge first. As .model and GGUF files have it; "SentencePieceBPE" is our own word for it:
/// {"vocab": [["▁the", -1.5], …], "unk_id": 0, "byte_fallback": true}; a score of null: never made, only typed.
Result<SubwordsPtr> read_sentencepiece_bpe(Component);
/// Unigram (Kudo 2018): the most likely pieces by Viterbi. {"vocab": [["▁the", -3.2], …], "unk_id": 2}; a score of null
/// as above; "single_precision": sums in float, as SentencePiece itself does.
Result<SubwordsPtr> read_unigram(Component);
/// WordPiece (Devlin et al. 2018): greedy, longest match first.
Result<SubwordsPtr> read_wordpiece(Component);

}  // namespace cutaway
