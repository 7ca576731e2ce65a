// From tokens back to text.
#pragma once

#include <memory>
#include <vector>

#include "engine/tokenizers/component.h"

namespace cutaway {

class Decoder {
 public:
  virtual ~Decoder() = default;
  /// Changes the pieces in place; what is left at the end is joined.
  virtual void apply(std::vector<std::string>& pieces) const = 0;
  virtual bool byte_level() const { return false; }  // pieces come as bytes already
};
using DecoderPtr = std::shared_ptr<const Decoder>;

/// ByteLevel, WordPiece, Metaspace, ByteFallback, Fuse, Strip, Replace, Sequence.
Result<DecoderPtr> read_decoder(Component);

}  // namespace cutaway
