// How a text is cut into words before a model sees it. A model never joins across a cut.
#pragma once

#include <memory>
#include <vector>

#include "engine/tokenizers/component.h"
#include "engine/tokenizers/text.h"

namespace cutaway {

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  /// Cuts each slice; may put changed texts into `texts`. Empty pieces are left out.
  virtual std::vector<Slice> split(const std::vector<Slice>&, Texts& texts) const = 0;
  /// True where words are bytes, written in GPT-2's alphabet in the vocabulary.
  virtual bool byte_level() const { return false; }
};
using PreTokenizerPtr = std::shared_ptr<const PreTokenizer>;

/// ByteLevel, Split, Metaspace, BertPreTokenizer, Whitespace, WhitespaceSplit, Punctuation, Digits, Sequence.
Result<PreTokenizerPtr> read_pre_tokenizer(Component);

}  // namespace cutaway
