#include "app/docks/timeline_dock.h"

#include <QHBoxLayout>
#include <QVBoxLayout>

#include "app/window/style.h"
#include "widgets/views/strips.h"

namespace cutaway {
namespace {

constexpr int play_ms = 500;  // 2 tokens/s

}  // namespace

TimelineDock::TimelineDock(Stage& stage, QWidget* parent) : QWidget(parent), stage_(stage) {
  setObjectName("Timeline");
  setAttribute(Qt::WA_StyledBackground);
  first_ = button(Word::ToFirst, "Home");
  back_ = button(Word::TokenBack, "Left");
  play_ = button(Word::Play, "Space");
  forward_ = button(Word::TokenForward, "Right");
  last_ = button(Word::ToLast, "End");
  speed_ = new QLabel(this);
  speed_->setProperty("role", "small");
  place_ = new QLabel(this);
  place_->setTextFormat(Qt::RichText);
  cost_ = new QLabel(this);
  cost_->setProperty("role", "small");
  auto* row = new QHBoxLayout;
  row->setContentsMargins(8, 4, 12, 0);
  row->setSpacing(2);
  for (QToolButton* b : {first_, back_, play_, forward_, last_}) row->addWidget(b);
  row->addSpacing(12);
  row->addWidget(speed_);
  row->addSpacing(12);
  row->addWidget(place_);
  row->addStretch(1);
  row->addWidget(cost_);
  canvas_ = new CanvasWidget(stage, make_timeline(), this);
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 0, 0, 0);
  column->setSpacing(0);
  column->addLayout(row);
  column->addWidget(canvas_, 1);

  clock_.setInterval(play_ms);
  connect(&clock_, &QTimer::timeout, this, &TimelineDock::tick);
  connect(first_, &QToolButton::clicked, &stage_, &Stage::go_to_first);
  connect(last_, &QToolButton::clicked, &stage_, &Stage::go_to_last);
  connect(back_, &QToolButton::clicked, this, [this] { stage_.move_playhead(-1); });
  connect(forward_, &QToolButton::clicked, this, [this] { stage_.move_playhead(1); });
  connect(play_, &QToolButton::clicked, this, &TimelineDock::toggle_play);
  connect(&stage_, &Stage::notice, this, [this](const QString&, bool is_error) {
    if (is_error) play(false);
  });
  for (auto changed : {&Stage::stepped, &Stage::selection_changed, &Stage::language_changed})
    connect(&stage_, changed, this, &TimelineDock::say_words);
  connect(&stage_, &Stage::theme_changed, this, [this] { color(), say_words(); });
  color();
  say_words();
}

QToolButton* TimelineDock::button(Word name, const QString& key) {
  auto* made = new QToolButton(this);
  made->setProperty("role", "transport");
  made->setFocusPolicy(Qt::TabFocus);
  const auto say_it = [made, name, key] {
    made->setAccessibleName(said(name));
    made->setToolTip(said(name) + "  " + key);
  };
  say_it();
  connect(&stage_, &Stage::language_changed, made, say_it);
  return made;
}

void TimelineDock::play(bool on) {
  if (on && stage_.ran().can_step) {
    clock_.start();
    tick();
  } else {
    clock_.stop();
  }
  color();
}

void TimelineDock::tick() {
  if (stage_.engine().busy()) return;  // a slow model plays at its own pace
  const SnapshotPtr& step = stage_.step();
  if (!step || !stage_.ran().can_step || step->positions() >= step->model->spec.n_ctx) return play(false);
  stage_.move_playhead(1);
}

void TimelineDock::color() {
  const Theme& t = stage_.theme();
  first_->setIcon(glyph_icon(Glyph::First, t.secondary, t.hairline));
  back_->setIcon(glyph_icon(Glyph::Back, t.secondary, t.hairline));
  play_->setIcon(glyph_icon(playing() ? Glyph::Pause : Glyph::Play, t.text, t.hairline));
  forward_->setIcon(glyph_icon(Glyph::Forward, t.secondary, t.hairline));
  last_->setIcon(glyph_icon(Glyph::Last, t.secondary, t.hairline));
}

void TimelineDock::say_words() {
  speed_->setText(said(Word::PlaySpeed));
  const Ran& ran = stage_.ran();
  play_->setEnabled(ran.can_step);
  if (!ran.step) return;
  const Snapshot& step = *ran.step;
  const std::string of = std::to_string(step.n_prompt + ran.steps_known);
  const std::string now = std::to_string(stage_.playhead() + 1);
  QString place = said(say(Word::TokenOf, {"%now%", ran.can_step ? of : std::to_string(step.positions())}));
  place.replace(
      "%now%",
      QString("<span style=\"color:%1\">%2</span>").arg(css(stage_.theme().accent), QString::fromStdString(now)));
  place_->setText("<b>" + place + "</b>");
  place_->setAccessibleName(said(say(Word::TokenOf, {now, of})));
  const bool prefill = step.pass_tokens > 1;
  cost_->setText(step.pass_ms > 0 ? said(say(prefill ? Word::PassPrefill : Word::PassDecode,
                                             {say_ms(step.pass_ms), std::to_string(step.pass_tokens)}))
                                  : QString());
}

}  // namespace cutaway
