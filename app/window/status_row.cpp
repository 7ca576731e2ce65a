#include "app/window/status_row.h"

#include <unistd.h>
#include <QHBoxLayout>
#include <fstream>

namespace cutaway {

size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  size_t total = 0, resident = 0;
  file >> total >> resident;
  return file ? resident * static_cast<size_t>(sysconf(_SC_PAGESIZE)) : 0;
}

StatusRow::StatusRow(Stage& stage, QWidget* parent) : QWidget(parent), stage_(stage) {
  setObjectName("StatusRow");
  setAttribute(Qt::WA_StyledBackground);
  setFixedHeight(24);
  hints_ = new QLabel(this);
  hints_->setTextFormat(Qt::RichText);
  hints_->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
  figures_ = new QLabel(this);
  figures_->setTextInteractionFlags(Qt::TextSelectableByMouse);
  auto* row = new QHBoxLayout(this);
  row->setContentsMargins(12, 0, 12, 0);
  row->addWidget(hints_, 1);
  row->addWidget(figures_);
  connect(&stage_, &Stage::stepped, this, &StatusRow::say_figures);
  for (auto changed :
       {&Stage::language_changed, &Stage::theme_changed, &Stage::view_changed, &Stage::selection_changed})
    connect(&stage_, changed, this, &StatusRow::say_hints);
  connect(&stage_, &Stage::language_changed, this, &StatusRow::say_figures);
  say_hints();
}

void StatusRow::follow(CanvasWidget* canvas) {
  followed_ = canvas;
  say_hints();
}

void StatusRow::say_hints() {
  const std::string id = followed_ ? followed_->view_id() : stage_.view_id();
  Word words = Word::HintsMap;
  if (id == "strip")
    words = Word::HintsStrip;
  else if (id == "timeline")
    words = Word::HintsTimeline;
  else if (id == "mask")
    words = stage_.at().edit_mask ? Word::HintsMaskEdit : Word::HintsMap;
  // The table holds "Click=pin;Wheel=zoom": the gesture stands out, what it does follows.
  QStringList parts;
  for (const QString& pair : said(words).split(';')) {
    const QStringList both = pair.split('=');
    parts << QString("<span style=\"color:%1\">%2</span> %3")
                 .arg(qcolor(stage_.theme().text).name(), both.value(0).toHtmlEscaped(), both.value(1).toHtmlEscaped());
  }
  hints_->setText(parts.join("&nbsp;&nbsp;&nbsp; "));
}

void StatusRow::say_figures() {
  if (!stage_.step()) return;
  const Snapshot& step = *stage_.step();
  QStringList parts;
  if (step.backend) {
    parts << said(say(Word::FigurePass, {say_ms(step.pass_ms)}));
    parts << said(say(Word::FigureCache, {say_bytes(static_cast<double>(step.cache_used_bytes()))}));
    if (const size_t bytes = resident_bytes())
      parts << said(say(Word::FigureMemory, {say_bytes(static_cast<double>(bytes))}));
    const BackendInfo info = step.backend->info();
    parts << QString::fromStdString(info.name == "cpu"      ? "CPU"
                                    : info.name == "vulkan" ? "Vulkan"
                                                            : info.name) +
                 " · " + QString::fromStdString(info.device);
  } else {
    parts << said(say(Word::FigureTrace, {step.backend_name}));
  }
  figures_->setText(parts.join("     "));
}

}  // namespace cutaway
