#include "app/docks/token_strip.h"

#include <QKeyEvent>
#include <QVBoxLayout>
#include <cmath>

#include "widgets/views/strips.h"

namespace cutaway {
namespace {

constexpr int strip_px = 64, edit_px = 30, list_limit = 4096;

}  // namespace

TokenStrip::TokenStrip(Stage& stage, QWidget* parent) : QWidget(parent), stage_(stage) {
  setObjectName("StripRow");
  setAttribute(Qt::WA_StyledBackground);
  setFixedHeight(strip_px + 1);
  canvas_ = new CanvasWidget(stage, make_token_strip(), this);
  list_ = new QListWidget(this);
  list_->setFocusPolicy(Qt::NoFocus);
  edit_ = new QLineEdit(this);
  edit_->setObjectName("TextEdit");
  edit_->hide();
  edit_->installEventFilter(this);
  connect(canvas_, &CanvasWidget::double_clicked, this, &TokenStrip::start_editing);
  connect(edit_, &QLineEdit::textEdited, this, [this](const QString& text) {
    if (!text.isEmpty()) stage_.type(text.toStdString());
  });
  connect(edit_, &QLineEdit::editingFinished, this, &TokenStrip::stop_editing);
  connect(&stage_, &Stage::stepped, this, &TokenStrip::fill_list);
  connect(&stage_, &Stage::language_changed, this, &TokenStrip::fill_list);
}

void TokenStrip::resizeEvent(QResizeEvent*) {
  canvas_->setGeometry(0, 0, width(), strip_px);
  edit_->setGeometry(8, (strip_px - edit_px) / 2, width() - 16, edit_px);
  list_->setGeometry(0, strip_px, width(), 0);  // there for a screen reader; the canvas is what one sees
}

void TokenStrip::start_editing() {
  if (!stage_.step() || !stage_.step()->backend) return;  // a recorded trace can't run another text
  edit_->setText(QString::fromStdString(stage_.text()));
  edit_->show();
  edit_->raise();
  edit_->setFocus();
  edit_->selectAll();
}

void TokenStrip::stop_editing() {
  if (!edit_->isVisible()) return;
  edit_->hide();
  canvas_->setFocus();
}

bool TokenStrip::eventFilter(QObject* watched, QEvent* event) {
  if (watched == edit_ && event->type() == QEvent::KeyPress &&
      static_cast<QKeyEvent*>(event)->key() == Qt::Key_Escape) {
    stop_editing();
    return true;
  }
  return QWidget::eventFilter(watched, event);
}

void TokenStrip::fill_list() {
  edit_->setAccessibleName(said(Word::TextToRead));
  list_->setAccessibleName(said(Word::Tokens));
  list_->clear();
  if (!stage_.step()) return;
  const Snapshot& step = *stage_.step();
  const size_t n = std::min<size_t>(step.pieces.size(), list_limit);
  for (size_t i = 0; i < n; ++i) {
    QString row = QString::number(i) + ": " + QString::fromStdString(step.pieces[i]);
    if (i < step.surprisal_bits.size() && std::isfinite(step.surprisal_bits[i]))
      row += ", " + said(say_number(step.surprisal_bits[i])) + " " + said(Word::UnitBit);
    list_->addItem(row);
  }
  if (n > 0) list_->setCurrentRow(static_cast<int>(std::min<int64_t>(stage_.playhead(), static_cast<int64_t>(n) - 1)));
}

}  // namespace cutaway
