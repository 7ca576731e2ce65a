// UTF-8 and the character classes that tokenizers ask for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cutaway {

/// First byte that isn't valid UTF-8 (surrogates, overlong forms and beyond U+10FFFF count), or nothing.
std::optional<size_t> invalid_utf8(std::string_view);
/// The character at `at` of valid UTF-8; moves `at` behind it.
char32_t next_character(std::string_view, size_t& at);
/// The character that ends before `end`, 0 at the begin.
char32_t last_character(std::string_view, size_t end);
void append(std::string&, char32_t);
/// Bytes of the character whose first byte this is.
size_t character_bytes(char first);
/// Bytes of the first character of a text that is not empty; a cut one ends with the text.
inline size_t first_character_bytes(std::string_view text) {
  return character_bytes(text[0]) < text.size() ? character_bytes(text[0]) : text.size();
}
/// Every longest invalid part becomes one U+FFFD.
std::string valid_utf8(std::string_view);

bool is_ascii(std::string_view);
bool is_white(char32_t);             // Unicode White_Space
bool is_word(char32_t);              // letters, marks, digits, connectors
bool is_digit(char32_t);             // any number: N*
bool is_bert_punctuation(char32_t);  // ASCII's and P*
bool is_bert_control(char32_t);      // Cc, Cf and Co, but for tab, line feed and carriage return
bool is_bert_chinese(char32_t);
bool is_accent(char32_t);  // Mn: what BERT strips
bool is_mark(char32_t);    // M*: what StripAccents strips

/// GPT-2's printable alphabet: each byte as one character, so that a vocabulary is readable text.
char32_t character_of_byte(uint8_t);
/// A text in that alphabet as the bytes it stands for, or nothing when a character is none of it.
std::optional<std::string> bytes_of_alphabet(std::string_view);

}  // namespace cutaway
