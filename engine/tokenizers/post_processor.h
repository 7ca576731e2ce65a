// What a tokenizer puts around a text: [CLS] … [SEP].
#pragma once

#include <vector>

#include "engine/tokenizers/component.h"

namespace cutaway {

struct Around {
  std::vector<int32_t> before, after;
};

/// TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel, Sequence.
Result<Around> read_post_processor(Component);

}  // namespace cutaway
