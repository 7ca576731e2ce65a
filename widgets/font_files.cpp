// The bytes of the bundled fonts (assets/fonts, SIL Open Font License), put into the binary by the assembler.
#include "widgets/fonts.h"

#define FONT(symbol, file)                                                                             \
  __asm__(".section .rodata\n.balign 16\n.global " #symbol "_begin\n.global " #symbol "_end\n" #symbol \
          "_begin:\n.incbin \"" CUTAWAY_FONTS "/" file "\"\n" #symbol "_end:\n.previous\n");           \
  extern "C" const char symbol##_begin[], symbol##_end[];

FONT(cutaway_font_sans, "Inter-Regular.otf")
FONT(cutaway_font_semibold, "Inter-SemiBold.otf")
FONT(cutaway_font_mono, "JetBrainsMono-Regular.ttf")

namespace cutaway {

const FontFile& font_file(Face face) {
  static const FontFile sans{"Inter", 400, "opentype", {cutaway_font_sans_begin, cutaway_font_sans_end}};
  static const FontFile semibold{"Inter", 600, "opentype", {cutaway_font_semibold_begin, cutaway_font_semibold_end}};
  static const FontFile mono{"JetBrains Mono", 400, "truetype", {cutaway_font_mono_begin, cutaway_font_mono_end}};
  return face == Face::Mono ? mono : face == Face::SansSemibold ? semibold : sans;
}

}  // namespace cutaway
