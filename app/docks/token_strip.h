// The text as tokens: a canvas, a line edit over it while one types, and a list that a screen reader can read.
#pragma once

#include <QLineEdit>
#include <QListWidget>
#include <QWidget>

#include "app/window/canvas_widget.h"

namespace cutaway {

class TokenStrip : public QWidget {
  Q_OBJECT

 public:
  TokenStrip(Stage&, QWidget* parent = nullptr);

  CanvasWidget* canvas() { return canvas_; }
  QLineEdit* edit() { return edit_; }
  QListWidget* list() { return list_; }
  void start_editing();

 protected:
  void resizeEvent(QResizeEvent*) override;
  bool eventFilter(QObject*, QEvent*) override;

 private:
  void stop_editing();
  void fill_list();

  Stage& stage_;
  CanvasWidget* canvas_;
  QLineEdit* edit_;
  QListWidget* list_;
};

}  // namespace cutaway
