// The left dock: the library of models above, the views below.
#pragma once

#include <QLineEdit>
#include <QTreeWidget>
#include <QWidget>

#include "app/window/stage.h"

namespace cutaway {

class LibraryDock : public QWidget {
  Q_OBJECT

 public:
  LibraryDock(Stage&, QWidget* parent = nullptr);

  void set_recent(const QStringList& folders);
  QStringList recent() const { return recent_; }
  /// Every model on the list: what is shown, and what it is opened by.
  std::vector<std::pair<QString, std::string>> models() const;

  QTreeWidget* library() { return library_; }
  QTreeWidget* views() { return views_; }
  QLineEdit* filter() { return filter_; }

 signals:
  void open_asked();  // "Add…"
  void models_changed();

 private:
  void fill_library();
  void fill_views();
  void mark();  // loaded model, shown view, refusals
  void color();
  void add_section(Word title, Word note);
  void add_model(const QString& name, const std::string& target, const QString& size, const QString& hint);
  void activate(QTreeWidgetItem*);

  Stage& stage_;
  QLineEdit* filter_;
  QTreeWidget *library_, *views_;
  QStringList recent_;
};

/// "mini-gpt" as people read it: "Mini GPT".
QString display_name(const std::string& model);

}  // namespace cutaway
