#include "app/dialogs/export_sheet.h"

#include <QApplication>
#include <QClipboard>
#include <QDir>
#include <QFileDialog>
#include <QFormLayout>
#include <QHBoxLayout>
#include <QPointer>
#include <QSettings>
#include <QStandardPaths>
#include <QThreadPool>
#include <QVBoxLayout>

#include "app/qpainter_canvas.h"
#include "widgets/async_tiles.h"

namespace cutaway {

/// The figure as it will be written, scaled to fit.
class ExportPreview : public QWidget {
 public:
  ExportPreview(Stage& stage, QWidget* parent)
      : QWidget(parent), stage_(stage), tiles_([this] {
          QMetaObject::invokeMethod(
              this, [this] { update(); }, Qt::QueuedConnection);
        }) {
    setMinimumSize(420, 300);
  }

  void set(const std::string& view, QSizeF size, bool dark) {
    if (view != id_) view_ = make_view(view);
    id_ = view;
    size_ = size;
    dark_ = dark;
    update();
  }

 protected:
  void paintEvent(QPaintEvent*) override {
    if (!view_ || !stage_.step()) return;
    QPainter painter(this);
    const double fits = std::min(width() / size_.width(), height() / size_.height());
    painter.translate((width() - size_.width() * fits) / 2, (height() - size_.height() * fits) / 2);
    painter.scale(fits, fits);
    const Theme& theme = dark_ ? dark_theme() : light_theme();
    const Rect area{0, 0, static_cast<float>(size_.width()), static_cast<float>(size_.height())};
    painter.fillRect(qrect(area), qcolor(theme.canvas));
    tiles_.begin_frame();
    QPainterCanvas canvas(painter, area, theme, tiles_);
    view_->draw(canvas, stage_.scene());
  }

 private:
  Stage& stage_;
  std::string id_;
  std::unique_ptr<View> view_;
  QSizeF size_{800, 600};
  bool dark_ = false;
  AsyncTiles tiles_;
};

ExportSheet::ExportSheet(Stage& stage, QWidget* parent) : QDialog(parent), stage_(stage) {
  setObjectName("Sheet");
  setAttribute(Qt::WA_DeleteOnClose);
  setWindowTitle(said(Word::Export));
  setAccessibleName(said(Word::Export));
  preview_ = new ExportPreview(stage, this);
  view_ = new DropDown(this);
  preset_ = new DropDown(this);
  colors_ = new DropDown(this);
  format_ = new Segments(said(Word::Format), this);
  file_ = new QLineEdit(this);
  with_text_ = new QCheckBox(said(Word::IncludeText), this);
  with_text_->setChecked(true);
  transparent_ = new QCheckBox(said(Word::Transparent), this);
  provenance_ = new QLabel(this);
  provenance_->setProperty("role", "dim");
  provenance_->setWordWrap(true);
  provenance_->setTextFormat(Qt::PlainText);
  browse_ = new QPushButton("…", this);
  browse_->setFixedWidth(32);
  export_ = new QPushButton(said(Word::Export), this);
  export_->setProperty("role", "primary");
  export_->setDefault(true);
  cancel_ = new QPushButton(said(Word::Cancel), this);
  fill_choices();
  lay_out();

  for (DropDown* list : {view_, preset_, colors_})
    connect(list, qOverload<int>(&QComboBox::currentIndexChanged), this, &ExportSheet::show_preview);
  connect(format_, &Segments::picked, this, &ExportSheet::suggest_name);
  connect(view_, qOverload<int>(&QComboBox::currentIndexChanged), this, &ExportSheet::suggest_name);
  connect(export_, &QPushButton::clicked, this, &ExportSheet::run);
  connect(cancel_, &QPushButton::clicked, this, &QDialog::close);
  connect(browse_, &QPushButton::clicked, this, [this] {
    const QString chosen = QFileDialog::getSaveFileName(this, said(Word::ChooseFile), file_->text());
    if (!chosen.isEmpty()) file_->setText(chosen);
  });
  suggest_name();
  show_preview();
  resize(960, 460);
  export_->setFocus();
}

/// What can be chosen, and what was chosen last time.
void ExportSheet::fill_choices() {
  for (const ViewKind& kind : view_kinds())
    if (const auto view = make_view(kind.id); view && view->refusal(*stage_.step()).empty())
      view_->addItem(said(kind.name), said(kind.id));
  QStringList formats;
  for (std::string_view ending : export_endings()) formats << said(ending).mid(1).toUpper();
  format_->set_names(formats);
  preset_->addItem(said(Word::PresetView), QString());
  for (const ExportPreset& preset : export_presets()) preset_->addItem(said(preset.name), said(preset.name));
  colors_->addItem(said(Word::LightTheme), false);
  colors_->addItem(said(Word::DarkTheme), true);
  const QSettings settings;
  format_->choose(std::clamp(settings.value("export/format", 0).toInt(), 0, format_->count() - 1));
  preset_->setCurrentIndex(std::max(0, preset_->findData(settings.value("export/preset", ""))));
  colors_->setCurrentIndex(settings.value("export/dark", false).toBool() ? 1 : 0);
  view_->setCurrentIndex(std::max(0, view_->findData(said(stage_.view_id()))));
}

void ExportSheet::lay_out() {
  view_->setAccessibleName(said(Word::ExportWhat));
  preset_->setAccessibleName(said(Word::Size));
  colors_->setAccessibleName(said(Word::Colors));
  file_->setAccessibleName(said(Word::File));
  browse_->setAccessibleName(said(Word::ChooseFile));
  file_->setMinimumWidth(280);
  auto* target = new QHBoxLayout;
  target->addWidget(file_, 1);
  target->addWidget(browse_);
  auto* form = new QFormLayout;
  form->setLabelAlignment(Qt::AlignLeft);
  form->addRow(said(Word::ExportWhat), view_);
  form->addRow(said(Word::Format), format_);
  form->addRow(said(Word::Size), preset_);
  form->addRow(said(Word::Colors), colors_);
  form->addRow(said(Word::File), target);
  form->addRow({}, with_text_);
  form->addRow({}, transparent_);
  auto* buttons = new QHBoxLayout;
  buttons->addStretch(1);
  buttons->addWidget(cancel_);
  buttons->addWidget(export_);
  auto* right = new QVBoxLayout;
  right->addLayout(form);
  right->addWidget(provenance_);
  right->addStretch(1);
  right->addLayout(buttons);
  auto* all = new QHBoxLayout(this);
  all->setContentsMargins(16, 16, 16, 16);
  all->setSpacing(16);
  all->addWidget(preview_, 1);
  all->addLayout(right);
}

ExportOptions ExportSheet::options() const {
  ExportOptions options;
  options.dark = colors_->currentData().toBool();
  options.language = language();
  options.preset = preset_->currentData().toString().toStdString();
  options.transparent = transparent_->isChecked();
  options.with_text = with_text_->isChecked();
  return options;
}

void ExportSheet::suggest_name() {
  QString folder = QSettings().value("export/folder").toString();
  if (folder.isEmpty()) folder = QStandardPaths::writableLocation(QStandardPaths::PicturesLocation);
  if (folder.isEmpty() || !QDir(folder).exists()) folder = QDir::homePath();
  const std::string_view ending = export_endings()[static_cast<size_t>(format_->chosen())];
  file_->setText(QString("%1/cutaway-%2-L%3H%4%5")
                     .arg(folder, view_->currentData().toString())
                     .arg(stage_.block_index())
                     .arg(stage_.at().head)
                     .arg(said(ending)));
}

void ExportSheet::show_preview() {
  QSizeF size(1000, 700);
  for (const ExportPreset& preset : export_presets())
    if (said(preset.name) == preset_->currentData().toString() && preset.width > 0 && preset.height > 0)
      size = QSizeF(preset.width, preset.height);
  const std::string id = view_->currentData().toString().toStdString();
  preview_->set(id, size, colors_->currentData().toBool());
  provenance_->setText(said(provenance_line(stage_.scene(), id)));
}

void ExportSheet::run() {
  const QString file = file_->text();
  QSettings settings;
  settings.setValue("export/format", format_->chosen());
  settings.setValue("export/preset", preset_->currentData());
  settings.setValue("export/dark", colors_->currentData());
  settings.setValue("export/folder", QFileInfo(file).path());
  const std::string view = view_->currentData().toString().toStdString();
  QApplication::clipboard()->setText(provenance_->text());
  export_->setEnabled(false);
  // The file is written on another thread: a large map takes its time, and the window stays alive.
  QThreadPool::globalInstance()->start(
      [sheet = QPointer<ExportSheet>(this), scene = stage_.scene(), view, file, options = options()] {
        const auto done = export_view(scene.step, view, scene.at, file.toStdString(), options);
        const QString sentence =
            done ? said(say(Word::Saved, {file.toStdString()})) : QString::fromStdString(done.error().text);
        QMetaObject::invokeMethod(qApp, [sheet, sentence, ok = static_cast<bool>(done)] {
          if (!sheet) return;
          emit sheet->exported(sentence, !ok);
          if (ok)
            sheet->close();
          else
            sheet->export_->setEnabled(true);
        });
      });
}

}  // namespace cutaway
