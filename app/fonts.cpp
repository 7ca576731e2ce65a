#include "app/fonts.h"

#include <QDir>
#include <QFontDatabase>

#include "app/assets.h"

namespace cutaway {

void load_fonts() {
  static const bool loaded = [] {
    const QDir folder(QString::fromStdString(asset("fonts")));
    if (!folder.exists() || folder.isRelative()) return false;
    for (const QString& file : folder.entryList({"*.ttf", "*.otf"}, QDir::Files))
      QFontDatabase::addApplicationFont(folder.filePath(file));
    return true;
  }();
  (void)loaded;
}

QFont font_of(Face face, int px) {
  QFont font(face == Face::Mono ? QString("JetBrains Mono") : QString("Inter"));
  if (face == Face::Mono) font.setStyleHint(QFont::Monospace);
  font.setPixelSize(px);
  font.setWeight(face == Face::SansSemibold ? QFont::DemiBold : QFont::Normal);
  font.setHintingPreference(QFont::PreferNoHinting);
  return font;
}

}  // namespace cutaway
