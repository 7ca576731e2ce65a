#include "app/docks/library_dock.h"

#include <QFileInfo>
#include <QHeaderView>
#include <QVBoxLayout>
#include <filesystem>

#include "app/cli/library.h"
#include "app/qpainter_canvas.h"

namespace cutaway {
namespace {

enum ItemData { Target = Qt::UserRole, IsSection, Hint };

/// Bytes of the weight files in a folder, or of a file.
uintmax_t bytes_on_disk(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code failed;
  if (fs::is_regular_file(path, failed)) return fs::file_size(path, failed);
  uintmax_t sum = 0;
  for (const auto& entry : fs::directory_iterator(path, failed))
    if (entry.path().extension() == ".safetensors") sum += entry.file_size(failed);
  return sum;
}

QIcon dot(Color color, bool filled) {
  QPixmap pixmap(24, 24);
  pixmap.setDevicePixelRatio(2);
  pixmap.fill(Qt::transparent);
  QPainter painter(&pixmap);
  painter.setRenderHint(QPainter::Antialiasing);
  painter.setPen(Qt::NoPen);
  if (filled) painter.setBrush(qcolor(color));
  painter.drawEllipse(QRectF(3, 3, 6, 6));
  return QIcon(pixmap);
}

QTreeWidget* tree(QWidget* parent) {
  auto* made = new QTreeWidget(parent);
  made->setColumnCount(2);
  made->setHeaderHidden(true);
  made->setRootIsDecorated(false);
  made->setIndentation(0);
  made->setUniformRowHeights(true);
  made->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  made->header()->setStretchLastSection(false);
  made->setIconSize({12, 12});
  made->setExpandsOnDoubleClick(false);
  return made;
}

}  // namespace

QString display_name(const std::string& model) {
  const QString name = QFileInfo(QString::fromStdString(model)).fileName();
  QStringList parts = name.split('-', Qt::SkipEmptyParts);
  if (parts.empty() || parts.front() != "mini") return name;
  for (QString& part : parts)  // "Mini GPT", "Mini Llama": up to four letters are an abbreviation
    part = part.size() <= 4 && part != "mini" ? part.toUpper() : part.left(1).toUpper() + part.mid(1);
  return parts.join(' ');
}

LibraryDock::LibraryDock(Stage& stage, QWidget* parent) : QWidget(parent), stage_(stage) {
  setObjectName("LeftDock");
  setAttribute(Qt::WA_StyledBackground);
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 8, 0, 0);
  column->setSpacing(0);
  filter_ = new QLineEdit(this);
  auto* padded = new QHBoxLayout;
  padded->setContentsMargins(12, 0, 12, 4);
  padded->addWidget(filter_);
  column->addLayout(padded);
  library_ = tree(this);
  library_->header()->setSectionResizeMode(0, QHeaderView::Stretch);
  library_->header()->setSectionResizeMode(1, QHeaderView::ResizeToContents);
  library_->setObjectName("Library");
  column->addWidget(library_, 1);
  auto* rule = new QFrame(this);
  rule->setObjectName("Rule");
  rule->setFixedHeight(1);
  column->addWidget(rule);
  views_ = tree(this);
  views_->header()->setSectionResizeMode(0, QHeaderView::Fixed);
  views_->header()->resizeSection(0, 32);
  views_->header()->setSectionResizeMode(1, QHeaderView::Stretch);
  views_->setObjectName("Views");
  column->addWidget(views_);

  connect(library_, &QTreeWidget::itemClicked, this, &LibraryDock::activate);
  connect(library_, &QTreeWidget::itemActivated, this, &LibraryDock::activate);
  const auto show_view = [this](QTreeWidgetItem* item) {
    if (item->data(0, Target).isValid()) stage_.show_view(item->data(0, Target).toString().toStdString());
  };
  connect(views_, &QTreeWidget::itemClicked, this, show_view);
  connect(views_, &QTreeWidget::itemActivated, this, show_view);
  connect(filter_, &QLineEdit::textChanged, this, [this](const QString& text) {
    for (int i = 0; i < library_->topLevelItemCount(); ++i) {
      QTreeWidgetItem* item = library_->topLevelItem(i);
      item->setHidden(!item->data(0, IsSection).toBool() && !item->text(0).contains(text, Qt::CaseInsensitive));
    }
  });
  const auto fill = [this] { fill_library(), fill_views(); };
  connect(&stage_, &Stage::language_changed, this, fill);
  connect(&stage_, &Stage::theme_changed, this, &LibraryDock::color);
  connect(&stage_, &Stage::stepped, this, &LibraryDock::mark);
  connect(&stage_, &Stage::view_changed, this, &LibraryDock::mark);
  fill();
}

void LibraryDock::add_section(Word title, Word note) {
  auto* item = new QTreeWidgetItem(library_, {said(title), said(note)});
  item->setData(0, IsSection, true);
  item->setFlags(Qt::ItemIsEnabled);
}

void LibraryDock::add_model(const QString& name, const std::string& target, const QString& size, const QString& hint) {
  auto* item = new QTreeWidgetItem(library_, {name, size});
  item->setData(0, Target, QString::fromStdString(target));
  item->setToolTip(0, hint);
  if (size.isEmpty()) item->setFirstColumnSpanned(true);
  item->setData(0, Qt::AccessibleTextRole, size.isEmpty() ? name : name + ", " + size);
}

void LibraryDock::fill_library() {
  filter_->setPlaceholderText(said(Word::FilterModels));
  filter_->setAccessibleName(said(Word::FilterModels));
  library_->setAccessibleName(said(Word::Library));
  library_->clear();
  const auto entries = cutaway::library();
  const auto size_of = [](const std::string& path) {
    return said(say_bytes(static_cast<double>(bytes_on_disk(path))));
  };
  add_section(Word::Bundled, Word::CpuReady);
  for (const LibraryEntry& entry : entries)
    if (!entry.blueprint)
      add_model(display_name(entry.name), entry.name, size_of(entry.folder), QString::fromStdString(entry.folder));
  add_section(Word::YourModels, Word::Add);
  for (const QString& folder : recent_) {
    add_model(QFileInfo(folder).fileName(), folder.toStdString(), size_of(folder.toStdString()), folder);
    if (QFileInfo::exists(folder)) continue;
    QTreeWidgetItem* item = library_->topLevelItem(library_->topLevelItemCount() - 1);
    QFont struck = item->font(0);
    struck.setStrikeOut(true);
    item->setFont(0, struck);
    item->setToolTip(0, folder + "\n" + said(Word::FileIsGone));
  }
  if (std::ranges::any_of(entries, &LibraryEntry::blueprint)) add_section(Word::Blueprints, Word::LibraryRandom);
  for (const LibraryEntry& entry : entries)
    if (entry.blueprint) add_model(QString::fromStdString(entry.name), entry.name, {}, said(Word::LibraryRandom));
  mark();
  emit models_changed();
}

void LibraryDock::fill_views() {
  views_->setAccessibleName(said(Word::Views));
  views_->clear();
  auto* title = new QTreeWidgetItem(views_, {said(Word::Views), {}});
  title->setFirstColumnSpanned(true);
  title->setData(0, IsSection, true);
  title->setFlags(Qt::ItemIsEnabled);
  int key = 0;
  for (const ViewKind& kind : view_kinds()) {
    auto* item = new QTreeWidgetItem(views_, {QString::number(++key), said(say(kind.name))});
    item->setData(0, Target, QString::fromUtf8(kind.id.data(), static_cast<qsizetype>(kind.id.size())));
    item->setTextAlignment(0, Qt::AlignCenter);
  }
  views_->setFixedHeight(24 * (key + 1) + 12);
  mark();
}

void LibraryDock::mark() {
  for (int i = 1; i < views_->topLevelItemCount(); ++i) {
    QTreeWidgetItem* item = views_->topLevelItem(i);
    const std::string id = item->data(0, Target).toString().toStdString();
    if (id == stage_.view_id()) views_->setCurrentItem(item, 1);
    const auto view = stage_.step() ? make_view(id) : nullptr;
    const QString refusal = view ? said(view->refusal(*stage_.step())) : QString();
    for (int column : {0, 1}) {
      item->setToolTip(column, refusal);
      item->setData(column, Hint, refusal);
    }
  }
  color();
}

void LibraryDock::color() {
  const Theme& theme = stage_.theme();
  const std::string running = stage_.step() ? stage_.ran().setup.model : std::string();
  for (int i = 0; i < library_->topLevelItemCount(); ++i) {
    QTreeWidgetItem* item = library_->topLevelItem(i);
    const bool section = item->data(0, IsSection).toBool();
    item->setTextAlignment(1, Qt::AlignRight | Qt::AlignVCenter);
    item->setForeground(1, qcolor(theme.dim));
    if (section) {
      item->setForeground(0, qcolor(theme.secondary));
      item->setFont(0, font_of(Face::SansSemibold, 11));
      item->setFont(1, font_of(Face::Sans, 11));
      continue;
    }
    const bool loaded = !running.empty() && item->data(0, Target).toString().toStdString() == running;
    item->setIcon(0, dot(theme.model_b, loaded));
    item->setForeground(0, qcolor(theme.text));
    item->setFont(1, font_of(Face::Sans, 11));
    if (loaded) library_->setCurrentItem(item);
  }
  for (int i = 0; i < views_->topLevelItemCount(); ++i) {
    QTreeWidgetItem* item = views_->topLevelItem(i);
    const bool section = item->data(0, IsSection).toBool(), refused = !item->data(1, Hint).toString().isEmpty();
    item->setForeground(0, qcolor(section ? theme.secondary : theme.dim));
    item->setForeground(1, qcolor(refused ? theme.dim : theme.text));
    item->setFont(0, font_of(section ? Face::SansSemibold : Face::Mono, 11));
  }
}

void LibraryDock::activate(QTreeWidgetItem* item) {
  if (item->data(0, IsSection).toBool()) {
    if (item->text(1) == said(Word::Add)) emit open_asked();
    return;
  }
  Setup setup = stage_.setup();
  const std::string target = item->data(0, Target).toString().toStdString();
  if (target == setup.model) return;
  const bool blueprint = item->toolTip(0) == said(Word::LibraryRandom);
  setup.model = target;
  setup.options = {};
  setup.mask.reset();
  if (blueprint) setup.options.random_seed = 1;
  stage_.change(setup, item->text(0));
}

void LibraryDock::set_recent(const QStringList& folders) {
  recent_ = folders;
  fill_library();
}

std::vector<std::pair<QString, std::string>> LibraryDock::models() const {
  std::vector<std::pair<QString, std::string>> found;
  for (int i = 0; i < library_->topLevelItemCount(); ++i) {
    const QTreeWidgetItem* item = library_->topLevelItem(i);
    if (!item->data(0, IsSection).toBool())
      found.emplace_back(item->text(0), item->data(0, Target).toString().toStdString());
  }
  return found;
}

}  // namespace cutaway
