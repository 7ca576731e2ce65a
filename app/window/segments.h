// A row of choices of which one is in force. An impossible one stays in sight, dimmed, with its reason as a tooltip;
// one that differs from the checkpoint is underlined. Where the row has no room it becomes a drop-down.
#pragma once

#include <QPushButton>
#include <QStringList>
#include <QWidget>
#include <vector>

#include "app/window/drop_down.h"

namespace cutaway {

class Segments : public QWidget {
  Q_OBJECT

 public:
  explicit Segments(const QString& accessible_name, QWidget* parent = nullptr);

  void set_names(const QStringList& names);  // keeps what is chosen
  void choose(int index);                    // tells nobody
  int chosen() const { return chosen_; }
  int count() const { return static_cast<int>(buttons_.size()); }
  void set_refusal(int index, const QString& reason);  // empty: possible
  void set_changed(bool changed);                      // underlines the chosen one
  void set_folded(bool folded);
  bool folded() const { return folded_; }
  int natural_width() const;  // of the unfolded row
  QPushButton* button(int index) { return buttons_[static_cast<size_t>(index)]; }

 signals:
  void picked(int index);

 private:
  void show_state();

  QWidget* row_;
  DropDown* list_;
  std::vector<QPushButton*> buttons_;
  int chosen_ = 0;
  bool changed_ = false, folded_ = false;
};

}  // namespace cutaway
