// One component of a tokenizer.json ({"type": "ByteLevel", …}) read field by field; the first thing that is wrong is
// kept as one sentence, so that a reader asks once at its end.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/files/json_text.h"

namespace cutaway {

class Component {
 public:
  /// where: "pre_tokenizer"; stands in messages.
  Component(const std::string& file, std::string where, const nlohmann::json& value);

  const std::string& type() const { return type_; }
  bool flag(const char* key, bool absent);
  int64_t integer(const char* key, int64_t absent, int64_t low, int64_t high);
  std::string text(const char* key, std::optional<std::string> absent);
  /// The member as it is, null when it is absent.
  const nlohmann::json& member(const char* key) const;
  /// The components of a list, or of nothing when the key is absent.
  std::vector<Component> list(const char* key);

  void fail(const std::string& what);  // "{file}: {where} {what}"
  Error unknown() const;               // the refusal of this component by its name
  const std::optional<Error>& why() const { return why_; }
  const std::string& file() const { return *file_; }
  const std::string& where() const { return where_; }

 private:
  const std::string* file_;
  std::string where_, type_;
  const nlohmann::json* value_;
  std::optional<Error> why_;
};

}  // namespace cutaway
