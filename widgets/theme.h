// Colours, sizes and palettes, dark and light: the one place where a colour is written down. (ux: WCAG 2.1 contrast
// computed; palettes built in OKLab, monotone in lightness.)
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace cutaway {

struct Color {
  uint8_t r = 0, g = 0, b = 0, a = 255;
  static constexpr Color hex(uint32_t rgb, uint8_t a = 255) {
    return {static_cast<uint8_t>(rgb >> 16), static_cast<uint8_t>(rgb >> 8), static_cast<uint8_t>(rgb), a};
  }
  constexpr Color alpha(uint8_t value) const { return {r, g, b, value}; }
  bool operator==(const Color&) const = default;
};

struct Theme {
  Color canvas, surface, raised, hairline, text, secondary, dim, accent, on_accent, error, model_a, model_b, hatch;
  Color bar, zone;                   // a quantity that is no map; a stretch of time or of tokens
  std::array<Color, 11> sequential;  // "Depth": lowest first, lowest nearest the background
  std::array<Color, 6> categorical;  // heads; the seventh begins again with dashes
  bool dark = true;
};
const Theme& dark_theme();
const Theme& light_theme();

/// Colour of a value in [0, 1]; linear between the palette's stops.
Color sequential(const Theme&, float value);

}  // namespace cutaway
