// A line under the switch bar for what the user should know: a load that failed, a mask that the model never saw. It
// hides no data and goes away with a click, Esc, or the next success.
#pragma once

#include <QFrame>
#include <QLabel>
#include <QPushButton>

#include "app/window/stage.h"

namespace cutaway {

class Notice : public QFrame {
  Q_OBJECT

 public:
  Notice(Stage&, QWidget* parent = nullptr);
  void show_text(const QString& text, bool is_error);
  QString text() const { return text_->text(); }

 protected:
  void keyPressEvent(QKeyEvent*) override;

 private:
  Stage& stage_;
  QLabel *mark_, *text_;
  QPushButton* close_;
};

}  // namespace cutaway
