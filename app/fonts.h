// The bundled typefaces (Inter, JetBrains Mono; both under the OFL), loaded once into Qt.
#pragma once

#include <QFont>

#include "widgets/canvas.h"

namespace cutaway {

/// Gives the font files inside the binary to Qt. Needs a QGuiApplication; calling it twice does nothing.
void load_fonts();

/// A font of whole pixels, without hinting, shaping and kerning: widths are those of text_width().
QFont font_of(Face face, int px);

}  // namespace cutaway
