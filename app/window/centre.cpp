#include "app/window/centre.h"

#include <QHBoxLayout>
#include <QVBoxLayout>

namespace cutaway {
namespace {

constexpr int tools_px = 32, threshold_steps = 100;  // the slider goes from 0 to a weight of 0.5

}  // namespace

Centre::Centre(Stage& stage, QWidget* parent) : QWidget(parent), stage_(stage) {
  setObjectName("Centre");
  setAttribute(Qt::WA_StyledBackground);
  canvas_ = new CanvasWidget(stage, make_view(stage.view_id()), this);
  tools_ = new QWidget(this);
  tools_->setFixedHeight(tools_px);
  scale_ = new Segments(said(Word::Scale), this);
  over_ = new Segments(said(Word::HeadsShown), this);
  sink_ = new QCheckBox(this);
  edit_mask_ = new QCheckBox(this);
  all_heads_ = new QCheckBox(this);
  threshold_word_ = new QLabel(this);
  threshold_word_->setProperty("role", "small");
  threshold_ = new QSlider(Qt::Horizontal, this);
  threshold_->setRange(0, threshold_steps);
  threshold_->setFixedWidth(140);
  auto* row = new QHBoxLayout(tools_);
  row->setContentsMargins(16, 4, 12, 0);
  row->setSpacing(12);
  row->addWidget(over_);
  row->addWidget(scale_);
  row->addWidget(sink_);
  row->addWidget(all_heads_);
  row->addWidget(threshold_word_);
  row->addWidget(threshold_);
  row->addWidget(edit_mask_);
  row->addStretch(1);
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 0, 0, 0);
  column->setSpacing(0);
  column->addWidget(tools_);
  column->addWidget(canvas_, 1);

  connect(scale_, &Segments::picked, this, [this](int i) { stage_.set_scale(static_cast<ScaleMode>(i)); });
  connect(over_, &Segments::picked, this, [this](int i) { stage_.set_heads(static_cast<Heads>(i)); });
  connect(sink_, &QCheckBox::clicked, &stage_, &Stage::set_without_sink);
  connect(edit_mask_, &QCheckBox::clicked, &stage_, &Stage::toggle_mask_editing);
  connect(all_heads_, &QCheckBox::clicked, &stage_, &Stage::set_all_arcs);
  connect(threshold_, &QSlider::valueChanged, this,
          [this](int v) { stage_.set_threshold(0.5f * static_cast<float>(v) / threshold_steps); });
  for (auto changed : {&Stage::stepped, &Stage::selection_changed})
    connect(&stage_, changed, this, &Centre::show_state);
  connect(&stage_, &Stage::language_changed, this, &Centre::say_words);
  connect(&stage_, &Stage::view_changed, this, &Centre::show_view);
  say_words();
  show_view();
}

void Centre::show_view() {
  const std::string& id = stage_.view_id();
  canvas_->show_view(id);
  const bool map = id == "attention", heads = id == "heads", arcs = id == "arcs", mask = id == "mask";
  scale_->setVisible(map || heads);
  over_->setVisible(map);
  sink_->setVisible(map || heads || arcs);
  edit_mask_->setVisible(mask);
  for (QWidget* widget :
       {static_cast<QWidget*>(all_heads_), static_cast<QWidget*>(threshold_word_), static_cast<QWidget*>(threshold_)})
    widget->setVisible(arcs);
  tools_->setVisible(map || heads || arcs || mask);
  show_state();
}

void Centre::say_words() {
  scale_->set_names({said(Word::PickRow), said(Word::PickGlobal), said(Word::PickLog)});
  over_->set_names({said(Word::OneHead), said(Word::MeanOfHeads), said(Word::MaxOfHeads)});
  sink_->setText(said(Word::WithoutSink));
  sink_->setToolTip(said(Word::WithoutSinkHint));
  edit_mask_->setText(said(Word::EditCells));
  all_heads_->setText(said(Word::ArcAllHeads));
  threshold_->setAccessibleName(said(Word::ArcThreshold));
  show_state();
}

void Centre::show_state() {
  const Selection& at = stage_.at();
  scale_->choose(static_cast<int>(at.scale));
  over_->choose(static_cast<int>(at.heads));
  sink_->setChecked(at.without_sink);
  edit_mask_->setChecked(at.edit_mask);
  all_heads_->setChecked(!at.arc_heads.empty());
  threshold_word_->setText(said(Word::ArcThreshold) + " " + said(say_number(at.threshold)));
  const QSignalBlocker quiet(threshold_);
  threshold_->setValue(static_cast<int>(at.threshold / 0.5f * threshold_steps + 0.5f));
}

}  // namespace cutaway
