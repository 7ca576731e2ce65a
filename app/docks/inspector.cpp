#include "app/docks/inspector.h"

#include <QFrame>
#include <QHBoxLayout>
#include <QPushButton>
#include <QVBoxLayout>

#include "app/docks/inspector_pictures.h"
#include "engine/footprint.h"

namespace cutaway {
namespace {

QLabel* label(const char* role, QWidget* parent) {
  auto* made = new QLabel(parent);
  made->setProperty("role", role);
  made->setTextFormat(Qt::PlainText);
  made->setTextInteractionFlags(Qt::TextSelectableByMouse);
  return made;
}

/// Pairs (query, key) that the rule lets look, among n x n. Spans bound the work for rules; only a painted mask is
/// counted.
int64_t allowed_pairs(const MaskRule& rule, int64_t n) {
  int64_t sum = 0;
  for (int64_t q = 0; q < n; ++q) {
    const auto [first, last] = rule.span(q, n);
    if (rule.kind != MaskRule::Kind::Custom) {
      sum += last - first;
      continue;
    }
    for (int64_t k = first; k < last; ++k) sum += rule.allowed(q, k);
  }
  return sum;
}

}  // namespace

Card::Card(QWidget* parent) : QWidget(parent) {
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(16, 10, 16, 10);
  column->setSpacing(5);
  auto* head = new QHBoxLayout;
  title_ = label("section", this);
  note_ = label("dim", this);
  head->addWidget(title_);
  head->addStretch(1);
  head->addWidget(note_);
  column->addLayout(head);
  auto* key_row = new QHBoxLayout;
  key_row->setSpacing(6);
  key_ = label("key", this);
  unit_ = label("plain", this);
  key_row->addWidget(key_);
  key_row->addWidget(unit_, 1, Qt::AlignBottom);
  column->addLayout(key_row);
  grid_ = new QGridLayout;
  grid_->setContentsMargins(0, 0, 0, 0);
  grid_->setHorizontalSpacing(12);
  grid_->setVerticalSpacing(3);
  grid_->setColumnStretch(1, 1);
  middle_ = new QHBoxLayout;
  middle_->setSpacing(12);
  middle_->addLayout(grid_, 1);
  column->addLayout(middle_);
  pictures_ = new QVBoxLayout;
  column->addLayout(pictures_);
  set_key({}, {});
}

void Card::set_title(const QString& title, const QString& note) {
  title_->setText(title);
  note_->setText(note);
  setAccessibleName(title);
}

void Card::set_key(const QString& number, const QString& unit) {
  key_->setText(number);
  unit_->setText(unit);
  key_->setVisible(!number.isEmpty());
  unit_->setVisible(!number.isEmpty());
}

void Card::set_rows(const std::vector<std::pair<QString, QString>>& rows) {
  while (rows_.size() < rows.size()) {
    auto* name = label("name", this);
    auto* value = label("plain", this);
    value->setAlignment(Qt::AlignRight);
    value->setWordWrap(true);
    const int i = static_cast<int>(rows_.size());
    grid_->addWidget(name, i, 0, Qt::AlignTop);
    grid_->addWidget(value, i, 1);
    rows_.emplace_back(name, value);
  }
  QString aloud;
  for (size_t i = 0; i < rows_.size(); ++i) {
    const auto& [name, value] = rows_[i];
    const bool there = i < rows.size();
    name->setVisible(there);
    value->setVisible(there);
    if (!there) continue;
    name->setText(rows[i].first);
    value->setText(rows[i].second);
    value->setAccessibleName(rows[i].first);
    aloud += rows[i].first + " " + rows[i].second + ". ";
  }
  setAccessibleDescription((key_->text() + " " + unit_->text() + ". " + aloud).trimmed());
}

void Card::add_picture(QWidget* picture) { pictures_->addWidget(picture); }

void Card::add_thumbnail(QWidget* picture) { middle_->insertWidget(0, picture, 0, Qt::AlignTop); }

Inspector::Inspector(Stage& stage, QWidget* parent) : QWidget(parent), stage_(stage) {
  setObjectName("Inspector");
  setAttribute(Qt::WA_StyledBackground);
  auto* body = new QWidget(this);
  body->setObjectName("InspectorBody");
  auto* column = new QVBoxLayout(body);
  column->setContentsMargins(0, 0, 0, 0);
  column->setSpacing(0);
  readout_ = new Card(body);
  switch_ = new Card(body);
  mask_ = new Card(body);
  cache_ = new Card(body);
  next_ = new Card(body);
  thumbnail_ = new MaskThumbnail(stage, mask_);
  growth_ = new GrowthPlot(stage, cache_);
  bars_ = new ChoiceBars(stage, next_);
  mask_->add_thumbnail(thumbnail_);
  cache_->add_picture(growth_);
  next_->add_picture(bars_);
  for (Card* card : {readout_, switch_, mask_, cache_, next_}) {
    if (card != readout_) {
      auto* rule = new QFrame(body);
      rule->setObjectName("Rule");
      rule->setFixedHeight(1);
      column->addWidget(rule);
    }
    column->addWidget(card);
  }
  column->addStretch(1);
  auto* scroll = new QScrollArea(this);
  scroll->setWidget(body);
  scroll->setWidgetResizable(true);
  scroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  scroll->setFocusPolicy(Qt::NoFocus);
  auto* all = new QVBoxLayout(this);
  all->setContentsMargins(0, 0, 0, 0);
  all->addWidget(scroll);

  for (auto changed : {&Stage::selection_changed, &Stage::cursor_moved})
    connect(&stage_, changed, this, &Inspector::show_readout);
  for (auto changed : {&Stage::stepped, &Stage::language_changed, &Stage::theme_changed})
    connect(&stage_, changed, this, &Inspector::show_all);
  connect(&stage_, &Stage::setup_changed, this, &Inspector::show_mask);
  show_all();
}

void Inspector::follow(CanvasWidget* canvas) {
  if (followed_) followed_->disconnect(this);
  connect(canvas, &CanvasWidget::tiles_ready, this, &Inspector::show_readout);
  followed_ = canvas;
  show_readout();
}

void Inspector::show_all() {
  show_readout();
  show_switch();
  show_mask();
  show_cache();
  show_next();
  update();
}

void Inspector::show_readout() {
  const bool pinned = !stage_.at().pins.empty();
  readout_->set_title(said(pinned ? Word::CardPinned : Word::UnderCursor), pinned ? said(Word::EscClears) : QString());
  std::vector<std::pair<QString, QString>> rows;
  const std::vector<Readout> lines = followed_ ? followed_->readout() : std::vector<Readout>{};
  for (const Readout& line : lines) rows.emplace_back(said(line.label), said(line.value));
  if (rows.empty()) rows.emplace_back(said(Word::HoverToRead), QString());
  readout_->set_rows(rows);
}

void Inspector::show_switch() {
  const std::optional<SwitchCost>& cost = stage_.ran().switch_cost;
  switch_->setVisible(cost.has_value());
  if (!cost) return;
  const auto now_and_before = [](const std::string& now, const std::string& before) {
    return said(say(Word::SwitchWas, {now, before}));
  };
  switch_->set_title(said(Word::CardSwitch), said(Word::SwitchNotRetrained));
  std::vector<std::pair<QString, QString>> rows;
  if (cost->tokens > 0) {
    rows.emplace_back(said(Word::SwitchPerplexity),
                      now_and_before(say_number(cost->perplexity), say_number(cost->perplexity_before)));
    rows.emplace_back(said(Word::SwitchText),
                      said(say_count(cost->tokens, Word::TokenOne, Word::TokenFew, Word::TokenMany)));
  }
  rows.emplace_back(said(say(Word::SwitchCacheAt, {say_integer(cost->context)})),
                    now_and_before(say_bytes(cost->cache), say_bytes(cost->cache_before)));
  switch_->set_rows(rows);
}

void Inspector::show_mask() {
  mask_->setVisible(stage_.step() != nullptr);
  if (!stage_.step()) return;
  const MaskRule rule = stage_.mask_now();
  constexpr Word names[] = {Word::MaskCausal, Word::MaskBidirectional, Word::MaskPrefix, Word::MaskWindow,
                            Word::MaskCustom};
  constexpr Word rules[] = {Word::RuleCausal, Word::RuleBidirectional, Word::RulePrefix, Word::RuleWindow,
                            Word::RuleCustom};
  const auto kind = static_cast<size_t>(rule.kind);
  const int64_t n = stage_.step()->positions(), allowed = allowed_pairs(rule, n);
  mask_->set_title(said(Word::Mask), said(names[kind]));
  mask_->set_rows({{said(Word::CardRule), said(say(rules[kind], {std::to_string(rule.n)}))},
                   {said(Word::AllowedPairs), said(say(Word::OfPairs, {say_integer(allowed), say_integer(n * n)}))},
                   {said(Word::HatchedPairs), said(say_integer(n * n - allowed))}});
  thumbnail_->update();
}

void Inspector::show_cache() {
  const bool there = stage_.step() && stage_.step()->backend && stage_.step()->graph().cache_values_per_token() > 0;
  cache_->setVisible(there);
  if (!there) return;
  const Snapshot& step = *stage_.step();
  const auto bytes = [](size_t n) { return said(say_bytes(static_cast<double>(n))); };
  const double per_token = footprint(step.graph(), {}, {.cache = storage_of(step.state)}).per_token;
  cache_->set_title(said(Word::ViewCache),
                    said(say_count(step.positions(), Word::TokenOne, Word::TokenFew, Word::TokenMany)));
  const QStringList used = bytes(step.cache_used_bytes()).split(' ');
  cache_->set_key(used.value(0), used.value(1) + " " + said(Word::CardUsed));
  cache_->set_rows({{said(Word::CardAllocated), bytes(step.cache_allocated_bytes())},
                    {said(Word::ByLawPerToken), said(say(Word::UnitPerToken, {say_bytes(per_token)}))},
                    {said(Word::AllPages), bytes(step.arena_bytes)}});
  growth_->update();
}

void Inspector::show_next() {
  next_->setVisible(stage_.step() && (!stage_.step()->best.empty() || !stage_.step()->fills.empty()));
  if (!stage_.step()) return;
  const Snapshot& step = *stage_.step();
  if (!step.best.empty()) {
    next_->set_title(said(Word::ViewLogits), said(say(Word::CardEntropy, {say_number(step.entropy_bits)})));
    bars_->set_choices(step.best, *step.model);
  } else if (!step.fills.empty()) {
    const Fill* shown = &step.fills.front();
    for (const Fill& fill : step.fills)
      if (fill.position == stage_.playhead()) shown = &fill;
    next_->set_title(said(Word::Fills), said(say(Word::CardPosition, {std::to_string(shown->position)})));
    bars_->set_choices(shown->best, *step.model);
  }
  QString aloud;
  for (int i = 0; i < 6; ++i) aloud += bars_->text(i) + ". ";
  next_->setAccessibleDescription(aloud);
}

}  // namespace cutaway
