#include "app/docks/switch_bar.h"

#include <QHBoxLayout>
#include <QStyle>
#include <algorithm>

namespace cutaway {
namespace {

constexpr Word mask_words[] = {Word::MaskCausal, Word::MaskBidirectional, Word::MaskPrefix, Word::MaskWindow,
                               Word::MaskCustom};
constexpr std::optional<DType> precisions[] = {std::nullopt, DType::F32, DType::F16, DType::BF16};

constexpr const char* kinds[] = {"mha", "gqa", "mqa", "mla", "window"};  // as switch_choices has them

std::string kind_in(const std::string& attention) { return attention.substr(0, attention.find(':')); }

QString kind_name(const std::string& kind) {
  return kind == "window" ? said(Word::MaskWindow) : QString::fromStdString(kind).toUpper();
}

/// What the checkpoint itself has for a kind's number; 0: the kind has none.
int64_t own_number(const ModelSpec& spec, const std::string& kind) {
  const AttentionSpec& a = spec.layers.front().attention;
  return kind == "gqa" ? a.n_kv_heads : kind == "mla" ? a.latent.kv_lora_rank : 0;
}

void mark_changed(QWidget* widget, bool changed) {
  if (widget->property("changed").toBool() == changed) return;
  widget->setProperty("changed", changed);
  widget->style()->unpolish(widget);
  widget->style()->polish(widget);
}

QString precision_name(const std::optional<DType>& dtype) {
  if (!dtype) return said(Word::AsInFile);
  return *dtype == DType::F32 ? "fp32" : *dtype == DType::F16 ? "fp16" : "bf16";
}

}  // namespace

SwitchBar::SwitchBar(Stage& stage, QWidget* parent) : QWidget(parent), stage_(stage) {
  setObjectName("SwitchBar");
  setAttribute(Qt::WA_StyledBackground);
  setFixedHeight(44);
  auto* row = new QHBoxLayout(this);
  row->setContentsMargins(12, 0, 8, 0);
  row->setSpacing(8);
  model_ = new DropDown(this);
  model_->setMinimumWidth(110);
  attention_ = new Segments(said(Word::Attention), this);
  attention_n_ = new DropDown(this);
  attention_n_->setFixedWidth(64);
  mask_ = new Segments(said(Word::Mask), this);
  mask_n_ = new QSpinBox(this);
  mask_n_->setRange(1, 1 << 20);
  mask_n_->setFixedWidth(56);
  mask_n_->setKeyboardTracking(false);
  precision_ = new DropDown(this);
  backend_ = new DropDown(this);
  badge_ = new QLabel(this);
  badge_->setProperty("role", "small");
  back_ = new QPushButton(this);
  row->addWidget(label(Word::Architecture));
  row->addWidget(model_);
  row->addSpacing(4);
  row->addWidget(label(Word::Attention));
  row->addWidget(attention_);
  row->addWidget(attention_n_);
  row->addSpacing(4);
  row->addWidget(label(Word::Mask));
  row->addWidget(mask_);
  row->addWidget(mask_n_);
  row->addSpacing(4);
  row->addWidget(label(Word::Precision));
  row->addWidget(precision_);
  row->addWidget(label(Word::BackEnd));
  row->addWidget(backend_);
  row->addStretch(1);
  row->addWidget(badge_);
  row->addWidget(back_);

  connect(model_, qOverload<int>(&QComboBox::activated), this, [this](int i) {
    Setup setup = stage_.setup();
    setup.model = model_->itemData(i).toString().toStdString();
    setup.options.attention.clear();
    setup.mask.reset();
    stage_.change(setup, model_->itemText(i));
  });
  connect(attention_, &Segments::picked, this, &SwitchBar::pick_attention);
  connect(attention_n_, qOverload<int>(&QComboBox::activated), this,
          [this](int i) { pick_attention_number(attention_n_->itemData(i).toLongLong()); });
  connect(mask_, &Segments::picked, this, &SwitchBar::pick_mask);
  connect(mask_n_, qOverload<int>(&QSpinBox::valueChanged), this, &SwitchBar::pick_number);
  connect(precision_, qOverload<int>(&QComboBox::activated), this, [this](int i) {
    Setup setup = stage_.setup();
    setup.options.dtype = precisions[static_cast<size_t>(i)];
    stage_.change(setup, said(Word::Precision) + ": " + precision_->itemText(i));
  });
  connect(backend_, qOverload<int>(&QComboBox::activated), this, [this](int i) {
    Setup setup = stage_.setup();
    setup.backend = backend_->itemData(i).toString().toStdString();
    stage_.change(setup, said(Word::BackEnd) + ": " + backend_->itemText(i));
  });
  connect(back_, &QPushButton::clicked, this, [this] {
    Setup setup = stage_.setup();
    setup.mask.reset();
    setup.options.attention.clear();
    setup.options.dtype.reset();
    stage_.change(setup, said(Word::BackToCheckpoint));
  });
  connect(&stage_, &Stage::setup_changed, this, &SwitchBar::show_setup);
  connect(&stage_, &Stage::stepped, this, &SwitchBar::show_setup);
  connect(&stage_, &Stage::language_changed, this, &SwitchBar::say_words);
  set_devices({{"cpu", "CPU", false}});
  say_words();
}

QLabel* SwitchBar::label(Word word) {
  auto* made = new QLabel(this);
  made->setProperty("role", "small");
  worded(stage_, made, word);
  labels_.push_back(made);
  return made;
}

void SwitchBar::set_models(const std::vector<std::pair<QString, std::string>>& models) {
  model_->clear();
  for (const auto& [name, target] : models) model_->addItem(name, QString::fromStdString(target));
  show_setup();
}

void SwitchBar::set_devices(const std::vector<DeviceEntry>& devices) {
  devices_ = devices;
  backend_->clear();
  for (const DeviceEntry& device : devices) {
    const QString backend = QString::fromStdString(device.backend);
    if (backend_->findData(backend) >= 0) continue;
    backend_->addItem(backend == "cpu" ? "CPU" : backend == "cuda" ? "CUDA" : "Vulkan", backend);
    backend_->setItemData(backend_->count() - 1, QString::fromStdString(device.name), Qt::ToolTipRole);
  }
  show_setup();
}

void SwitchBar::say_words() {
  model_->setAccessibleName(said(Word::Architecture));
  precision_->setAccessibleName(said(Word::Precision));
  backend_->setAccessibleName(said(Word::BackEnd));
  mask_n_->setAccessibleName(said(Word::MaskNumber));
  back_->setText(said(Word::BackToCheckpoint));
  attention_->setAccessibleName(said(Word::Attention));
  mask_->setAccessibleName(said(Word::Mask));
  attention_n_->setAccessibleName(said(Word::AttentionNumber));
  QStringList masks, attentions;
  for (Word word : mask_words) masks << said(word);
  for (const char* kind : kinds) attentions << kind_name(kind);
  mask_->set_names(masks);
  attention_->set_names(attentions);
  mask_->set_refusal(4, {});
  const int kept = precision_->currentIndex();
  precision_->clear();
  for (const auto& dtype : precisions) precision_->addItem(precision_name(dtype));
  precision_->setCurrentIndex(kept);
  show_setup();
  fold();
}

void SwitchBar::show_setup() {
  const Setup& setup = stage_.setup();
  const int model = model_->findData(QString::fromStdString(setup.model));
  model_->setCurrentIndex(model);
  const MaskRule mask = stage_.mask_now();
  mask_->choose(static_cast<int>(mask.kind));
  mask_->set_changed(setup.mask.has_value());
  const bool counted = mask.kind == MaskRule::Kind::Prefix || mask.kind == MaskRule::Kind::Window;
  mask_n_->setVisible(counted);
  if (counted) {
    const QSignalBlocker quiet(mask_n_);
    mask_n_->setValue(static_cast<int>(mask.n));
  }
  show_attention();
  precision_->setCurrentIndex(
      static_cast<int>(std::ranges::find(precisions, setup.options.dtype) - std::begin(precisions)));
  mark_changed(precision_, setup.options.dtype.has_value());
  const std::string backend = stage_.step() && setup.backend == "auto" ? stage_.step()->backend_name : setup.backend;
  backend_->setCurrentIndex(std::max(0, backend_->findData(QString::fromStdString(backend))));

  const bool is_trace = stage_.step() && !stage_.step()->backend;
  for (QWidget* widget :
       {static_cast<QWidget*>(attention_), static_cast<QWidget*>(attention_n_), static_cast<QWidget*>(mask_),
        static_cast<QWidget*>(mask_n_), static_cast<QWidget*>(precision_), static_cast<QWidget*>(backend_)}) {
    widget->setEnabled(!is_trace);
    widget->setToolTip(is_trace ? said(Word::TraceHasNoWeights) : QString());
  }
  const int changes = setup.mask.has_value() + !setup.options.attention.empty() + setup.options.dtype.has_value();
  const bool random = stage_.step() && stage_.step()->model->random_weights;
  badge_->setText(said(random                                           ? Word::BadgeRandom
                       : is_trace                                       ? Word::BadgeRecorded
                       : changes == 0                                   ? Word::BadgeCheckpoint
                       : setup.mask || !setup.options.attention.empty() ? Word::BadgeDerived
                                                                        : Word::BadgeExact));
  back_->setVisible(changes > 0);
  fold();
}

std::vector<SwitchChoice> SwitchBar::choices() const {
  const SnapshotPtr& step = stage_.step();
  if (!step || !step->backend || step->model->spec.layers.empty()) return {};
  return switch_choices(step->model->switched_from ? step->model->switched_from : step->model);
}

void SwitchBar::show_attention() {
  const std::vector<SwitchChoice> all = choices();
  const std::string& attention = stage_.setup().options.attention;
  attention_n_->setVisible(false);
  attention_->set_changed(!attention.empty());
  if (all.empty()) return;
  const ModelSpec& spec = stage_.step()->model->spec;
  const std::string kind = attention.empty() ? spec.layers.front().attention.kind : kind_in(attention);
  for (size_t i = 0; i < all.size(); ++i) {
    attention_->set_refusal(static_cast<int>(i), said(all[i].refusal));
    if (all[i].kind != kind) continue;
    attention_->choose(static_cast<int>(i));
    attention_n_->setVisible(!all[i].numbers.empty());
    attention_n_->clear();
    const int64_t now = attention.empty() ? own_number(spec, kind) : 0;
    for (int64_t n : all[i].numbers) {
      attention_n_->addItem(QString::number(n), QVariant::fromValue<qlonglong>(n));
      if (attention.empty() ? n == now : all[i].text(n) == attention)
        attention_n_->setCurrentIndex(attention_n_->count() - 1);
    }
  }
  mark_changed(attention_n_, !attention.empty());
}

void SwitchBar::pick_attention(int kind) {
  const std::vector<SwitchChoice> all = choices();
  if (all.empty()) return;
  const SwitchChoice& choice = all[static_cast<size_t>(kind)];
  const ModelPtr& model = stage_.step()->model;
  const ModelSpec& trained = (model->switched_from ? model->switched_from : model)->spec;
  if (trained.layers.front().attention.kind == choice.kind) return ask_for({});  // as in the checkpoint
  ask_for(choice.text(choice.numbers.empty() ? 0 : choice.numbers[(choice.numbers.size() - 1) / 2]));
}

void SwitchBar::pick_attention_number(int64_t number) {
  const std::vector<SwitchChoice> all = choices();
  if (!all.empty()) ask_for(all[static_cast<size_t>(attention_->chosen())].text(number));
}

void SwitchBar::ask_for(const std::string& attention) {
  Setup setup = stage_.setup();
  setup.options.attention = attention;
  stage_.change(setup, said(Word::Attention) + ": " + kind_name(kind_in(attention)));
}

void SwitchBar::pick_mask(int kind) {
  if (!stage_.step()) return;
  MaskRule rule = stage_.mask_now();
  const auto wanted = static_cast<MaskRule::Kind>(kind);
  if (wanted == rule.kind) return;
  const int64_t n = stage_.step()->positions();
  if (wanted == MaskRule::Kind::Custom) {  // nothing changes until a cell is painted
    auto bits = std::make_shared<MaskBits>(n, n);
    for (int64_t q = 0; q < n; ++q)
      for (int64_t k = 0; k < n; ++k) bits->set(q, k, rule.allowed(q, k));
    stage_.set_mask({wanted, 0, std::move(bits)});
    stage_.show_view("mask");
    if (!stage_.at().edit_mask) stage_.toggle_mask_editing();
    return;
  }
  const int64_t count =
      wanted == MaskRule::Kind::Prefix || wanted == MaskRule::Kind::Window ? std::max<int64_t>(1, n / 3) : 0;
  stage_.set_mask({wanted, count, nullptr});
}

void SwitchBar::pick_number(int n) {
  MaskRule rule = stage_.mask_now();
  rule.n = n;
  stage_.set_mask(rule);
}

void SwitchBar::resizeEvent(QResizeEvent*) { fold(); }

/// Where the row is too narrow, the segments become drop-downs and the captions go, the least needed first.
void SwitchBar::fold() {
  const auto needed = [this] { return layout()->minimumSize().width(); };
  for (QLabel* caption : labels_) caption->setVisible(true);
  attention_->set_folded(false);
  mask_->set_folded(false);
  layout()->invalidate();
  if (needed() > width()) mask_->set_folded(true), layout()->invalidate();
  if (needed() > width()) attention_->set_folded(true), layout()->invalidate();
  for (auto caption = labels_.rbegin(); caption != labels_.rend() && needed() > width(); ++caption) {
    (*caption)->setVisible(false);
    layout()->invalidate();
  }
}

}  // namespace cutaway
