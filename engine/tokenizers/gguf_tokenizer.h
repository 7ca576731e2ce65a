// The tokenizer inside a GGUF file: tokenizer.ggml.{model, pre, tokens, scores, token_type, merges, …}.
#pragma once

#include "engine/files/gguf.h"
#include "engine/tokenizer.h"

namespace cutaway {

/// By its model: llama (SentencePiece BPE), gpt2 (byte-level BPE, split as `pre` says), bert (WordPiece), t5 (Unigram).
/// Null when the file says that it has none; another model or pre is refused by its name.
Result<std::shared_ptr<const Tokenizer>> read_gguf_tokenizer(const Gguf&);

}  // namespace cutaway
