// SentencePiece's compiled normalisation: a trie of texts to be replaced (a double array, Aoe 1989, in the units of
// darts-clone) and the texts that take their place. Layout: u32 size of the trie in bytes, its units (u32 each, little
// endian), then the replacements, each ended by a 0 byte.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/result.h"

namespace cutaway {

class Charsmap {
 public:
  /// Fails, with what is wrong behind "precompiled_charsmap", on sizes that don't fit.
  static Result<Charsmap> read(std::string_view bytes);

  struct Match {
    size_t length = 0;
    std::string_view replacement;
  };
  /// The shortest or longest text in the map that `text` begins with.
  std::optional<Match> shortest(std::string_view text) const { return match(text, true); }
  std::optional<Match> longest(std::string_view text) const { return match(text, false); }

 private:
  std::optional<Match> match(std::string_view text, bool shortest) const;
  std::vector<uint32_t> units_;
  std::string replacements_;
};

/// RFC 4648; nothing for text that is none.
std::optional<std::string> from_base64(std::string_view);
std::string to_base64(std::string_view bytes);

}  // namespace cutaway
