// The pieces of a .model or GGUF vocabulary, and their parts in the words of a tokenizer.json.
#pragma once

#include <vector>

#include "engine/files/json_text.h"

namespace cutaway {

enum class PieceType : uint8_t { Normal = 1, Unknown, Control, UserDefined, Unused, Byte };

struct Pieces {
  std::vector<std::string> tokens;
  std::vector<double> scores;    // as many, or none
  std::vector<PieceType> types;  // as many
  int64_t unk = -1, bos = -1, eos = -1;
  bool add_bos = false, add_eos = false;  // around an encoding

  bool has(PieceType) const;
};

/// Fails on tokens that are not UTF-8, on ids beyond the end, on add_bos without a bos.
Result<void> check_pieces(const std::string& file, const Pieces&);

/// Control and user-defined pieces. normalized: the latter are matched in what the normaliser made.
nlohmann::json added_tokens_of(const Pieces&, bool normalized);
/// [[token, score], …] with null for pieces that text is never made of.
nlohmann::json scored_vocab_of(const Pieces&, bool with_user_defined);
/// {"token": id, …}
nlohmann::json plain_vocab_of(const Pieces&);
/// TemplateProcessing with bos and eos as they are wanted; null when neither is.
nlohmann::json template_of(const Pieces&);
/// From U+2581 and byte tokens to text. At its begin one space goes that the encoder put there, or all of them where it
/// takes extra ones away (sentencepiece_processor.cc).
nlohmann::json sentencepiece_decoder(bool prefixed, bool remove_extra);

}  // namespace cutaway
