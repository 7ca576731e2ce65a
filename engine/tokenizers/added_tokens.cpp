#include "engine/tokenizers/added_tokens.h"

#include <algorithm>

#include "engine/tokenizers/unicode.h"

namespace cutaway {
namespace {

constexpr size_t max_content_bytes = 1024;
constexpr int64_t max_id = 1 << 24;

/// Where the white space that ends at `end` begins, and where that which begins at `begin` ends.
size_t white_before(std::string_view text, size_t end) {
  while (end > 0) {
    const char32_t c = last_character(text, end);
    if (!is_white(c)) break;
    std::string bytes;
    append(bytes, c);
    end -= bytes.size();
  }
  return end;
}
size_t white_after(std::string_view text, size_t begin) {
  while (begin < text.size()) {
    size_t next = begin;
    if (!is_white(next_character(text, next))) break;
    begin = next;
  }
  return begin;
}

bool stands_alone(std::string_view text, size_t begin, size_t end) {
  if (begin > 0 && is_word(last_character(text, begin))) return false;
  return end == text.size() || !is_word(next_character(text, end));
}

}  // namespace

void TokenFinder::add(const AddedToken& token, const std::string& content) {
  if (content.empty()) return;
  const auto fresh = [&] {
    branches_.emplace_back();
    return static_cast<int32_t>(branches_.size()) - 1;
  };
  int32_t& root = first_[static_cast<uint8_t>(content[0])];
  if (root < 0) root = fresh();
  int32_t at = root;
  for (char byte : std::string_view(content).substr(1)) {
    int32_t next = step(at, byte);
    if (next < 0) {
      next = fresh();
      branches_[static_cast<size_t>(at)].next.emplace_back(byte, next);
    }
    at = next;
  }
  branches_[static_cast<size_t>(at)].token = static_cast<int32_t>(tokens_.size());
  tokens_.push_back(token);
}

int32_t TokenFinder::step(int32_t branch, char byte) const {
  for (const auto& [next_byte, next] : branches_[static_cast<size_t>(branch)].next)
    if (next_byte == byte) return next;
  return -1;
}

std::pair<int32_t, size_t> TokenFinder::longest(std::string_view text, size_t at) const {
  std::pair<int32_t, size_t> found{-1, at};
  for (int32_t branch = first_[static_cast<uint8_t>(text[at++])]; branch >= 0; branch = step(branch, text[at++])) {
    if (const int32_t token = branches_[static_cast<size_t>(branch)].token; token >= 0) found = {token, at};
    if (at == text.size()) break;
  }
  return found;
}

std::vector<TextPart> TokenFinder::split(std::string_view text) const {
  std::vector<TextPart> parts;
  size_t done = 0;  // all before is in parts
  for (size_t at = 0; at < text.size() && !tokens_.empty();) {
    const auto [index, end] = longest(text, at);
    if (index < 0) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens_[static_cast<size_t>(index)];
    const size_t found = at;
    at = end;
    if (token.single_word && !stands_alone(text, found, end)) continue;
    const size_t begin = token.left ? std::max(done, white_before(text, found)) : found;
    if (begin < done) continue;  // a neighbour took this white space
    if (done < begin) parts.push_back({done, begin, -1});
    done = token.right ? white_after(text, end) : end;
    parts.push_back({begin, done, token.id});
    at = done;
  }
  if (done < text.size()) parts.push_back({done, text.size(), -1});
  return parts;
}

Result<AddedTokens> AddedTokens::read(const std::string& file, const nlohmann::json& list, const Vocabulary& vocabulary,
                                      const Normalizer* normalizer) {
  AddedTokens added;
  if (list.is_null()) return added;
  if (!list.is_array()) return error("{}: added_tokens is {}; a list is needed", file, text_of(list));
  for (const nlohmann::json& one : list) {
    Component c(file, "added_tokens", one);
    AddedToken token;
    token.content = c.text("content", {});
    token.id = static_cast<int32_t>(c.integer("id", -1, 0, max_id));
    token.single_word = c.flag("single_word", false);
    token.left = c.flag("lstrip", false), token.right = c.flag("rstrip", false);
    token.special = c.flag("special", false);
    token.normalized = c.flag("normalized", !token.special);
    if (!c.why() && token.id < 0) c.fail(fmt::format("gives \"{}\" no id", token.content));
    if (token.content.size() > max_content_bytes)
      c.fail(fmt::format("has a token of {} bytes; at most {} are read", token.content.size(), max_content_bytes));
    if (const int32_t known = vocabulary.id(token.content); !c.why() && known >= 0 && known != token.id)
      c.fail(fmt::format("gives \"{}\" the id {}; vocab says {}", token.content, token.id, known));
    if (c.why()) return *c.why();
    Text text{token.content, 0, {}, true};
    if (token.normalized && normalizer) normalizer->apply(text);
    (token.normalized ? added.normalized_ : added.raw_).add(token, text.bytes);
    added.all_.push_back(std::move(token));
  }
  std::ranges::stable_sort(added.all_, {}, &AddedToken::id);
  return added;
}

const AddedToken* AddedTokens::find(int32_t id) const {
  const auto at = std::ranges::lower_bound(all_, id, {}, &AddedToken::id);
  return at != all_.end() && at->id == id ? &*at : nullptr;
}

}  // namespace cutaway
