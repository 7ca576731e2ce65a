// The bundled fonts: their bytes, widths of text measured from them, and subsets for files that embed them.
// A width is the sum of the letters' advances, without kerning and ligatures: every canvas draws text that way.
#pragma once

#include <set>
#include <span>
#include <string>
#include <string_view>

#include "widgets/canvas.h"

namespace cutaway {

struct FontFile {
  std::string_view family;  // "Inter"
  int weight = 400;
  std::string_view css_format;  // "opentype": what @font-face calls the file
  std::span<const char> bytes;
};
const FontFile& font_file(Face);

/// Any thread.
float text_width(std::string_view utf8, Face, float px);
float letter_width(char32_t, Face, float px);
/// Ascender to descender, in em: what some libraries call the size of a font.
float line_height(Face);
/// Whether the face has a picture for that letter.
bool has_glyph(Face, char32_t);
/// A font file that holds these letters alone; empty when it can't be made.
std::string font_subset(Face, const std::set<char32_t>& letters);

/// The text, or as much of its beginning as fits with "…" behind it.
std::string fitted(std::string_view utf8, Face, float px, float width);

/// Code points of a text; a byte that is not UTF-8 becomes U+FFFD.
std::u32string letters_of(std::string_view utf8);
void append_utf8(std::string& to, char32_t letter);

}  // namespace cutaway
