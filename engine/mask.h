// Which keys a query may look at, as a rule over absolute positions. A mask is never materialised as T x S numbers;
// only a mask that a person painted keeps one bit a cell. spec: a masked cell has no value, which is not the value 0.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/result.h"

namespace cutaway {

/// One bit a cell, rows are queries; row r starts at word r * words_per_row().
struct MaskBits {
  int64_t queries = 0, keys = 0;
  std::vector<uint32_t> words;

  MaskBits(int64_t queries, int64_t keys);
  int64_t words_per_row() const { return (keys + 31) / 32; }
  bool get(int64_t query, int64_t key) const { return words[query * words_per_row() + key / 32] >> (key % 32) & 1; }
  void set(int64_t query, int64_t key, bool allowed);
};

struct MaskRule {
  enum class Kind : uint8_t { Causal, Bidirectional, Prefix, Window, Custom, Local };

  Kind kind = Kind::Causal;
  int64_t n = 0;  // Prefix: positions < n are seen by all. Window: keys a query sees, itself included. Local: keys on
                  // either side.
  std::shared_ptr<const MaskBits> bits;  // Custom only; cells outside the painted area follow the causal rule

  /// causal j <= i; prefix j <= i or j < n; window i - n < j <= i; local |i - j| <= n;
  /// bidirectional always.
  bool allowed(int64_t query, int64_t key) const;
  /// True when none of the first `past` queries sees key `past` or a later one: a new token may be appended without
  /// running the old ones again. A prefix may be appended to once it is complete.
  bool may_append(int64_t past) const;
  /// First and one-past-last key that this query can see among the first `keys`; cells between may still be masked.
  std::pair<int64_t, int64_t> span(int64_t query, int64_t keys) const;

  /// The same cells as bits over the first `positions` tokens, so that a person can paint on them.
  MaskRule painted(int64_t positions) const;
  /// painted() with one cell changed. Cells outside the painted area can't be changed.
  MaskRule with_cell(int64_t positions, int64_t query, int64_t key, bool allow) const;

  std::string text() const;                          // "causal", "prefix:9", "window:64", "local:64", "custom"
  static Result<MaskRule> parse(std::string_view);   // what text() writes, except "custom"
  bool operator==(const MaskRule&) const = default;  // custom masks: the same bits object
};

}  // namespace cutaway
