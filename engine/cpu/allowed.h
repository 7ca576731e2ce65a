// A mask rule as the kernels want it: for a run of queries, the keys that each may see.
#pragma once

#include <vector>

#include "engine/cpu/kernels.h"
#include "engine/mask.h"

namespace cutaway {

struct AllowedSpans {
  std::vector<int32_t> begin, end;  // (queries)

  /// Queries first .. first + n - 1 by position, among the first `keys` keys.
  AllowedSpans(const MaskRule& rule, int64_t first, int64_t n, int64_t keys) {
    for (int64_t query = first; query < first + n; ++query) {
      const auto [from, to] = rule.span(query, keys);
      begin.push_back(static_cast<int32_t>(from));
      end.push_back(static_cast<int32_t>(to > from ? to : from));
    }
  }

  /// Points into this object and into the rule's bits.
  AllowedKeys keys(const MaskRule& rule) const {
    AllowedKeys allowed{.begin = begin.data(), .end = end.data()};
    if (rule.kind == MaskRule::Kind::Custom) {
      allowed.bits = rule.bits->words.data();
      allowed.words_per_row = rule.bits->words_per_row();
      allowed.bit_queries = rule.bits->queries;
      allowed.bit_keys = rule.bits->keys;
    }
    return allowed;
  }
};

}  // namespace cutaway
