// A view on the screen: paints it, gives it the mouse and the keys, and tells a screen reader what it shows. It never
// asks what the view is.
#pragma once

#include <QElapsedTimer>
#include <QTimer>
#include <QWidget>
#include <map>
#include <memory>

#include "app/qpainter_canvas.h"
#include "app/window/stage.h"
#include "widgets/async_tiles.h"
#include "widgets/imgui_renderer.h"

namespace cutaway {

class CanvasWidget : public QWidget {
  Q_OBJECT

 public:
  CanvasWidget(Stage&, std::unique_ptr<View>, QWidget* parent = nullptr);

  View& view() { return *view_; }
  std::string view_id() const { return std::string(view_->id()); }
  /// Another view of the list; each keeps its zoom while others are shown.
  void show_view(const std::string& id);
  void fit();
  /// Paint time of the last frame.
  double frame_ms() const { return frame_ms_; }
  bool cell_cursor() const { return cell_cursor_; }
  void leave_cell_cursor();
  AsyncTiles& tiles() { return renderer_ ? renderer_->values() : tiles_; }
  /// Draws through the device from now on; null: with QPainter. A frame that fails goes back to QPainter by itself.
  void draw_with(std::unique_ptr<ImguiRenderer>);
  bool draws_on_device() const { return renderer_ != nullptr; }
  /// Every picture and number that was asked for is there.
  bool idle() const { return renderer_ ? renderer_->idle() : tiles_.idle(); }
  /// Everything the view says about what is under the cursor, as lines of text.
  std::vector<Readout> readout();

 signals:
  void entered(cutaway::CanvasWidget*);  // the mouse is here: the status bar says what it does
  void double_clicked(QPointF at);
  void device_failed(const QString& sentence);
  void tiles_ready();  // a map or a number that was waited for is there

 protected:
  bool event(QEvent*) override;
  void paintEvent(QPaintEvent*) override;
  void mousePressEvent(QMouseEvent*) override;
  void mouseMoveEvent(QMouseEvent*) override;
  void mouseReleaseEvent(QMouseEvent*) override;
  void mouseDoubleClickEvent(QMouseEvent*) override;
  void wheelEvent(QWheelEvent*) override;
  void leaveEvent(QEvent*) override;
  void focusInEvent(QFocusEvent*) override;
  void focusOutEvent(QFocusEvent*) override;
  void enterEvent(QEnterEvent*) override;
  void keyPressEvent(QKeyEvent*) override;
  void contextMenuEvent(QContextMenuEvent*) override;

 private:
  void describe();  // name and value for the screen reader
  void hover(QPointF at);
  void draw(Canvas&);
  bool paint_on_device();

  Stage& stage_;
  std::map<std::string, std::unique_ptr<View>> views_;
  View* view_;
  HeatMapCache heat_maps_;
  AsyncTiles tiles_;
  std::unique_ptr<ImguiRenderer> renderer_;  // null: QPainter
  QPointF pressed_, last_;
  bool dragging_ = false, cell_cursor_ = false, ringed_ = false;  // ringed: focus came by keyboard
  double frame_ms_ = 0;
  QTimer describe_timer_;
};

}  // namespace cutaway
