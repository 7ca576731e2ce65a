#include "app/docks/inspector_pictures.h"

#include <QGridLayout>
#include <QPainter>
#include <algorithm>
#include <cmath>

#include "app/qpainter_canvas.h"
#include "engine/footprint.h"

namespace cutaway {
namespace {

constexpr int thumbnail_px = 64, plot_px = 84, bar_rows = 6, bar_row_px = 20, token_column_px = 76,
              percent_column_px = 60;

}  // namespace

QString shown_piece(const std::string& piece) {
  QString text = QString::fromStdString(piece);
  if (text.startsWith(' ')) text[0] = QChar(0x00B7);
  return text;
}

MaskThumbnail::MaskThumbnail(Stage& stage, QWidget* parent) : QWidget(parent), stage_(stage) {
  setFixedSize(thumbnail_px, thumbnail_px);
}

void MaskThumbnail::paintEvent(QPaintEvent*) {
  QPainter painter(this);
  WaitingTiles none;
  const auto side = static_cast<float>(thumbnail_px);
  QPainterCanvas canvas(painter, {0, 0, side, side}, stage_.theme(), none);
  canvas.fill({0, 0, side, side}, stage_.theme().canvas);
  if (!stage_.step()) return;
  const MaskRule rule = stage_.mask_now();
  const int64_t n = stage_.step()->positions();
  canvas.hatch({0, 0, side, side}, Hatch::Masked, 4);
  // One pixel row at a time: bounded by pixels however long the text is.
  for (int y = 0; y < thumbnail_px; ++y) {
    const int64_t q = y * n / thumbnail_px;
    int start = -1;
    for (int x = 0; x <= thumbnail_px; ++x) {
      const bool allowed = x < thumbnail_px && rule.allowed(q, x * n / thumbnail_px);
      if (allowed && start < 0) start = x;
      if (allowed || start < 0) continue;
      canvas.fill({static_cast<float>(start), static_cast<float>(y), static_cast<float>(x - start), 1},
                  stage_.theme().bar);
      start = -1;
    }
  }
  canvas.outline({0, 0, side, side}, stage_.theme().hairline, 1);
}

GrowthPlot::GrowthPlot(Stage& stage, QWidget* parent) : QWidget(parent), stage_(stage) { setFixedHeight(plot_px); }

void GrowthPlot::paintEvent(QPaintEvent*) {
  if (!stage_.step()) return;
  QPainter painter(this);
  WaitingTiles none;
  const Theme& theme = stage_.theme();
  QPainterCanvas canvas(painter, {0, 0, static_cast<float>(width()), plot_px}, theme, none);
  const Snapshot& step = *stage_.step();
  const double n = static_cast<double>(step.positions()),
               most = static_cast<double>(std::max(step.model->spec.n_ctx, step.positions()));
  const double per_token = footprint(step.graph(), {}, {.cache = storage_of(step.state)}).per_token;
  const Rect area{0, 16, static_cast<float>(width()), plot_px - 34};
  const auto at = [&](double tokens, double bytes) {
    const double x = std::log2(std::max(tokens, 1.0)) / std::max(std::log2(most), 1.0);
    const double y = std::log2(std::max(bytes / std::max(per_token, 1.0), 1.0)) / std::max(std::log2(most), 1.0);
    return Point{area.x + static_cast<float>(x) * area.w, area.bottom() - static_cast<float>(y) * area.h};
  };
  canvas.line({area.x, area.bottom()}, {area.right(), area.bottom()}, theme.hairline, 1, false);
  canvas.line(at(n, n * per_token), at(most, most * per_token), theme.secondary, 1.5f, true);
  const double used = static_cast<double>(step.cache_used_bytes());
  canvas.line(at(1, per_token), at(n, used), theme.text, 1.5f, false);
  const Point now = at(n, used);
  canvas.line({now.x, now.y}, {now.x, area.bottom()}, theme.accent, 1, false);
  canvas.fill({now.x - 2.5f, now.y - 2.5f, 5, 5}, theme.accent);
  const TextStyle dim{Face::Sans, 11, theme.dim, Align::Left};
  const TextStyle right{Face::Sans, 11, theme.dim, Align::Right};
  canvas.text({area.right(), 11}, say_bytes(most * per_token) + " " + std::string(say(Word::PlotByLaw)), right);
  canvas.text({0, plot_px - 4}, "1", dim);
  canvas.text({area.right(), plot_px - 4},
              say_count(static_cast<int64_t>(most), Word::TokenOne, Word::TokenFew, Word::TokenMany), right);
  if (now.x > 16 && now.x < area.right() - 90)
    canvas.text({now.x, plot_px - 4}, std::to_string(step.positions()),
                {Face::SansSemibold, 11, theme.accent, Align::Center});
}

ChoiceBars::ChoiceBars(Stage& stage, QWidget* parent) : QWidget(parent), stage_(stage) {
  auto* grid = new QGridLayout(this);
  grid->setContentsMargins(0, 0, 0, 0);
  grid->setSpacing(0);
  grid->setColumnMinimumWidth(0, token_column_px);
  grid->setColumnStretch(1, 1);
  grid->setColumnMinimumWidth(2, percent_column_px);
  for (int i = 0; i < bar_rows; ++i) {
    Row row{new QLabel(this), new QLabel(this)};
    row.token->setProperty("role", "mono");
    row.token->setTextFormat(Qt::PlainText);
    row.token->setFixedWidth(token_column_px);
    row.token->setFont(font_of(Face::Mono, 11));
    row.percent->setAlignment(Qt::AlignRight | Qt::AlignVCenter);
    for (QLabel* text : {row.token, row.percent}) text->setTextInteractionFlags(Qt::TextSelectableByMouse);
    grid->addWidget(row.token, i, 0);
    grid->addWidget(row.percent, i, 2);
    grid->setRowMinimumHeight(i, bar_row_px);
    rows_.push_back(row);
  }
}

void ChoiceBars::set_choices(const std::vector<TokenChoice>& best, const Model& model) {
  for (size_t i = 0; i < rows_.size(); ++i) {
    const bool there = i < best.size();
    rows_[i].probability = there ? std::exp(static_cast<double>(best[i].logprob)) : 0;
    const QString token = !there            ? QString()
                          : model.tokenizer ? shown_piece(model.tokenizer->piece(best[i].id))
                                            : QString::number(best[i].id);
    rows_[i].token->setText(rows_[i].token->fontMetrics().elidedText(token, Qt::ElideRight, token_column_px - 6));
    rows_[i].token->setToolTip(token);
    rows_[i].percent->setText(there ? said(say_percent(rows_[i].probability)) : QString());
  }
  update();
}

QString ChoiceBars::text(int row) const {
  const Row& r = rows_[static_cast<size_t>(row)];
  return r.token->text() + " " + r.percent->text();
}

void ChoiceBars::paintEvent(QPaintEvent*) {
  QPainter painter(this);
  const double largest = rows_.empty() ? 1 : std::max(rows_.front().probability, 1e-9);
  const double room = width() - token_column_px - percent_column_px;
  for (const Row& row : rows_) {
    if (row.probability <= 0) continue;
    const double length = std::max(1.0, room * row.probability / largest);
    painter.fillRect(QRectF(token_column_px, row.token->geometry().center().y() - 4, length, 9),
                     qcolor(stage_.theme().bar));
  }
}

}  // namespace cutaway
