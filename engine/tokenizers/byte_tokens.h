// The tokens "<0x00>" … "<0xFF>" that stand for single bytes, where a vocabulary has no other word for a character.
#pragma once

#include <array>
#include <optional>

#include "engine/tokenizers/subwords.h"

namespace cutaway {

class ByteTokens {
 public:
  ByteTokens() { ids_.fill(-1); }
  explicit ByteTokens(const Vocabulary& vocabulary) {
    for (int byte = 0; byte < 256; ++byte)
      ids_[static_cast<size_t>(byte)] = vocabulary.id(fmt::format("<0x{:02X}>", byte));
  }

  /// word[begin, end) byte by byte; false, with nothing put, when one of the bytes has no token.
  bool put(std::string_view word, size_t begin, size_t end, std::vector<SubToken>& out) const {
    for (size_t at = begin; at < end; ++at)
      if (ids_[static_cast<uint8_t>(word[at])] < 0) return false;
    for (size_t at = begin; at < end; ++at)
      out.push_back({ids_[static_cast<uint8_t>(word[at])], static_cast<uint32_t>(at), static_cast<uint32_t>(at + 1)});
    return true;
  }

 private:
  std::array<int32_t, 256> ids_;
};

/// The byte of "<0x0A>", or nothing.
inline std::optional<char> byte_of_token(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return std::nullopt;
  int value = 0;
  for (char c : token.substr(3, 2)) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                             : -1;
    if (digit < 0) return std::nullopt;
    value = value * 16 + digit;
  }
  return static_cast<char>(value);
}

/// What a token of SentencePiece's alphabet stands for: a byte, or a text in which U+2581 is a space.
inline std::string bytes_of_piece(const std::string& token) {
  if (const auto byte = byte_of_token(token)) return std::string(1, *byte);
  std::string text;
  constexpr std::string_view mark = "\u2581";
  for (size_t at = 0; at < token.size();)
    if (token.compare(at, mark.size(), mark) == 0)
      text += ' ', at += mark.size();
    else
      text += token[at++];
  return text;
}

}  // namespace cutaway
