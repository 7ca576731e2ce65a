// How Qt's own widgets look: flat, hairlines, radius 4, colours from the theme alone. And the few icons of the chrome.
#pragma once

#include <QIcon>
#include <QString>

#include "widgets/theme.h"

namespace cutaway {

/// One style sheet for the whole window.
QString style_sheet(const Theme&);

enum class Glyph { First, Back, Play, Pause, Forward, Last, Logo, Cross, Chevron };
/// Drawn at 16 logical pixels, sharp on any screen.
QIcon glyph_icon(Glyph, Color color, Color dimmed);

/// "#14171B", or "rgba(…)" where it is not opaque.
QString css(Color);

}  // namespace cutaway
