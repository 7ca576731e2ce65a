#include "engine/config.h"

#include <cmath>

#include "engine/files/bounded_reader.h"
#include "engine/files/json_text.h"

namespace cutaway {
namespace {
constexpr uint64_t max_bytes = 4 << 20;  // a config lists at most some ten thousand labels
constexpr int max_depth = 32;
}  // namespace

struct Config::Json {
  nlohmann::json object;

  /// The value of a key; null for one that is absent or null.
  const nlohmann::json* find(std::string_view key) const {
    const auto at = object.find(key);
    return at == object.end() || at->is_null() ? nullptr : &*at;
  }
};

Result<Config> Config::parse(std::string file, std::string_view text) {
  Result<nlohmann::json> json = parse_json(file, text, max_depth);
  if (!json) return json.error();
  if (!json->is_object()) return error("{} holds {}; a JSON object is needed", file, json->type_name());
  Config config;
  config.file_ = std::move(file);
  config.json_ = std::make_shared<const Json>(Json{std::move(*json)});
  return config;
}

Result<Config> Config::read(const std::string& path) {
  const Result<std::string> text = read_text_file(path, max_bytes);
  if (!text) return text.error();
  return parse(file_name(path), *text);
}

bool Config::has(std::string_view key) const { return json_->find(key) != nullptr; }

bool Config::says_null(std::string_view key) const {
  const auto at = json_->object.find(key);
  return at != json_->object.end() && at->is_null();
}

Result<int64_t> Config::integer(std::string_view key, std::optional<int64_t> absent, int64_t low, int64_t high) const {
  const nlohmann::json* value = json_->find(key);
  if (!value) {
    if (absent) return *absent;
    return error("{}: {}{} is missing", file_, path_, key);
  }
  int64_t n = 0;
  if (value->is_number_unsigned()) {
    const uint64_t u = value->get<uint64_t>();
    if (u > static_cast<uint64_t>(INT64_MAX))
      return error("{}: {}{} is {}; at most {} is possible", file_, path_, key, u, high);
    n = static_cast<int64_t>(u);
  } else if (value->is_number_integer()) {
    n = value->get<int64_t>();
  } else if (value->is_number_float() && std::nearbyint(value->get<double>()) == value->get<double>() &&
             std::abs(value->get<double>()) < 0x1p53) {
    n = static_cast<int64_t>(value->get<double>());  // some writers say 768.0
  } else {
    return error("{}: {}{} is {}; a whole number is needed", file_, path_, key, text_of(*value));
  }
  if (n < low || n > high) return error("{}: {}{} is {}; it must be from {} to {}", file_, path_, key, n, low, high);
  return n;
}

Result<double> Config::number(std::string_view key, std::optional<double> absent) const {
  const nlohmann::json* value = json_->find(key);
  if (!value && absent) return *absent;
  if (!value) return error("{}: {}{} is missing", file_, path_, key);
  if (!value->is_number()) return error("{}: {}{} is {}; a number is needed", file_, path_, key, text_of(*value));
  return value->get<double>();
}

Result<bool> Config::boolean(std::string_view key, bool absent) const {
  const nlohmann::json* value = json_->find(key);
  if (!value) return absent;
  if (!value->is_boolean()) return error("{}: {}{} is {}; true or false is needed", file_, path_, key, text_of(*value));
  return value->get<bool>();
}

Result<std::string> Config::text(std::string_view key, std::optional<std::string> absent) const {
  const nlohmann::json* value = json_->find(key);
  if (!value && absent) return *absent;
  if (!value) return error("{}: {}{} is missing", file_, path_, key);
  if (!value->is_string()) return error("{}: {}{} is {}; a text is needed", file_, path_, key, text_of(*value));
  return value->get<std::string>();
}

Result<Config> Config::object(std::string_view key) const {
  const nlohmann::json* value = json_->find(key);
  if (value && !value->is_object())
    return error("{}: {}{} is {}; an object is needed", file_, path_, key, text_of(*value));
  Config inside;
  inside.file_ = file_;
  inside.path_ = fmt::format("{}{}.", path_, key);
  inside.json_ = std::make_shared<const Json>(Json{value ? *value : nlohmann::json::object()});
  return inside;
}

Result<std::vector<double>> Config::numbers(std::string_view key) const {
  const nlohmann::json* value = json_->find(key);
  std::vector<double> found;
  if (!value) return found;
  if (!value->is_array()) return error("{}: {}{} is {}; a list is needed", file_, path_, key, text_of(*value));
  for (const nlohmann::json& one : *value) {
    if (!one.is_number()) return error("{}: {}{} holds {}; numbers are needed", file_, path_, key, text_of(one));
    found.push_back(one.get<double>());
  }
  return found;
}

Result<std::vector<std::string>> Config::texts(std::string_view key) const {
  const nlohmann::json* value = json_->find(key);
  std::vector<std::string> found;
  if (!value) return found;
  if (!value->is_array()) return error("{}: {}{} is {}; a list is needed", file_, path_, key, text_of(*value));
  for (const nlohmann::json& one : *value) {
    if (!one.is_string()) return error("{}: {}{} holds {}; texts are needed", file_, path_, key, text_of(one));
    found.push_back(one.get<std::string>());
  }
  return found;
}

double Keys::positive(std::string_view key, std::optional<double> absent) {
  const double value = number(key, absent);
  if (!(value >= 0)) refuse(error("{}: {} is {}; expected at least 0", config_.file(), key, value));
  return value;
}

}  // namespace cutaway
