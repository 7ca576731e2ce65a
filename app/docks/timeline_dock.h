// Time: transport buttons, where the playhead stands, what the passes cost, and the timeline's canvas.
#pragma once

#include <QLabel>
#include <QTimer>
#include <QToolButton>
#include <QWidget>

#include "app/window/canvas_widget.h"

namespace cutaway {

class TimelineDock : public QWidget {
  Q_OBJECT

 public:
  TimelineDock(Stage&, QWidget* parent = nullptr);

  CanvasWidget* canvas() { return canvas_; }
  bool playing() const { return clock_.isActive(); }
  void play(bool on);
  void toggle_play() { play(!playing()); }

 private:
  QToolButton* button(Word name, const QString& key);
  void tick();
  void say_words();
  void color();

  Stage& stage_;
  CanvasWidget* canvas_;
  QToolButton *first_, *back_, *play_, *forward_, *last_;
  QLabel *speed_, *place_, *cost_;
  QTimer clock_;
};

}  // namespace cutaway
