// The inspector: what is under the cursor or pinned, then cards of what runs: mask, KV cache, next token. All of it is
// text that can be selected, read aloud and copied.
#pragma once

#include <QGridLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QScrollArea>
#include <QVBoxLayout>
#include <QWidget>

#include "app/window/canvas_widget.h"

namespace cutaway {

/// A titled group with a note at the right and rows of a name and a value.
class Card : public QWidget {
  Q_OBJECT

 public:
  explicit Card(QWidget* parent = nullptr);
  void set_title(const QString& title, const QString& note = {});
  /// The one large number of the card; empty hides it.
  void set_key(const QString& number, const QString& unit);
  void set_rows(const std::vector<std::pair<QString, QString>>& rows);
  /// A drawing under the rows, or before them.
  void add_picture(QWidget*);
  void add_thumbnail(QWidget*);
  QLabel* note() { return note_; }

 private:
  QLabel *title_, *note_, *key_, *unit_;
  QGridLayout* grid_;
  QHBoxLayout* middle_;
  QVBoxLayout* pictures_;
  std::vector<std::pair<QLabel*, QLabel*>> rows_;
};

class MaskThumbnail;
class GrowthPlot;
class ChoiceBars;

class Inspector : public QWidget {
  Q_OBJECT

 public:
  Inspector(Stage&, QWidget* parent = nullptr);
  /// Whose hover is read out.
  void follow(CanvasWidget*);
  Card* readout_card() { return readout_; }
  Card* cache_card() { return cache_; }
  Card* next_card() { return next_; }
  Card* mask_card() { return mask_; }
  Card* switch_card() { return switch_; }

 signals:
  void edit_mask_asked();

 private:
  void show_all();
  void show_readout();
  void show_switch();
  void show_mask();
  void show_cache();
  void show_next();

  Stage& stage_;
  CanvasWidget* followed_ = nullptr;
  Card *readout_, *switch_, *mask_, *cache_, *next_;
  MaskThumbnail* thumbnail_;
  GrowthPlot* growth_;
  ChoiceBars* bars_;
};

}  // namespace cutaway
