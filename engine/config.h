// A flat reader of config.json that remembers which key said what, so that a refusal can name the key and both values.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/result.h"

namespace cutaway {

class Config {
 public:
  /// Parses the text of a config file; `file` is for messages. Fails on anything that is not one JSON object.
  static Result<Config> parse(std::string file, std::string_view text);
  static Result<Config> read(const std::string& path);

  const std::string& file() const { return file_; }
  bool has(std::string_view key) const;        // present and not null
  bool says_null(std::string_view key) const;  // present and null
  /// A whole number within [low, high]; the default when the key is absent or null.
  Result<int64_t> integer(std::string_view key, std::optional<int64_t> absent, int64_t low, int64_t high) const;
  Result<double> number(std::string_view key, std::optional<double> absent) const;
  Result<bool> boolean(std::string_view key, bool absent) const;
  Result<std::string> text(std::string_view key, std::optional<std::string> absent) const;
  /// The object under a key, with its path in messages ("config.json: rope_scaling.factor"); empty when absent or null.
  Result<Config> object(std::string_view key) const;
  Result<std::vector<double>> numbers(std::string_view key) const;     // empty when absent or null
  Result<std::vector<std::string>> texts(std::string_view key) const;  // empty when absent or null

 private:
  struct Json;
  std::string file_;
  std::string path_;  // "rope_scaling." of an object inside
  std::shared_ptr<const Json> json_;
};

/// Reads many keys and keeps the first refusal, so that an architecture asks once at the end:
///
///   Keys keys(config);
///   const int64_t D = keys.integer("hidden_size", 4096, 1, 1 << 16);
///   if (keys.failed()) return *keys.failed();
class Keys {
 public:
  explicit Keys(const Config& config) : config_(config) {}

  int64_t integer(std::string_view key, std::optional<int64_t> absent, int64_t low, int64_t high) {
    return kept(config_.integer(key, absent, low, high), low);
  }
  double number(std::string_view key, std::optional<double> absent) { return kept(config_.number(key, absent), 0.); }
  /// A number that is not negative; NaN isn't either.
  double positive(std::string_view key, std::optional<double> absent);
  bool boolean(std::string_view key, bool absent) { return kept(config_.boolean(key, absent), absent); }
  std::string text(std::string_view key, std::optional<std::string> absent) {
    return kept(config_.text(key, std::move(absent)), std::string());
  }
  /// Keeps the refusal of anything else that was read.
  template <class T>
  T kept(Result<T> value, T otherwise) {
    if (value) return *std::move(value);
    refuse(value.error());
    return otherwise;
  }
  void refuse(Error error) {
    if (!failed_) failed_ = std::move(error);
  }
  const std::optional<Error>& failed() const { return failed_; }

 private:
  const Config& config_;
  std::optional<Error> failed_;
};

}  // namespace cutaway
