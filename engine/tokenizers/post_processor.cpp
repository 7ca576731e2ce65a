#include "engine/tokenizers/post_processor.h"

namespace cutaway {
namespace {

constexpr uint64_t max_id = 1 << 24;

std::optional<int32_t> id_of(const nlohmann::json& value) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > max_id) return std::nullopt;
  return static_cast<int32_t>(value.get<uint64_t>());
}

/// "cls": ["[CLS]", 101]
int32_t read_pair(Component& c, const char* key) {
  const nlohmann::json& pair = c.member(key);
  const auto id = pair.is_array() && pair.size() == 2 ? id_of(pair[1]) : std::nullopt;
  if (!id) c.fail(fmt::format("has {} {}; a token and its id are needed", key, text_of(pair)));
  return id.value_or(0);
}

/// Ids of a special token by its name in "special_tokens".
std::vector<int32_t> read_special(Component& c, const std::string& name) {
  const nlohmann::json& table = c.member("special_tokens");
  const auto entry = table.is_object() ? table.find(name) : table.end();
  const bool listed =
      entry != table.end() && entry->is_object() && entry->contains("ids") && (*entry)["ids"].is_array();
  std::vector<int32_t> ids;
  if (!listed) c.fail(fmt::format("names \"{}\", which special_tokens gives no ids", name));
  if (!listed) return ids;
  for (const nlohmann::json& value : (*entry)["ids"]) {
    const auto id = id_of(value);
    if (!id) c.fail(fmt::format("gives \"{}\" the id {}", name, text_of(value)));
    ids.push_back(id.value_or(0));
  }
  return ids;
}

Around read_template(Component& c) {
  Around around;
  bool after = false;
  const nlohmann::json& single = c.member("single");
  if (!single.is_array()) c.fail(fmt::format("has single {}; a list is needed", text_of(single)));
  for (const nlohmann::json& part : single) {
    const bool one = part.is_object() && part.size() == 1 && part.begin()->is_object() &&
                     part.begin()->contains("id") && (*part.begin())["id"].is_string();
    const std::string kind = one ? part.begin().key() : "";
    if (kind == "Sequence" && !after) {
      after = true;
    } else if (kind == "SpecialToken") {
      const auto ids = read_special(c, (*part.begin())["id"].get<std::string>());
      auto& side = after ? around.after : around.before;
      side.insert(side.end(), ids.begin(), ids.end());
    } else {
      c.fail(fmt::format("has {} in single; special tokens and one sequence are needed", text_of(part)));
    }
  }
  if (!after) c.fail("has no sequence in single");
  return around;
}

Result<Around> read_sequence(Component& c) {
  Around all;
  for (const Component& part : c.list("processors")) {
    auto one = read_post_processor(part);
    if (!one) return one;
    all.before.insert(all.before.begin(), one->before.begin(), one->before.end());
    all.after.insert(all.after.end(), one->after.begin(), one->after.end());
  }
  return all;
}

}  // namespace

Result<Around> read_post_processor(Component c) {
  if (c.why()) return *c.why();
  const std::string& type = c.type();
  Result<Around> made = Around{};
  if (type == "TemplateProcessing")
    made = read_template(c);
  else if (type == "BertProcessing" || type == "RobertaProcessing")
    made = Around{{read_pair(c, "cls")}, {read_pair(c, "sep")}};
  else if (type == "Sequence")
    made = read_sequence(c);
  else if (type != "ByteLevel")
    return c.unknown();  // ByteLevel only trims offsets; ours keep the space
  if (c.why()) return *c.why();
  return made;
}

}  // namespace cutaway
