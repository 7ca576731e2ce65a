// Tokenizers of folders from before tokenizer.json: BERT's vocab.txt, GPT-2's vocab.json with merges.txt,
// SentencePiece's tokenizer.model or spiece.model.
#pragma once

#include <string>

#include "engine/tokenizer.h"

namespace cutaway {

/// Null when the folder has none. tokenizer_config.json may say do_lower_case, strip_accents, tokenize_chinese_chars
/// (BERT), add_prefix_space (GPT-2), add_bos_token and add_eos_token (SentencePiece).
Result<std::shared_ptr<const Tokenizer>> read_old_tokenizer(const std::string& folder);

}  // namespace cutaway
