// The command palette (Ctrl+K): every action, view and model by a few letters of its name; "L5 H3" goes to a head,
// "t 18" to a token.
#pragma once

#include <QDialog>
#include <QLineEdit>
#include <QListWidget>
#include <functional>
#include <optional>

namespace cutaway {

struct PaletteEntry {
  QString name, key;  // key: the shortcut, shown at the right
  std::function<void()> run;
};
/// Understands "L5 H3" and "t 18": what to run for that text, or nothing.
using PalettePlaces = std::function<std::optional<PaletteEntry>(const QString&)>;

class Palette : public QDialog {
  Q_OBJECT

 public:
  Palette(std::vector<PaletteEntry>, PalettePlaces, QWidget* parent);
  QLineEdit* field() { return field_; }
  QListWidget* list() { return list_; }

 protected:
  bool eventFilter(QObject*, QEvent*) override;

 private:
  void fill(const QString& text);
  void run_current();

  std::vector<PaletteEntry> entries_, shown_;
  PalettePlaces places_;
  QLineEdit* field_;
  QListWidget* list_;
};

/// How well the letters of `typed` stand in `name` in order; higher is better, -1: they don't.
int fuzzy_score(const QString& name, const QString& typed);

}  // namespace cutaway
