// The lowest line: at the left what mouse and keys do now, at the right figures of what runs.
#pragma once

#include <QLabel>
#include <QWidget>

#include "app/window/canvas_widget.h"

namespace cutaway {

class StatusRow : public QWidget {
  Q_OBJECT

 public:
  StatusRow(Stage&, QWidget* parent = nullptr);
  void follow(CanvasWidget*);  // the canvas under the mouse
  QLabel* figures() { return figures_; }

 private:
  void say_hints();
  void say_figures();

  Stage& stage_;
  CanvasWidget* followed_ = nullptr;
  QLabel *hints_, *figures_;
};

/// Memory of this process in use, in bytes; 0 where the system doesn't say.
size_t resident_bytes();

}  // namespace cutaway
