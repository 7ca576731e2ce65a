// The small drawings of the inspector's cards.
#pragma once

#include <QLabel>
#include <QWidget>

#include "app/window/stage.h"

namespace cutaway {

/// The rule as a small square: allowed cells filled, the others hatched.
class MaskThumbnail : public QWidget {
  Q_OBJECT

 public:
  MaskThumbnail(Stage& stage, QWidget* parent);

 protected:
  void paintEvent(QPaintEvent*) override;

 private:
  Stage& stage_;
};

/// Bytes of the cache against tokens: measured so far as a line, by law up to the model's context dashed.
class GrowthPlot : public QWidget {
  Q_OBJECT

 public:
  GrowthPlot(Stage& stage, QWidget* parent);

 protected:
  void paintEvent(QPaintEvent*) override;

 private:
  Stage& stage_;
};

/// The best next tokens, or a masked position's fills: words and numbers as labels, bars between them.
class ChoiceBars : public QWidget {
  Q_OBJECT

 public:
  ChoiceBars(Stage& stage, QWidget* parent);
  void set_choices(const std::vector<TokenChoice>&, const Model&);
  QString text(int row) const;  // "·the 31.2 %"

 protected:
  void paintEvent(QPaintEvent*) override;

 private:
  struct Row {
    QLabel *token, *percent;
    double probability = 0;
  };
  Stage& stage_;
  std::vector<Row> rows_;
};

/// A token as it is shown: a leading space as a dot.
QString shown_piece(const std::string& piece);

}  // namespace cutaway
