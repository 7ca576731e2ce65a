// A flat reader of config.json that remembers which key said what, so that a refusal can name the key and both values.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "engine/result.h"

namespace cutaway {

class Config {
 public:
  /// Parses the text of a config file; `file` is for messages. Fails on anything that is not one JSON object.
  static Result<Config> parse(std::string file, std::string_view text);
  static Result<Config> read(const std::string& path);

  const std::string& file() const { return file_; }
  bool has(std::string_view key) const;  // present and not null
  /// A whole number within [low, high]; the default when the key is absent or null.
  Result<int64_t> integer(std::string_view key, std::optional<int64_t> absent, int64_t low, int64_t high) const;
  Result<double> number(std::string_view key, std::optional<double> absent) const;
  Result<bool> boolean(std::string_view key, bool absent) const;
  Result<std::string> text(std::string_view key, std::optional<std::string> absent) const;

 private:
  struct Json;
  std::string file_;
  std::shared_ptr<const Json> json_;
};

}  // namespace cutaway
