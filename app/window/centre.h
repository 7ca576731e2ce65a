// The middle of the window: the switches of the view that is shown, and its canvas.
#pragma once

#include <QCheckBox>
#include <QLabel>
#include <QSlider>
#include <QWidget>

#include "app/window/canvas_widget.h"
#include "app/window/segments.h"

namespace cutaway {

class Centre : public QWidget {
  Q_OBJECT

 public:
  Centre(Stage&, QWidget* parent = nullptr);

  CanvasWidget* canvas() { return canvas_; }
  Segments* scale() { return scale_; }
  Segments* over() { return over_; }
  QCheckBox* sink() { return sink_; }
  QCheckBox* edit_mask() { return edit_mask_; }

 private:
  void show_view();
  void show_state();
  void say_words();

  Stage& stage_;
  CanvasWidget* canvas_;
  QWidget* tools_;
  Segments *scale_, *over_;
  QCheckBox *sink_, *edit_mask_, *all_heads_;
  QLabel* threshold_word_;
  QSlider* threshold_;
};

}  // namespace cutaway
