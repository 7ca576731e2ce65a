#include "widgets/fonts.h"

#include <hb-ot.h>
#include <hb-subset.h>
#include <hb.h>

#include <array>
#include <cmath>
#include <memory>
#include <vector>

namespace cutaway {
namespace {

template <class T, void (*destroy)(T*)>
struct Destroy {
  void operator()(T* held) const { destroy(held); }
};
using Blob = std::unique_ptr<hb_blob_t, Destroy<hb_blob_t, hb_blob_destroy>>;
using HbFace = std::unique_ptr<hb_face_t, Destroy<hb_face_t, hb_face_destroy>>;
using Font = std::unique_ptr<hb_font_t, Destroy<hb_font_t, hb_font_destroy>>;
using SubsetInput = std::unique_ptr<hb_subset_input_t, Destroy<hb_subset_input_t, hb_subset_input_destroy>>;

constexpr char32_t table_size = 0x2300;  // Latin, Greek, Cyrillic, punctuation, arrows, mathematical signs

struct Measured {
  HbFace face;
  Font font;
  float em = 1000;
  std::array<float, table_size> advance{};  // in em; -1: no such glyph

  explicit Measured(Face which) {
    const auto bytes = font_file(which).bytes;
    const Blob blob(
        hb_blob_create(bytes.data(), static_cast<unsigned>(bytes.size()), HB_MEMORY_MODE_READONLY, nullptr, nullptr));
    face.reset(hb_face_create(blob.get(), 0));
    font.reset(hb_font_create(face.get()));
    em = static_cast<float>(hb_face_get_upem(face.get()));
    hb_font_make_immutable(font.get());
    for (char32_t letter = 0; letter < table_size; ++letter) advance[letter] = look_up(letter);
  }
  float look_up(char32_t letter) const {
    hb_codepoint_t glyph = 0;
    if (!hb_font_get_nominal_glyph(font.get(), letter, &glyph)) return -1;
    return static_cast<float>(hb_font_get_glyph_h_advance(font.get(), glyph)) / em;
  }
  float of(char32_t letter) const { return letter < table_size ? advance[letter] : look_up(letter); }
};

const Measured& measured(Face face) {
  static const std::array<Measured, 3> all{Measured(Face::Sans), Measured(Face::SansSemibold), Measured(Face::Mono)};
  return all[static_cast<size_t>(face)];
}

/// Advance in em. A letter that the face lacks is drawn from another font; its width is a guess of a common one.
float advance_of(const Measured& m, Face face, char32_t letter) {
  const float advance = m.of(letter);
  if (advance >= 0) return advance;
  if (letter == 0x2009 || letter == 0x202F) return 0.2f;
  if (letter >= 0x2E80) return 1;  // CJK and symbols
  return face == Face::Mono ? 0.6f : 0.62f;
}

}  // namespace

std::u32string letters_of(std::string_view utf8) {
  std::u32string letters;
  letters.reserve(utf8.size());
  for (size_t i = 0; i < utf8.size();) {
    const auto byte = static_cast<unsigned char>(utf8[i]);
    const int more = byte < 0x80                   ? 0
                     : byte >= 0xC2 && byte < 0xE0 ? 1
                     : byte >= 0xE0 && byte < 0xF0 ? 2
                     : byte >= 0xF0 && byte < 0xF5 ? 3
                                                   : -1;
    char32_t letter = more <= 0 ? byte : byte & (0x3F >> more);
    bool valid = more >= 0 && i + more < utf8.size();
    for (int k = 1; valid && k <= more; ++k) {
      const auto next = static_cast<unsigned char>(utf8[i + k]);
      valid = (next & 0xC0) == 0x80;
      letter = letter << 6 | (next & 0x3F);
    }
    constexpr char32_t smallest[] = {0, 0x80, 0x800, 0x10000};
    valid = valid && letter >= smallest[more] && letter <= 0x10FFFF && !(letter >= 0xD800 && letter < 0xE000);
    letters += valid ? letter : U'\xFFFD';
    i += valid ? more + 1 : 1;
  }
  return letters;
}

void append_utf8(std::string& to, char32_t c) {
  if (c < 0x80) {
    to += static_cast<char>(c);
  } else if (c < 0x800) {
    to += static_cast<char>(0xC0 | c >> 6);
    to += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    to += static_cast<char>(0xE0 | c >> 12);
    to += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    to += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    to += static_cast<char>(0xF0 | c >> 18);
    to += static_cast<char>(0x80 | (c >> 12 & 0x3F));
    to += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    to += static_cast<char>(0x80 | (c & 0x3F));
  }
}

float text_width(std::string_view utf8, Face face, float px) {
  const Measured& m = measured(face);
  float em = 0;
  for (const char32_t letter : letters_of(utf8)) em += advance_of(m, face, letter);
  return em * px;
}

float letter_width(char32_t letter, Face face, float px) { return advance_of(measured(face), face, letter) * px; }

float line_height(Face face) {
  hb_font_extents_t extents{};
  hb_font_get_h_extents(measured(face).font.get(), &extents);
  return static_cast<float>(extents.ascender - extents.descender) / measured(face).em;
}

bool has_glyph(Face face, char32_t letter) { return measured(face).of(letter) >= 0; }

std::string fitted(std::string_view utf8, Face face, float px, float width) {
  const Measured& m = measured(face);
  const std::u32string letters = letters_of(utf8);
  float whole = 0;
  for (const char32_t letter : letters) whole += advance_of(m, face, letter) * px;
  if (whole <= width + 0.05f) return std::string(utf8);
  std::string cut;
  float used = advance_of(m, face, U'…') * px;
  for (const char32_t letter : letters) {
    used += advance_of(m, face, letter) * px;
    if (used > width) break;
    append_utf8(cut, letter);
  }
  return cut + "…";
}

std::string font_subset(Face face, const std::set<char32_t>& letters) {
  const SubsetInput input(hb_subset_input_create_or_fail());
  if (!input) return {};
  for (const char32_t letter : letters) hb_set_add(hb_subset_input_unicode_set(input.get()), letter);
  // Widths are sums of advances, so no layout table is wanted: neither kerning nor ligatures.
  for (const hb_tag_t table : {HB_TAG('G', 'S', 'U', 'B'), HB_TAG('G', 'P', 'O', 'S'), HB_TAG('G', 'D', 'E', 'F')})
    hb_set_add(hb_subset_input_set(input.get(), HB_SUBSET_SETS_DROP_TABLE_TAG), table);
  hb_subset_input_set_flags(input.get(), HB_SUBSET_FLAGS_NO_HINTING | HB_SUBSET_FLAGS_DESUBROUTINIZE);
  const HbFace subset(hb_subset_or_fail(measured(face).face.get(), input.get()));
  if (!subset) return {};
  const Blob blob(hb_face_reference_blob(subset.get()));
  unsigned length = 0;
  const char* data = hb_blob_get_data(blob.get(), &length);
  return {data, length};
}

}  // namespace cutaway
