// The bundled typefaces (Inter, JetBrains Mono; both under the OFL), loaded once into Qt.
#pragma once

#include <QFont>

#include "widgets/canvas.h"

namespace cutaway {

/// Adds the font files under assets/fonts to Qt; where they are missing the machine's own take their place. Needs a
/// QGuiApplication; calling it twice does nothing.
void load_fonts();

/// A font of whole pixels, without hinting, so that widths grow linearly with the size.
QFont font_of(Face face, int px);

}  // namespace cutaway
