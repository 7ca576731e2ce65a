#include "widgets/theme.h"

#include <algorithm>
#include <cmath>

namespace cutaway {
namespace {

template <size_t n>
constexpr std::array<Color, n> colors(const uint32_t (&hex)[n]) {
  std::array<Color, n> result{};
  for (size_t i = 0; i < n; ++i) result[i] = Color::hex(hex[i]);
  return result;
}

Theme make_dark() {
  Theme t;
  t.canvas = Color::hex(0x0D0F12);
  t.surface = Color::hex(0x14171B);
  t.raised = Color::hex(0x1B1F25);
  t.hairline = Color::hex(0x2B313A);
  t.text = Color::hex(0xE8EBEF);
  t.secondary = Color::hex(0xA9B1BC);
  t.dim = Color::hex(0x8A939F);
  t.accent = Color::hex(0xFF9A4D);
  t.on_accent = Color::hex(0x14171B);
  t.error = Color::hex(0xFF7B72);
  t.model_a = Color::hex(0xB79CF2);
  t.model_b = Color::hex(0x69C58A);
  t.hatch = Color::hex(0x323A44);
  t.bar = Color::hex(0x04898A);
  t.zone = Color::hex(0x2A3039);
  t.sequential = colors(
      {0x0B1028, 0x0A234C, 0x003B61, 0x025470, 0x046E7F, 0x04898A, 0x02A68E, 0x57BF8B, 0x9BD091, 0xD0E1A9, 0xF7F3D4});
  t.categorical = colors({0x8CC3FC, 0xE181B0, 0xDDD674, 0xAC89E8, 0xA0E7E6, 0xB65C4E});
  t.dark = true;
  return t;
}

Theme make_light() {
  Theme t;
  t.canvas = Color::hex(0xFFFFFF);
  t.surface = Color::hex(0xF6F7F9);
  t.raised = Color::hex(0xECEEF2);
  t.hairline = Color::hex(0xD5D9E0);
  t.text = Color::hex(0x14181D);
  t.secondary = Color::hex(0x4A535F);
  t.dim = Color::hex(0x5F6875);
  t.accent = Color::hex(0xB44A00);
  t.on_accent = Color::hex(0xFFFFFF);
  t.error = Color::hex(0xC02626);
  t.model_a = Color::hex(0x6D3FC4);
  t.model_b = Color::hex(0x1E7A46);
  t.hatch = Color::hex(0xC3C9D2);
  t.bar = Color::hex(0x037D92);
  t.zone = Color::hex(0xE1E5EB);
  t.sequential = colors(
      {0xFBFAF7, 0xDAE8C8, 0xA9D8AD, 0x6DC7A3, 0x17B3A2, 0x05989D, 0x037D92, 0x026484, 0x014B77, 0x1C3457, 0x1C2133});
  t.categorical = colors({0x215DA5, 0xA72A68, 0x977E0D, 0x8254C4, 0x2B8F9A, 0x72251C});
  t.dark = false;
  return t;
}

}  // namespace

const Theme& dark_theme() {
  static const Theme theme = make_dark();
  return theme;
}

const Theme& light_theme() {
  static const Theme theme = make_light();
  return theme;
}

Color sequential(const Theme& theme, float value) {
  const auto& stops = theme.sequential;
  const float place = std::clamp(value, 0.f, 1.f) * static_cast<float>(stops.size() - 1);
  const size_t i = std::min(static_cast<size_t>(place), stops.size() - 2);
  const float f = place - static_cast<float>(i);
  const auto mix = [f](uint8_t a, uint8_t b) { return static_cast<uint8_t>(std::lround(a + (b - a) * f)); };
  return {mix(stops[i].r, stops[i + 1].r), mix(stops[i].g, stops[i + 1].g), mix(stops[i].b, stops[i + 1].b)};
}

}  // namespace cutaway
