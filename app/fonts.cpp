#include "app/fonts.h"

#include <QFontDatabase>

#include "widgets/fonts.h"

namespace cutaway {

void load_fonts() {
  static const bool loaded = [] {
    for (Face face : {Face::Sans, Face::SansSemibold, Face::Mono}) {
      const std::span<const char> bytes = font_file(face).bytes;
      QFontDatabase::addApplicationFontFromData(
          QByteArray::fromRawData(bytes.data(), static_cast<qsizetype>(bytes.size())));
    }
    return true;
  }();
  (void)loaded;
}

QFont font_of(Face face, int px) {
  const FontFile& file = font_file(face);
  QFont font(QString::fromUtf8(file.family.data(), static_cast<qsizetype>(file.family.size())));
  if (face == Face::Mono) font.setStyleHint(QFont::Monospace);
  font.setPixelSize(px);
  font.setWeight(static_cast<QFont::Weight>(file.weight));
  font.setHintingPreference(QFont::PreferNoHinting);
  font.setStyleStrategy(QFont::PreferNoShaping);  // no kerning, no ligatures: as widgets/fonts.h measures
  return font;
}

}  // namespace cutaway
