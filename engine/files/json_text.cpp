#include "engine/files/json_text.h"

#include <algorithm>

namespace cutaway {
namespace {

/// Deepest nesting of brackets outside strings. Wrong syntax may give any number; the parser refuses it anyway.
int depth_of(std::string_view text) {
  int depth = 0, deepest = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++depth);
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return deepest;
}

std::string place_of(std::string_view text, size_t byte) {
  byte = std::min(byte, text.size());
  const std::string_view before = text.substr(0, byte);
  const size_t line = 1 + static_cast<size_t>(std::count(before.begin(), before.end(), '\n'));
  const size_t start = before.find_last_of('\n');
  const size_t column = start == std::string_view::npos ? byte : byte - start - 1;
  return fmt::format("line {}, column {}", line, column);
}

}  // namespace

Result<nlohmann::json> parse_json(const std::string& file, std::string_view text, int max_depth) {
  if (const int depth = depth_of(text); depth > max_depth)
    return error("{}: the JSON is nested {} deep; at most {} is read", file, depth, max_depth);
  try {
    return nlohmann::json::parse(text.begin(), text.end());
  } catch (const nlohmann::json::parse_error& e) {
    return error("{} is not valid JSON at {}", file, place_of(text, e.byte));
  } catch (const nlohmann::json::exception&) {
    return error("{} holds a number that is too large", file);
  } catch (const std::exception&) {
    return machine_error("{}: not enough memory to read it", file);
  }
}

std::string text_of(const nlohmann::json& value) {
  std::string text = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (text.size() <= 60) return text;
  size_t end = 57;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;  // never cut a character
  return text.substr(0, end) + "…";
}

}  // namespace cutaway
