// Every word on screen, in one table, in two languages. WORD(key, english, russian) in words.inc.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace cutaway {

enum class Language : uint8_t { English, Russian };

enum class Word : uint16_t {
#define WORD(key, english, russian) key,
#include "widgets/words.inc"
#undef WORD
};

/// The language of the window; set by the UI thread, read when drawing.
void set_language(Language);
Language language();
std::string_view say(Word);
std::string_view say(Word, Language);  // files are in English whatever the window speaks

/// Numbers as people read them: three significant digits, "4.1e-4" below 1e-3, "< 1e-9", exact zero "0"; decimal comma
/// in Russian. Bytes in binary units: "6.00 KiB".
std::string say_number(double);
std::string say_bytes(double);
std::string say_ms(double);
std::string say_percent(double fraction);
std::string say_fixed(double, int decimals);  // "1.000000", "1,000000"
std::string say_integer(int64_t);             // "131,072", "131 072"
/// A phrase of the table with its "{}" filled in, in order.
std::string say(Word phrase, std::initializer_list<std::string_view> holes);
/// "1 token", "5 tokens"; 1 токен, 2 токена, 5 токенов.
std::string say_count(int64_t n, Word one, Word few, Word many);

}  // namespace cutaway
