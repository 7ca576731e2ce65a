// A combo box with our own chevron: a style sheet can only point at an image file.
#pragma once

#include <QComboBox>
#include <QPainter>

namespace cutaway {

class DropDown : public QComboBox {
 public:
  using QComboBox::QComboBox;

 protected:
  void paintEvent(QPaintEvent* event) override {
    QComboBox::paintEvent(event);
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(QPen(palette().color(QPalette::PlaceholderText), 1.4));
    const QPointF at(width() - 12, height() / 2.0);
    painter.drawPolyline(QPolygonF({at + QPointF(-4, -2), at + QPointF(0, 2), at + QPointF(4, -2)}));
  }
};

}  // namespace cutaway
