#include "app/window/style.h"

#include <QPainter>
#include <QPainterPath>

#include "app/qpainter_canvas.h"

namespace cutaway {
namespace {

// %name% is replaced by a colour of the theme.
constexpr const char* sheet = R"(
* { font-family: "Inter"; font-size: 12.5px; color: %text%; outline: none; }
QMainWindow, QDialog, QMenuBar, #TopRow, #SwitchBar, #LeftDock, #Inspector, #InspectorBody, #Timeline, #StatusRow,
QStatusBar, #Cards { background: %surface%; }
#Centre, #CentreCanvas { background: %canvas%; }
QMainWindow::separator { background: %hairline%; width: 1px; height: 1px; }
#TopRow { border-bottom: 1px solid %hairline%; }
#SwitchBar { border-bottom: 1px solid %hairline%; }
#StripRow { background: %canvas%; border-bottom: 1px solid %hairline%; }
#CentreSplit { background: %hairline%; }
QToolTip { background: %raised%; color: %text%; border: 1px solid %hairline%; padding: 4px 8px; font-size: 11px; }

QMenuBar { padding: 0; }
QMenuBar::item { background: transparent; padding: 4px 8px; border-radius: 4px; color: %secondary%; }
QMenuBar::item:selected { background: %raised%; color: %text%; }
QMenu { background: %surface%; border: 1px solid %hairline%; padding: 4px; }
QMenu::item { padding: 4px 24px 4px 12px; border-radius: 4px; }
QMenu::item:selected { background: %raised%; }
QMenu::item:disabled { color: %dim%; }
QMenu::separator { height: 1px; background: %hairline%; margin: 4px 8px; }
QMenu::indicator { width: 12px; height: 12px; left: 4px; }
QMenu::indicator:checked { background: %secondary%; border-radius: 2px; width: 6px; height: 6px; }

QLabel { background: transparent; }
QLabel[role="title"] { font-size: 15px; font-weight: 600; }
QLabel[role="section"] { font-size: 11px; font-weight: 600; color: %secondary%; }
QLabel[role="small"] { font-size: 11px; color: %secondary%; }
QLabel[role="dim"] { font-size: 11px; color: %dim%; }
QLabel[role="key"] { font-size: 22px; font-weight: 600; }
QLabel[role="value"] { font-weight: 600; }
QLabel[role="mono"] { font-family: "JetBrains Mono"; font-size: 11px; }
QLabel[role="crumb"], QLabel[role="name"] { color: %secondary%; }
QLabel[role="accent"] { color: %accent%; font-weight: 600; }

QPushButton, QToolButton { background: %raised%; border: 1px solid %hairline%; border-radius: 4px; padding: 3px 10px;
  min-height: 16px; }
QPushButton:hover, QToolButton:hover { border-color: %dim%; }
QPushButton:pressed, QToolButton:pressed { background: %hairline%; }
QPushButton:disabled, QToolButton:disabled { color: %dim%; }
QPushButton:focus, QToolButton:focus, QComboBox:focus, QLineEdit:focus, QSpinBox:focus { border: 1px solid %accent%; }
QPushButton[role="primary"] { background: %accent%; color: %on_accent%; border-color: %accent%; font-weight: 600; }
QPushButton[role="primary"]:disabled { background: %raised%; color: %dim%; border-color: %hairline%; }
QPushButton[role="link"], QToolButton[role="link"] { background: transparent; border: 1px solid transparent;
  color: %secondary%; padding: 0 4px; font-size: 11px; }
QPushButton[role="link"]:hover, QToolButton[role="link"]:hover { color: %text%; }
QPushButton[role="link"]:focus { border: 1px solid %accent%; }
QToolButton[role="transport"] { background: transparent; border: 1px solid transparent; padding: 3px; }
QToolButton[role="transport"]:hover { background: %raised%; }
QToolButton[role="transport"]:focus { border: 1px solid %accent%; }
QPushButton[role="field"] { color: %secondary%; text-align: left; background: %canvas%; }

#Segments { background: %raised%; border-radius: 4px; border: 1px solid %hairline%; }
QPushButton[role="segment"] { background: transparent; border: 0; border-radius: 3px; padding: 2px 9px; color: %secondary%;
  min-height: 18px; }
QPushButton[role="segment"]:hover { color: %text%; }
QPushButton[role="segment"]:checked { background: %checked%; color: %text%; font-weight: 600; }
QPushButton[role="segment"]:disabled { color: %dim%; }
QPushButton[role="segment"]:focus { border: 1px solid %accent%; }
QPushButton[role="segment"][changed="true"] { border-bottom: 2px solid %accent%; border-bottom-left-radius: 0;
  border-bottom-right-radius: 0; padding-bottom: 0; }

QComboBox { background: %raised%; border: 1px solid %hairline%; border-radius: 4px; padding: 2px 8px; min-height: 18px; }
QComboBox[changed="true"] { border-bottom: 2px solid %accent%; }
QComboBox::drop-down { border: 0; width: 18px; }
QComboBox::down-arrow { image: none; }
QComboBox QAbstractItemView { background: %surface%; border: 1px solid %hairline%; selection-background-color: %raised%;
  selection-color: %text%; padding: 4px; }
QLineEdit, QSpinBox, QDoubleSpinBox { background: %canvas%; border: 1px solid %hairline%; border-radius: 4px;
  padding: 2px 8px; min-height: 18px; selection-background-color: %accent%; selection-color: %on_accent%; }
QSpinBox::up-button, QSpinBox::down-button { width: 0; }
#TextEdit { font-family: "JetBrains Mono"; font-size: 12.5px; border: 1px solid %accent%; border-radius: 0; }
QCheckBox { color: %secondary%; spacing: 6px; background: transparent; }
QCheckBox::indicator { width: 12px; height: 12px; border: 1px solid %dim%; border-radius: 2px; background: %canvas%; }
QCheckBox::indicator:checked { background: %text%; border-color: %text%; }
QCheckBox:focus { color: %text%; }

QTreeWidget, QListWidget, QTableWidget { background: %surface%; border: 0; }
#Library, #Views { padding: 0 8px; }
QTreeWidget::item { height: 24px; border: 0; padding-left: 4px; padding-right: 4px; }
QListWidget::item { height: 26px; padding: 0 8px; border-radius: 4px; }
QTreeWidget::item:hover, QListWidget::item:hover { background: %hover%; }
QTreeWidget::item:selected, QListWidget::item:selected { background: %raised%; color: %text%; }
QTreeWidget:focus, QListWidget:focus { border: 1px solid %accent%; }
QHeaderView::section { background: %surface%; border: 0; color: %secondary%; font-size: 11px; }
QScrollArea, QScrollArea > QWidget > QWidget { background: transparent; border: 0; }
QScrollBar:vertical { background: transparent; width: 8px; margin: 0; }
QScrollBar:horizontal { background: transparent; height: 8px; margin: 0; }
QScrollBar::handle { background: %hairline%; border-radius: 3px; min-height: 24px; min-width: 24px; margin: 1px; }
QScrollBar::handle:hover { background: %dim%; }
QScrollBar::add-line, QScrollBar::sub-line, QScrollBar::add-page, QScrollBar::sub-page { background: none; border: 0;
  width: 0; height: 0; }

#Notice { background: %raised%; border-bottom: 1px solid %hairline%; }
#Notice[error="true"] QLabel[role="mark"] { color: %error%; font-weight: 600; }
#Progress { background: transparent; border: 0; }
#Progress::chunk { background: %accent%; }
#Rule { background: %hairline%; border: 0; }
QStatusBar { border: 0; min-height: 24px; max-height: 24px; }
QStatusBar::item { border: 0; }
#StatusRow { border-top: 1px solid %hairline%; }
#StatusRow QLabel { font-size: 11px; color: %secondary%; }
#Sheet { background: %surface%; border: 1px solid %hairline%; }
)";

QPainterPath path_of(Glyph glyph) {
  const auto triangle = [](double x, double tip) {
    QPainterPath p(QPointF(x, 3));
    p.lineTo(tip, 8);
    p.lineTo(x, 13);
    p.closeSubpath();
    return p;
  };
  QPainterPath p;
  switch (glyph) {
    case Glyph::First:
      p = triangle(13, 5);
      p.addRect(3, 3, 2, 10);
      break;
    case Glyph::Back:
      p = triangle(12, 4);
      break;
    case Glyph::Play:
      p = triangle(4, 13);
      break;
    case Glyph::Pause:
      p.addRect(4, 3, 3, 10);
      p.addRect(9, 3, 3, 10);
      break;
    case Glyph::Forward:
      p = triangle(4, 12);
      break;
    case Glyph::Last:
      p = triangle(3, 11);
      p.addRect(11, 3, 2, 10);
      break;
    default:
      break;
  }
  return p;
}

/// A square with a corner cut away and hatched: what the program is.
void paint_logo(QPainter& painter, Color color) {
  painter.setPen(QPen(qcolor(color), 1.4));
  painter.drawPolyline(QPolygonF({{9, 14}, {2, 14}, {2, 2}, {14, 2}, {14, 9}}));
  painter.drawPolyline(QPolygonF({{14, 9}, {9, 9}, {9, 14}}));
  painter.setPen(QPen(qcolor(color), 1));
  painter.drawLine(QPointF(10, 14), QPointF(14, 10));
  painter.drawLine(QPointF(13, 14.5), QPointF(14.5, 13));
}

QPixmap pixmap_of(Glyph glyph, Color color) {
  constexpr int ratio = 3;
  QPixmap pixmap(16 * ratio, 16 * ratio);
  pixmap.setDevicePixelRatio(ratio);
  pixmap.fill(Qt::transparent);
  QPainter painter(&pixmap);
  painter.setRenderHint(QPainter::Antialiasing);
  if (glyph == Glyph::Logo) {
    paint_logo(painter, color);
  } else if (glyph == Glyph::Cross) {
    painter.setPen(QPen(qcolor(color), 1.4));
    painter.drawLine(4, 4, 12, 12);
    painter.drawLine(12, 4, 4, 12);
  } else if (glyph == Glyph::Chevron) {
    painter.setPen(QPen(qcolor(color), 1.4));
    painter.drawPolyline(QPolygonF({{4, 6}, {8, 10}, {12, 6}}));
  } else {
    painter.fillPath(path_of(glyph), qcolor(color));
  }
  return pixmap;
}

}  // namespace

QString css(Color c) {
  return c.a == 255 ? qcolor(c).name() : QString("rgba(%1,%2,%3,%4)").arg(c.r).arg(c.g).arg(c.b).arg(c.a);
}

QString style_sheet(const Theme& t) {
  const auto between = [](Color a, Color b) {
    return Color{static_cast<uint8_t>((a.r + b.r) / 2), static_cast<uint8_t>((a.g + b.g) / 2),
                 static_cast<uint8_t>((a.b + b.b) / 2)};
  };
  const std::pair<const char*, Color> colors[] = {{"canvas", t.canvas},
                                                  {"surface", t.surface},
                                                  {"raised", t.raised},
                                                  {"hairline", t.hairline},
                                                  {"text", t.text},
                                                  {"secondary", t.secondary},
                                                  {"dim", t.dim},
                                                  {"accent", t.accent},
                                                  {"on_accent", t.on_accent},
                                                  {"error", t.error},
                                                  {"hover", between(t.surface, t.raised)},
                                                  {"checked", t.dark ? t.hairline : t.canvas}};
  QString out = QString::fromUtf8(sheet);
  for (const auto& [name, color] : colors) out.replace(QString("%%1%").arg(name), css(color));
  return out;
}

QIcon glyph_icon(Glyph glyph, Color color, Color dimmed) {
  QIcon icon(pixmap_of(glyph, color));
  icon.addPixmap(pixmap_of(glyph, dimmed), QIcon::Disabled);
  return icon;
}

}  // namespace cutaway
