#include "app/window/notice.h"

#include <QAccessible>
#include <QApplication>
#include <QClipboard>
#include <QHBoxLayout>
#include <QKeyEvent>
#include <QStyle>

namespace cutaway {

Notice::Notice(Stage& stage, QWidget* parent) : QFrame(parent), stage_(stage) {
  setObjectName("Notice");
  setFocusPolicy(Qt::StrongFocus);
  mark_ = new QLabel(this);
  mark_->setProperty("role", "mark");
  text_ = new QLabel(this);
  text_->setTextFormat(Qt::PlainText);
  text_->setWordWrap(true);
  text_->setTextInteractionFlags(Qt::TextSelectableByMouse);
  close_ = new QPushButton(this);
  close_->setProperty("role", "link");
  worded(stage, close_, Word::Dismiss);
  auto* row = new QHBoxLayout(this);
  row->setContentsMargins(12, 6, 8, 6);
  row->addWidget(mark_, 0, Qt::AlignTop);
  row->addWidget(text_, 1);
  row->addWidget(close_, 0, Qt::AlignTop);
  connect(close_, &QPushButton::clicked, this, &QWidget::hide);
  hide();
}

void Notice::show_text(const QString& text, bool is_error) {
  setProperty("error", is_error);
  mark_->setText(is_error ? "!  " + said(Word::Error) : QString());
  mark_->setVisible(is_error);
  text_->setText(text);
  setAccessibleName(text);
  for (QWidget* widget : {static_cast<QWidget*>(this), static_cast<QWidget*>(mark_)}) {
    style()->unpolish(widget);
    style()->polish(widget);
  }
  show();
  QAccessibleEvent event(this, QAccessible::Alert);
  QAccessible::updateAccessibility(&event);
}

void Notice::keyPressEvent(QKeyEvent* event) {
  if (event->key() == Qt::Key_Escape) return hide();
  if (event->matches(QKeySequence::Copy)) return QApplication::clipboard()->setText(text());
  QFrame::keyPressEvent(event);
}

}  // namespace cutaway
