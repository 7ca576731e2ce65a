#include "app/dialogs/palette.h"

#include <QKeyEvent>
#include <QVBoxLayout>
#include <algorithm>

#include "app/window/stage.h"

namespace cutaway {

int fuzzy_score(const QString& name, const QString& typed) {
  int score = 0;
  qsizetype at = -1;
  for (QChar letter : typed) {
    if (letter.isSpace()) continue;
    const qsizetype next = name.indexOf(letter, at + 1, Qt::CaseInsensitive);
    if (next < 0) return -1;
    score += 1;
    if (next == at + 1) score += 3;                                   // letters in a row
    if (next == 0 || !name[next - 1].isLetterOrNumber()) score += 5;  // beginning of a word
    at = next;
  }
  return std::max(0, score * 100 - static_cast<int>(name.size()));  // of equals, the shorter name
}

Palette::Palette(std::vector<PaletteEntry> entries, PalettePlaces places, QWidget* parent)
    : QDialog(parent, Qt::Popup), entries_(std::move(entries)), places_(std::move(places)) {
  setObjectName("Sheet");
  setAttribute(Qt::WA_DeleteOnClose);
  setAccessibleName(said(Word::CommandPalette));
  field_ = new QLineEdit(this);
  field_->setPlaceholderText(said(Word::PaletteHint));
  field_->setAccessibleName(said(Word::SearchOrRun));
  field_->installEventFilter(this);
  list_ = new QListWidget(this);
  list_->setAccessibleName(said(Word::CommandPalette));
  list_->setFocusPolicy(Qt::NoFocus);
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(8, 8, 8, 8);
  column->addWidget(field_);
  column->addWidget(list_);
  resize(560, 360);
  connect(field_, &QLineEdit::textChanged, this, &Palette::fill);
  connect(list_, &QListWidget::itemClicked, this, &Palette::run_current);
  fill({});
  field_->setFocus();
}

void Palette::fill(const QString& text) {
  shown_.clear();
  if (auto place = places_(text)) shown_.push_back(std::move(*place));
  std::vector<std::pair<int, const PaletteEntry*>> ranked;
  for (const PaletteEntry& entry : entries_)
    if (const int score = fuzzy_score(entry.name, text); score >= 0) ranked.emplace_back(score, &entry);
  std::ranges::stable_sort(ranked, [](const auto& a, const auto& b) { return a.first > b.first; });
  for (const auto& [score, entry] : ranked) shown_.push_back(*entry);
  list_->clear();
  for (const PaletteEntry& entry : shown_)
    list_->addItem(entry.key.isEmpty() ? entry.name : entry.name + "    " + entry.key);
  list_->setCurrentRow(0);
}

void Palette::run_current() {
  const int row = list_->currentRow();
  if (row < 0 || row >= static_cast<int>(shown_.size())) return;
  const auto run = shown_[static_cast<size_t>(row)].run;
  close();
  run();
}

bool Palette::eventFilter(QObject* watched, QEvent* event) {
  if (watched != field_ || event->type() != QEvent::KeyPress) return QDialog::eventFilter(watched, event);
  const int key = static_cast<QKeyEvent*>(event)->key(), row = list_->currentRow();
  if (key == Qt::Key_Down)
    list_->setCurrentRow(std::min(row + 1, list_->count() - 1));
  else if (key == Qt::Key_Up)
    list_->setCurrentRow(std::max(row - 1, 0));
  else if (key == Qt::Key_Return || key == Qt::Key_Enter)
    run_current();
  else
    return QDialog::eventFilter(watched, event);
  return true;
}

}  // namespace cutaway
