// What happens to a text before it is split: Unicode normal forms, lower case, accents, replacements.
#pragma once

#include <memory>
#include <vector>

#include "engine/tokenizers/component.h"
#include "engine/tokenizers/text.h"

namespace cutaway {

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void apply(Text&) const = 0;
};
using NormalizerPtr = std::shared_ptr<const Normalizer>;

/// Sequence, NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, BertNormalizer, Replace, Prepend, Strip, Precompiled, and
/// SentencePiece, our own.
Result<NormalizerPtr> read_normalizer(Component);

}  // namespace cutaway
