// Regular expressions as tokenizers write them: Unicode classes and look-ahead, compiled once, any thread may match.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/tokenizers/component.h"

namespace cutaway {

class Regex {
 public:
  /// Fails with the place where the pattern is wrong.
  static Result<Regex> compile(const std::string& pattern);
  static Regex literal(const std::string& text);

  /// All matches from left to right, [begin, end) in bytes, none of them empty, none overlapping. Stops early where a
  /// pattern takes more steps than any real tokenizer needs; the rest of the text then has no match.
  std::vector<std::pair<size_t, size_t>> all(std::string_view text) const;

 private:
  std::shared_ptr<const void> code_;  // pcre2_code
  std::string literal_;               // used when there is no code
};

/// "pattern": {"Regex": "…"} or {"String": "…"}.
Result<Regex> read_pattern(Component&);

}  // namespace cutaway
