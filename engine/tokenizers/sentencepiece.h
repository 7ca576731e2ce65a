// SentencePiece's own files, tokenizer.model and spiece.model: a ModelProto in protobuf's wire format.
#pragma once

#include "engine/tokenizer.h"

namespace cutaway {

/// What stands beside the file in tokenizer_config.json; nothing: a BPE gets its begin, a Unigram its end of text.
struct SentencePieceSettings {
  std::optional<bool> add_bos, add_eos;
};

/// BPE and Unigram, at most 64 MiB. Fails, by file and field, on other kinds and on everything that is cut or broken.
Result<std::shared_ptr<const Tokenizer>> read_sentencepiece(const std::string& path, const SentencePieceSettings&);
Result<std::shared_ptr<const Tokenizer>> parse_sentencepiece(const std::string& file, std::string_view bytes,
                                                             const SentencePieceSettings&);

}  // namespace cutaway
