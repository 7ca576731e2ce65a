#include "engine/tokenizers/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>

#include "engine/tokenizers/unicode.h"

namespace cutaway {
namespace {

constexpr size_t max_pattern_bytes = 1 << 16;
constexpr uint32_t max_steps = 10'000'000;  // of one match

/// \s is Unicode's White_Space in the dialect that tokenizers are written in; PCRE2's own has U+180E too.
std::string translated(const std::string& pattern) {
  constexpr std::string_view white = "\\t-\\r\\x{85}\\p{Z}";
  std::string out;
  bool in_class = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      const char next = pattern[++i];
      if (next == 's')
        out += in_class ? std::string(white) : fmt::format("[{}]", white);
      else if (next == 'S' && !in_class)
        out += fmt::format("[^{}]", white);
      else
        out += {c, next};
      continue;
    }
    if (c == '[' && !in_class) {
      in_class = true;
      out += c;
      if (i + 1 < pattern.size() && pattern[i + 1] == '^') out += pattern[++i];
      if (i + 1 < pattern.size() && pattern[i + 1] == ']') out += pattern[++i];
      continue;
    }
    if (c == ']') in_class = false;
    out += c;
  }
  return out;
}

/// What a match needs besides the code; one per call, because threads share the code.
struct MatchMemory {
  pcre2_match_data* data;
  pcre2_match_context* context;
  explicit MatchMemory(const pcre2_code* code)
      : data(pcre2_match_data_create_from_pattern(code, nullptr)), context(pcre2_match_context_create(nullptr)) {
    if (context) pcre2_set_match_limit(context, max_steps);
  }
  ~MatchMemory() {
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
  }
};

}  // namespace

Result<Regex> Regex::compile(const std::string& pattern) {
  if (pattern.size() > max_pattern_bytes)
    return error("a pattern has {} bytes; at most {} are read", pattern.size(), max_pattern_bytes);
  const std::string text = translated(pattern);
  int code = 0;
  PCRE2_SIZE at = 0;
  pcre2_code* compiled = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                                       PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &code, &at, nullptr);
  if (!compiled) {
    PCRE2_UCHAR why[160] = {};
    pcre2_get_error_message(code, why, sizeof why);
    return error("the pattern {} is not read: {}", pattern.substr(0, 60), reinterpret_cast<const char*>(why));
  }
  pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE);  // where it can't, the interpreter does the same, slower
  Regex regex;
  regex.code_ = std::shared_ptr<const void>(
      compiled, [](const void* p) { pcre2_code_free(static_cast<pcre2_code*>(const_cast<void*>(p))); });
  return regex;
}

Regex Regex::literal(const std::string& text) {
  Regex regex;
  regex.literal_ = text;
  return regex;
}

std::vector<std::pair<size_t, size_t>> Regex::all(std::string_view text) const {
  std::vector<std::pair<size_t, size_t>> matches;
  if (!code_) {
    for (size_t at = 0; !literal_.empty() && (at = text.find(literal_, at)) != std::string_view::npos;
         at += literal_.size())
      matches.emplace_back(at, at + literal_.size());
    return matches;
  }
  const pcre2_code* code = static_cast<const pcre2_code*>(code_.get());
  const MatchMemory memory(code);
  if (!memory.data || !memory.context) return matches;
  for (size_t at = 0; at < text.size();) {
    const int found = pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at, PCRE2_NO_UTF_CHECK,
                                  memory.data, memory.context);
    if (found < 0) break;
    const PCRE2_SIZE* range = pcre2_get_ovector_pointer(memory.data);
    const size_t begin = range[0], end = range[1];
    if (begin < end && begin >= at) {
      matches.emplace_back(begin, end);
      at = end;
    } else {
      at = std::max(at, begin);
      if (at < text.size()) next_character(text, at);  // an empty match: one character on
    }
  }
  return matches;
}

Result<Regex> read_pattern(Component& c) {
  const nlohmann::json& pattern = c.member("pattern");
  const bool good = pattern.is_object() && pattern.size() == 1 && pattern.begin()->is_string();
  if (good && pattern.begin().key() == "String") return Regex::literal(pattern.begin()->get<std::string>());
  if (good && pattern.begin().key() == "Regex") {
    auto regex = Regex::compile(pattern.begin()->get<std::string>());
    if (!regex) return error("{}: {}: {}", c.file(), c.where(), regex.error().text);
    return regex;
  }
  return error("{}: {} has the pattern {}; {{\"Regex\": …}} or {{\"String\": …}} is needed", c.file(), c.where(),
               text_of(pattern));
}

}  // namespace cutaway
