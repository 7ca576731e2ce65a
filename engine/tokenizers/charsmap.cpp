#include "engine/tokenizers/charsmap.h"

#include <cstring>

namespace cutaway {
namespace {

// A unit is a leaf's value, or a label (low byte), whether a leaf hangs on it (bit 8), and the offset of its children.
bool has_leaf(uint32_t unit) { return unit >> 8 & 1; }
uint32_t value_of(uint32_t unit) { return unit & 0x7fffffff; }
uint32_t label_of(uint32_t unit) { return unit & 0x800000ff; }
uint32_t offset_of(uint32_t unit) { return unit >> 10 << ((unit & 1 << 9) >> 6); }

}  // namespace

Result<Charsmap> Charsmap::read(std::string_view bytes) {
  Charsmap made;
  if (bytes.empty()) return made;
  uint32_t size = 0;
  if (bytes.size() < 4) return error("precompiled_charsmap has {} bytes", bytes.size());
  std::memcpy(&size, bytes.data(), 4);
  if (size % 4 != 0 || size > bytes.size() - 4)
    return error("precompiled_charsmap says {} bytes of trie; it has {}", size, bytes.size() - 4);
  made.units_.resize(size / 4);
  if (size > 0) std::memcpy(made.units_.data(), bytes.data() + 4, size);
  made.replacements_ = bytes.substr(4 + size);
  return made;
}

std::optional<Charsmap::Match> Charsmap::match(std::string_view text, bool shortest) const {
  std::optional<Match> found;
  if (units_.empty()) return found;
  uint32_t at = offset_of(units_[0]);
  for (size_t i = 0; i < text.size(); ++i) {
    const uint8_t byte = static_cast<uint8_t>(text[i]);
    at ^= byte;
    if (at >= units_.size() || label_of(units_[at]) != byte) break;
    const uint32_t unit = units_[at];
    at ^= offset_of(unit);
    if (!has_leaf(unit)) continue;
    if (at >= units_.size()) break;
    const uint32_t begin = value_of(units_[at]);
    if (begin >= replacements_.size()) break;
    const size_t end = std::min(replacements_.find('\0', begin), replacements_.size());
    found = {i + 1, std::string_view(replacements_).substr(begin, end - begin)};
    if (shortest) break;
  }
  return found;
}

std::optional<std::string> from_base64(std::string_view text) {
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string bytes;
  bytes.reserve(text.size() * 3 / 4);
  uint32_t held = 0, bits = 0;
  for (char c : text) {
    const int digit = c >= 'A' && c <= 'Z'   ? c - 'A'
                      : c >= 'a' && c <= 'z' ? c - 'a' + 26
                      : c >= '0' && c <= '9' ? c - '0' + 52
                      : c == '+'             ? 62
                      : c == '/'             ? 63
                                             : -1;
    if (digit < 0) return std::nullopt;
    held = held << 6 | static_cast<uint32_t>(digit);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes += static_cast<char>(held >> bits & 0xff);
  }
  return bytes;
}

std::string to_base64(std::string_view bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t at = 0; at < bytes.size(); at += 3) {
    uint32_t three = 0;
    for (size_t i = 0; i < 3; ++i)
      three = three << 8 | (at + i < bytes.size() ? static_cast<uint8_t>(bytes[at + i]) : 0u);
    for (size_t i = 0; i < 4; ++i) text += at + i > bytes.size() ? '=' : digits[three >> (18 - 6 * i) & 63];
  }
  return text;
}

}  // namespace cutaway
