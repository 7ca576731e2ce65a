#include "app/window/canvas_widget.h"

#include <QAccessible>
#include <QAccessibleWidget>
#include <QApplication>
#include <QClipboard>
#include <QContextMenuEvent>
#include <QMenu>
#include <QMouseEvent>
#include <QPainter>

namespace cutaway {
namespace {

constexpr int drag_from_px = 4;
constexpr int describe_after_ms = 150;  // a cell cursor that rests is read aloud

/// A canvas is a graphic with a description, not an empty pane.
class CanvasAccessible final : public QAccessibleWidget {
 public:
  explicit CanvasAccessible(QWidget* widget) : QAccessibleWidget(widget, QAccessible::Graphic) {}
  QString text(QAccessible::Text kind) const override {
    return QAccessibleWidget::text(kind == QAccessible::Value ? QAccessible::Description : kind);
  }
};

QAccessibleInterface* make_accessible(const QString& kind, QObject* object) {
  return kind == "cutaway::CanvasWidget" && object->isWidgetType() ? new CanvasAccessible(static_cast<QWidget*>(object))
                                                                   : nullptr;
}

Point point(QPointF p) { return {static_cast<float>(p.x()), static_cast<float>(p.y())}; }

}  // namespace

CanvasWidget::CanvasWidget(Stage& stage, std::unique_ptr<View> view, QWidget* parent)
    : QWidget(parent),
      stage_(stage),
      view_(view.get()),
      tiles_([this] { QMetaObject::invokeMethod(this, &CanvasWidget::tiles_ready, Qt::QueuedConnection); }) {
  static const bool spoken = (QAccessible::installFactory(make_accessible), true);
  (void)spoken;
  views_[view_id()] = std::move(view);
  setMouseTracking(true);
  setFocusPolicy(Qt::StrongFocus);
  setAttribute(Qt::WA_OpaquePaintEvent);
  setMinimumSize(40, 40);
  describe_timer_.setSingleShot(true);
  describe_timer_.setInterval(describe_after_ms);
  connect(&describe_timer_, &QTimer::timeout, this, &CanvasWidget::describe);
  const auto repaint = [this] { update(); };
  connect(this, &CanvasWidget::tiles_ready, this, repaint);
  connect(this, &CanvasWidget::tiles_ready, &describe_timer_, qOverload<>(&QTimer::start));
  connect(&stage_, &Stage::stepped, this, [this] {
    if (stage_.ran().loaded) {  // lets go of the model that ran before
      tiles_.clear();
      if (renderer_) renderer_->clear();
    }
    update();
  });
  connect(&stage_, &Stage::selection_changed, this, repaint);
  connect(&stage_, &Stage::cursor_moved, this, repaint);
  connect(&stage_, &Stage::theme_changed, this, repaint);
  connect(&stage_, &Stage::language_changed, this, repaint);
  for (auto changed : {&Stage::stepped, &Stage::selection_changed, &Stage::cursor_moved, &Stage::language_changed})
    connect(&stage_, changed, &describe_timer_, qOverload<>(&QTimer::start));
}

void CanvasWidget::show_view(const std::string& id) {
  auto& kept = views_[id];
  if (!kept) kept = make_view(id);
  view_ = kept.get();
  leave_cell_cursor();
  describe();
}

void CanvasWidget::fit() {
  view_->fit();
  update();
}

void CanvasWidget::leave_cell_cursor() {
  cell_cursor_ = false;
  update();
}

std::vector<Readout> CanvasWidget::readout() {
  if (!stage_.step() || !view_->refusal(*stage_.step()).empty()) return {};
  return view_->readout(stage_.scene(), tiles());
}

bool CanvasWidget::event(QEvent* event) {
  // While a cell cursor is out, arrows and Enter move it; otherwise they are shortcuts of the window.
  if (event->type() == QEvent::ShortcutOverride && cell_cursor_) {
    const int key = static_cast<QKeyEvent*>(event)->key();
    for (int ours :
         {Qt::Key_Left, Qt::Key_Right, Qt::Key_Up, Qt::Key_Down, Qt::Key_Return, Qt::Key_Enter, Qt::Key_Escape})
      if (key == ours) {
        event->accept();
        return true;
      }
  }
  return QWidget::event(event);
}

void CanvasWidget::describe() {
  QString text;
  for (const Readout& line : readout()) text += said(line.label) + " " + said(line.value) + ". ";
  const QString name = said(view_->name());
  if (name == accessibleName() && text == accessibleDescription()) return;
  setAccessibleName(name);
  setAccessibleDescription(text.trimmed());
  QAccessibleEvent event(this, QAccessible::DescriptionChanged);
  QAccessible::updateAccessibility(&event);
}

void CanvasWidget::paintEvent(QPaintEvent*) {
  QElapsedTimer clock;
  clock.start();
  if (!paint_on_device()) {
    QPainter painter(this);
    painter.fillRect(rect(), qcolor(stage_.theme().canvas));
    tiles_.begin_frame();
    QPainterCanvas canvas(painter, {0, 0, static_cast<float>(width()), static_cast<float>(height())}, stage_.theme(),
                          tiles_, &heat_maps_);
    draw(canvas);
  }
  frame_ms_ = static_cast<double>(clock.nsecsElapsed()) / 1e6;
}

void CanvasWidget::draw(Canvas& canvas) {
  view_->draw(canvas, stage_.scene());
  if (ringed_) canvas.outline(canvas.area(), canvas.theme().accent, 2);
}

void CanvasWidget::draw_with(std::unique_ptr<ImguiRenderer> renderer) {
  renderer_ = std::move(renderer);
  update();
}

bool CanvasWidget::paint_on_device() {
  if (!renderer_) return false;
  const auto ratio = static_cast<float>(devicePixelRatioF());
  const Result<void> sized = renderer_->resize(static_cast<float>(width()), static_cast<float>(height()), ratio);
  const Result<Picture> picture = sized ? renderer_->paint(stage_.theme(), [this](Canvas& canvas) { draw(canvas); })
                                        : Result<Picture>(sized.error());
  if (!picture) {
    renderer_.reset();
    emit device_failed(QString::fromStdString(picture.error().text));
    return false;
  }
  const QImage image(picture->pixels, picture->width, picture->height, picture->stride, QImage::Format_RGB32);
  QPainter(this).drawImage(rect(), image);
  return true;
}

void CanvasWidget::hover(QPointF at) {
  if (!stage_.step() || cell_cursor_) return;
  const auto before = stage_.at().cursor;
  view_->hover(point(at), stage_.scene(), stage_.at());
  if (stage_.at().cursor || before)  // a view may tell more than the cell: a head of the cache
    stage_.hovered();
  else
    update();
}

void CanvasWidget::mousePressEvent(QMouseEvent* event) {
  if (event->button() != Qt::LeftButton) return;
  pressed_ = last_ = event->position();
  dragging_ = false;
}

void CanvasWidget::mouseMoveEvent(QMouseEvent* event) {
  const QPointF at = event->position();
  if (!(event->buttons() & Qt::LeftButton)) return hover(at);
  if (!dragging_ && (at - pressed_).manhattanLength() < drag_from_px) return;
  dragging_ = true;
  if (stage_.step()) view_->drag(point(last_), point(at), stage_.scene());
  last_ = at;
  update();
}

void CanvasWidget::mouseReleaseEvent(QMouseEvent* event) {
  if (event->button() != Qt::LeftButton || !stage_.step()) return;
  if (!dragging_) stage_.act(view_->click(point(event->position()), stage_.scene()));
  dragging_ = false;
  update();
}

void CanvasWidget::mouseDoubleClickEvent(QMouseEvent* event) {
  if (event->button() != Qt::LeftButton || !stage_.step()) return;
  dragging_ = true;  // the release that follows is not another click
  stage_.act(view_->double_click(point(event->position()), stage_.scene()));
  emit double_clicked(event->position());
}

void CanvasWidget::wheelEvent(QWheelEvent* event) {
  if (!stage_.step()) return;
  const QPoint turned = event->angleDelta();
  const float notches = static_cast<float>(turned.y() ? turned.y() : turned.x()) / 120.f;
  view_->wheel(point(event->position()), notches, stage_.scene());
  event->accept();
  update();
}

void CanvasWidget::enterEvent(QEnterEvent*) { emit entered(this); }

void CanvasWidget::focusInEvent(QFocusEvent* event) {
  ringed_ = event->reason() == Qt::TabFocusReason || event->reason() == Qt::BacktabFocusReason;
  update();
}

void CanvasWidget::focusOutEvent(QFocusEvent*) {
  ringed_ = false;
  update();
}

void CanvasWidget::leaveEvent(QEvent*) {
  if (cell_cursor_ || !stage_.at().cursor) return;
  stage_.at().cursor.reset();
  stage_.hovered();
}

void CanvasWidget::keyPressEvent(QKeyEvent* event) {
  const auto move = [&](int dq, int dk) {
    view_->move_cursor(dq, dk, stage_.scene(), stage_.at());
    stage_.hovered();
  };
  if (!stage_.step()) return event->ignore();
  const bool enter = event->key() == Qt::Key_Return || event->key() == Qt::Key_Enter;
  if (!cell_cursor_) {
    if (!enter) return event->ignore();
    cell_cursor_ = true;
    if (!stage_.at().cursor) stage_.at().cursor = Cell{stage_.playhead(), 0};
    return stage_.hovered();
  }
  switch (event->key()) {
    case Qt::Key_Left:
      return move(0, -1);
    case Qt::Key_Right:
      return move(0, 1);
    case Qt::Key_Up:
      return move(-1, 0);
    case Qt::Key_Down:
      return move(1, 0);
    case Qt::Key_Escape:
      return leave_cell_cursor();
    default:
      break;
  }
  if (enter && stage_.at().cursor) return stage_.act(Pin{*stage_.at().cursor});
  event->ignore();
}

void CanvasWidget::contextMenuEvent(QContextMenuEvent* event) {
  if (!stage_.step()) return;
  QMenu menu(this);
  const std::vector<Readout> lines = readout();
  const auto cursor = stage_.at().cursor;
  QAction* pin = menu.addAction(said(Word::PinCell));
  pin->setEnabled(cursor.has_value());
  QAction* copy = menu.addAction(said(Word::CopyValue));
  copy->setEnabled(!lines.empty());
  const Tokenizer* words = stage_.step()->model->tokenizer.get();
  QAction* mask = words && words->specials().mask >= 0 && stage_.step()->backend
                      ? menu.addAction(said(Word::MaskThisToken))
                      : nullptr;
  if (mask) mask->setEnabled(cursor.has_value());
  QAction* fit_all = menu.addAction(said(Word::FitAll));
  const QAction* chosen = menu.exec(event->globalPos());
  if (chosen == pin) stage_.act(Pin{*cursor});
  if (mask && chosen == mask) stage_.act(MaskToken{cursor->query});
  if (chosen == fit_all) fit();
  if (chosen != copy) return;
  QString text;
  for (const Readout& line : lines) text += said(line.label) + "\t" + said(line.value) + "\n";
  QApplication::clipboard()->setText(text);
}

}  // namespace cutaway
