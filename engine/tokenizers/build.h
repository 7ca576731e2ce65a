// A tokenizer.json that is parsed already. Other formats are put into its words, so that there is one set of rules.
#pragma once

#include "engine/files/json_text.h"
#include "engine/tokenizer.h"

namespace cutaway {

/// file: for messages.
Result<std::shared_ptr<const Tokenizer>> build_tokenizer(const std::string& file, const nlohmann::json&);

}  // namespace cutaway
