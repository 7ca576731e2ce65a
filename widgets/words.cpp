#include "widgets/words.h"

#include <fmt/format.h>

#include <atomic>
#include <cmath>

namespace cutaway {
namespace {

std::atomic<Language> current{Language::English};

struct Entry {
  std::string_view english, russian;
};
constexpr Entry entries[] = {
#define WORD(key, english, russian) {english, russian},
#include "widgets/words.inc"
#undef WORD
};

/// Digits in groups of three: a comma in English prose, a thin space in Russian.
std::string grouped(std::string digits) {
  const std::string_view separator = language() == Language::Russian ? "\u202F" : ",";
  for (size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, separator);
  }
  return digits;
}

std::string with_decimal_sign(std::string number) {
  if (language() == Language::Russian)
    if (const size_t point = number.find('.'); point != std::string::npos) number[point] = ',';
  return number;
}

/// Three significant digits of a positive number between 1e-3 and 1000, rounded before the digits are counted, so that
/// 9.996 is "10.0".
std::string three_digits(double value) {
  int decimals = value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : value >= 0.1 ? 3 : value >= 0.01 ? 4 : 5;
  const double step = std::pow(10, decimals);
  const double rounded = std::round(value * step) / step;
  if (decimals > 0 && (rounded == 100 || rounded == 10 || rounded == 1 || rounded == 0.1 || rounded == 0.01) &&
      rounded > value)
    --decimals;
  return fmt::format("{:.{}f}", rounded, decimals);
}

}  // namespace

void set_language(Language l) { current = l; }
Language language() { return current; }

std::string_view say(Word word, Language in) {
  const Entry& entry = entries[static_cast<size_t>(word)];
  return in == Language::Russian ? entry.russian : entry.english;
}

std::string_view say(Word word) { return say(word, language()); }

std::string say(Word phrase, std::initializer_list<std::string_view> holes) {
  std::string said;
  std::string_view rest = say(phrase);
  for (const std::string_view hole : holes) {
    const size_t at = rest.find("{}");
    if (at == std::string_view::npos) break;
    said += rest.substr(0, at);
    said += hole;
    rest.remove_prefix(at + 2);
  }
  return said += rest;
}

std::string say_integer(int64_t n) {
  return n < 0 ? "−" + grouped(std::to_string(n).substr(1)) : grouped(std::to_string(n));
}

std::string say_fixed(double value, int decimals) { return with_decimal_sign(fmt::format("{:.{}f}", value, decimals)); }

std::string say_number(double value) {
  if (std::isnan(value)) return "NaN";
  if (value == 0) return "0";
  if (value < 0) return "−" + say_number(-value);
  if (std::isinf(value)) return "∞";
  if (value < 1e-9) return "< 1e-9";
  if (value < 0.0009995) {
    std::string text = fmt::format("{:.1e}", value);  // 4.1e-04
    const size_t e = text.find('e');
    return with_decimal_sign(text.substr(0, e)) + "e" + std::to_string(std::stoi(text.substr(e + 1)));
  }
  if (value >= 999.5)
    return value < 1e15 ? grouped(fmt::format("{:.0f}", value)) : with_decimal_sign(fmt::format("{:.2e}", value));
  return with_decimal_sign(three_digits(value));
}

std::string say_bytes(double bytes) {
  constexpr Word units[] = {Word::UnitB, Word::UnitKiB, Word::UnitMiB, Word::UnitGiB, Word::UnitTiB};
  size_t unit = 0;
  while (std::abs(bytes) >= 1023.5 && unit + 1 < std::size(units)) {
    bytes /= 1024;
    ++unit;
  }
  const std::string number = unit == 0 ? say_integer(std::llround(bytes)) : say_number(bytes);
  return number + " " + std::string(say(units[unit]));
}

std::string say_ms(double ms) {
  if (ms >= 999.5) return say_number(ms / 1000) + " " + std::string(say(Word::UnitS));
  if (ms > 0 && ms < 0.0995) return say_number(ms * 1000) + " " + std::string(say(Word::UnitUs));
  return say_number(ms) + " " + std::string(say(Word::UnitMs));
}

std::string say_percent(double fraction) {
  const double percent = fraction * 100;
  if (percent == 0 || percent < 0.0995) return say_number(percent) + " %";
  return with_decimal_sign(fmt::format("{:.1f}", percent)) + " %";
}

std::string say_count(int64_t n, Word one, Word few, Word many) {
  const int64_t last = n % 10, last_two = n % 100;
  Word word = many;
  if (language() == Language::English)
    word = n == 1 ? one : many;
  else if (last == 1 && last_two != 11)
    word = one;
  else if (last >= 2 && last <= 4 && !(last_two >= 12 && last_two <= 14))
    word = few;
  return say_integer(n) + " " + std::string(say(word));
}

}  // namespace cutaway
