// Tokens by id and ids by token.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/files/json_text.h"

namespace cutaway {

class Vocabulary {
 public:
  Vocabulary() = default;
  Vocabulary(Vocabulary&&) = default;  // moving keeps the tokens where they are
  Vocabulary& operator=(Vocabulary&&) = default;
  /// {"the": 5, …}. Fails on ids that are no whole numbers, too large, or given twice.
  static Result<Vocabulary> read(const std::string& file, const nlohmann::json& object);

  /// [["the", -3.5], …], ids by place; of two equal tokens the later id is found. `scores` gets a number for each, NaN
  /// for null. Fails on anything else.
  static Result<Vocabulary> read_scored(const std::string& file, const nlohmann::json& list,
                                        std::vector<double>& scores);

  /// -1: not there.
  int32_t id(std::string_view token) const {
    const auto at = ids_.find(token);
    return at == ids_.end() ? -1 : at->second;
  }
  /// Empty for an id without a token.
  const std::string& token(int32_t id) const;
  int64_t size() const { return static_cast<int64_t>(tokens_.size()); }  // ids are below
  size_t longest() const { return longest_; }                            // bytes of the longest token

 private:
  std::vector<std::string> tokens_;  // never grows after reading: ids_ looks into it
  std::unordered_map<std::string_view, int32_t> ids_;
  size_t longest_ = 0;
};

}  // namespace cutaway
