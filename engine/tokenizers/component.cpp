#include "engine/tokenizers/component.h"

namespace cutaway {
namespace {
const nlohmann::json nothing;
}

Component::Component(const std::string& file, std::string where, const nlohmann::json& value)
    : file_(&file), where_(std::move(where)), value_(&value) {
  if (!value.is_object()) {
    fail(fmt::format("is {}; an object is needed", text_of(value)));
    return;
  }
  type_ = text("type", "");
  if (!type_.empty()) where_ += fmt::format(" {}", type_);
}

const nlohmann::json& Component::member(const char* key) const {
  if (!value_->is_object()) return nothing;
  const auto at = value_->find(key);
  return at == value_->end() ? nothing : *at;
}

bool Component::flag(const char* key, bool absent) {
  const nlohmann::json& value = member(key);
  if (value.is_null()) return absent;
  if (value.is_boolean()) return value.get<bool>();
  fail(fmt::format("has {} {}; true or false is needed", key, text_of(value)));
  return absent;
}

int64_t Component::integer(const char* key, int64_t absent, int64_t low, int64_t high) {
  const nlohmann::json& value = member(key);
  if (value.is_null()) return absent;
  const bool fits = value.is_number_unsigned() ? value.get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX)
                                               : value.is_number_integer();
  if (fits && value.get<int64_t>() >= low && value.get<int64_t>() <= high) return value.get<int64_t>();
  fail(fmt::format("has {} {}; a whole number from {} to {} is needed", key, text_of(value), low, high));
  return absent;
}

std::string Component::text(const char* key, std::optional<std::string> absent) {
  const nlohmann::json& value = member(key);
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null() && absent) return *absent;
  fail(fmt::format("has {} {}; a text is needed", key, text_of(value)));
  return {};
}

std::vector<Component> Component::list(const char* key) {
  const nlohmann::json& value = member(key);
  std::vector<Component> components;
  if (value.is_null()) return components;
  if (!value.is_array()) {
    fail(fmt::format("has {} {}; a list is needed", key, text_of(value)));
    return components;
  }
  for (const nlohmann::json& one : value) {
    components.emplace_back(*file_, fmt::format("{} {}", where_, key), one);
    if (components.back().why() && !why_) why_ = components.back().why();
  }
  return components;
}

void Component::fail(const std::string& what) {
  if (!why_) why_ = error("{}: {} {}", *file_, where_, what);
}

Error Component::unknown() const {
  if (type_.empty()) return error("{}: {} has no type", *file_, where_);
  return error("{}: {} is a component that is not known", *file_, where_);
}

}  // namespace cutaway
