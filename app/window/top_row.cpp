#include "app/window/top_row.h"

#include <QHBoxLayout>

#include "app/docks/library_dock.h"
#include "app/window/style.h"

namespace cutaway {

TopRow::TopRow(Stage& stage, QWidget* parent) : QWidget(parent), stage_(stage) {
  setObjectName("TopRow");
  setAttribute(Qt::WA_StyledBackground);
  setFixedHeight(34);
  logo_ = new QLabel(this);
  menus_ = new QMenuBar(this);
  menus_->setNativeMenuBar(false);
  menus_->setSizePolicy(QSizePolicy::Preferred, QSizePolicy::Fixed);
  crumb_ = new QLabel(this);
  crumb_->setTextFormat(Qt::RichText);
  crumb_->setProperty("role", "crumb");
  device_ = new QLabel(this);
  device_->setTextFormat(Qt::RichText);
  field_ = new QPushButton(this);
  field_->setProperty("role", "field");
  field_->setMinimumWidth(200);
  export_ = new QPushButton(this);
  auto* row = new QHBoxLayout(this);
  row->setContentsMargins(12, 0, 8, 0);
  row->setSpacing(8);
  row->addWidget(logo_);
  row->addWidget(menus_);
  row->addStretch(1);
  row->addWidget(crumb_);
  row->addStretch(1);
  row->addWidget(field_);
  row->addWidget(device_);
  row->addWidget(export_);
  for (auto changed : {&Stage::stepped, &Stage::selection_changed, &Stage::view_changed, &Stage::language_changed})
    connect(&stage_, changed, this, &TopRow::say_place);
  connect(&stage_, &Stage::theme_changed, this, &TopRow::color);
  color();
}

void TopRow::color() {
  const Theme& t = stage_.theme();
  logo_->setPixmap(glyph_icon(Glyph::Logo, t.text, t.dim).pixmap(16, 16));
  say_place();
}

void TopRow::say_place() {
  field_->setText(said(Word::SearchOrRun) + "   Ctrl K");
  field_->setAccessibleName(said(Word::SearchOrRun));
  export_->setText(said(Word::Export) + "   Ctrl E");
  export_->setAccessibleName(said(Word::Export));
  if (!stage_.step()) return;
  const Snapshot& step = *stage_.step();
  const auto view = make_view(stage_.view_id());
  const QString dim = css(stage_.theme().dim), text = css(stage_.theme().text);
  const QString here = QString("L%1 H%2").arg(stage_.block_index()).arg(stage_.at().head);
  crumb_->setText(
      QString("%1 <span style=\"color:%4\">&nbsp;/&nbsp;</span> %2 <span style=\"color:%4\">&nbsp;/&nbsp;</span> "
              "<b style=\"color:%5\">%3</b>")
          .arg(display_name(step.model->name).toHtmlEscaped(), view ? said(view->name()) : QString(), here, dim, text));
  const QString backend =
      step.backend ? QString::fromStdString(step.backend_name).toUpper() : said(Word::BadgeRecorded);
  const DType dtype = step.model->weights ? step.model->weights->storage_dtype() : DType::F32;
  const QString precision = dtype == DType::F16 ? "fp16" : dtype == DType::BF16 ? "bf16" : "fp32";
  device_->setText(
      QString("<span style=\"color:%1\">●</span>&nbsp; %2 · %3").arg(css(stage_.theme().model_b), backend, precision));
  device_->setToolTip(step.backend ? QString::fromStdString(step.backend->info().device) : QString());
}

}  // namespace cutaway
