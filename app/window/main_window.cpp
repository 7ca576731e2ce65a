#include "app/window/main_window.h"

#include <QApplication>
#include <QCloseEvent>
#include <QDockWidget>
#include <QDragEnterEvent>
#include <QFileInfo>
#include <QMimeData>
#include <QPointer>
#include <QScreen>
#include <QSettings>
#include <QStatusBar>
#include <QThreadPool>
#include <QVBoxLayout>
#include <algorithm>
#include <array>

#include "app/device.h"
#include "app/window/style.h"

namespace cutaway {
namespace {

constexpr int left_px = 216, right_px = 300, timeline_px = 148, layout_version = 1, most_recent = 12;

}  // namespace

MainWindow::MainWindow(const WindowArguments& arguments, QWidget* parent) : QMainWindow(parent), stage_(engine_) {
  setWindowTitle("Cutaway");
  setMinimumSize(1120, 700);
  setAcceptDrops(true);
  restore_settings(arguments);  // language and theme first: everything is born in them
  compose();
  make_actions();
  connect_parts();
  restyle();
  const QSettings settings;
  library_->set_recent(settings.value("library/recent").toStringList());
  first_layout_ = saveState(layout_version);
  resize(settings.value("window/size", QSize(1600, 1000)).toSize().boundedTo(screen()->availableSize()));
  restoreState(settings.value("window/layout").toByteArray(), layout_version);
  find_devices();
  qApp->installEventFilter(this);
  start(arguments);
}

MainWindow::~MainWindow() {
  qApp->removeEventFilter(this);
  QThreadPool::globalInstance()->waitForDone();
}

void MainWindow::compose() {
  top_row_ = new TopRow(stage_, this);
  switch_bar_ = new SwitchBar(stage_, this);
  notice_ = new Notice(stage_, this);
  progress_ = new QProgressBar(this);
  progress_->setObjectName("Progress");
  progress_->setFixedHeight(2);
  progress_->setTextVisible(false);
  progress_->setRange(0, 1000);
  progress_->setAccessibleName(said(Word::Loading));
  auto* head = new QWidget(this);
  auto* rows = new QVBoxLayout(head);
  rows->setContentsMargins(0, 0, 0, 0);
  rows->setSpacing(0);
  rows->addWidget(top_row_);
  rows->addWidget(switch_bar_);
  rows->addWidget(progress_);
  rows->addWidget(notice_);
  setMenuWidget(head);

  library_ = new LibraryDock(stage_, this);
  inspector_ = new Inspector(stage_, this);
  timeline_ = new TimelineDock(stage_, this);
  strip_ = new TokenStrip(stage_, this);
  centre_ = new Centre(stage_, this);
  auto* middle = new QWidget(this);
  auto* column = new QVBoxLayout(middle);
  column->setContentsMargins(0, 0, 0, 0);
  column->setSpacing(0);
  column->addWidget(strip_);
  column->addWidget(centre_, 1);
  setCentralWidget(middle);

  setCorner(Qt::BottomLeftCorner, Qt::BottomDockWidgetArea);
  setCorner(Qt::BottomRightCorner, Qt::BottomDockWidgetArea);
  left_ = dock(library_, Qt::LeftDockWidgetArea, "left");
  right_ = dock(inspector_, Qt::RightDockWidgetArea, "right");
  bottom_ = dock(timeline_, Qt::BottomDockWidgetArea, "timeline");
  resizeDocks({left_, right_}, {left_px, right_px}, Qt::Horizontal);
  resizeDocks({bottom_}, {timeline_px}, Qt::Vertical);
  library_->setMinimumWidth(160);
  inspector_->setMinimumWidth(240);
  timeline_->setMinimumHeight(72);

  status_row_ = new StatusRow(stage_, this);
  statusBar()->setSizeGripEnabled(false);
  statusBar()->addPermanentWidget(status_row_, 1);
}

QDockWidget* MainWindow::dock(QWidget* widget, Qt::DockWidgetArea area, const char* name) {
  auto* made = new QDockWidget(this);
  made->setObjectName(name);
  made->setWidget(widget);
  made->setTitleBarWidget(new QWidget(made));  // chrome thinner than data: no title bar while docked
  addDockWidget(area, made);
  connect(made, &QDockWidget::topLevelChanged, made, [made](bool floating) {
    QWidget* bar = made->titleBarWidget();
    made->setTitleBarWidget(floating ? nullptr : new QWidget(made));
    delete bar;
  });
  return made;
}

void MainWindow::connect_parts() {
  connect(&stage_, &Stage::theme_changed, this, &MainWindow::restyle);
  connect(&stage_, &Stage::notice, notice_, &Notice::show_text);
  connect(&stage_, &Stage::stepped, this, [this] {
    if (stage_.ran().loaded) notice_->hide(), remember(stage_.ran().setup.model), choose_canvas();
    note_mask();
  });
  connect(&engine_, &Engine::progress, this, [this](float fraction, bool) {
    progress_->setValue(fraction >= 1 ? 0 : std::max(20, static_cast<int>(fraction * 1000)));
  });
  connect(library_, &LibraryDock::models_changed, this, [this] { switch_bar_->set_models(library_->models()); });
  connect(library_, &LibraryDock::open_asked, this, [this] { action(Word::OpenFolder)->trigger(); });
  connect(top_row_->export_button(), &QPushButton::clicked, this, &MainWindow::show_export);
  connect(top_row_->command_field(), &QPushButton::clicked, this, &MainWindow::show_palette);
  for (CanvasWidget* canvas : {centre_->canvas(), strip_->canvas(), timeline_->canvas()}) {
    connect(canvas, &CanvasWidget::entered, status_row_, &StatusRow::follow);
    connect(canvas, &CanvasWidget::entered, inspector_, &Inspector::follow);
    connect(
        canvas, &CanvasWidget::device_failed, this,
        [this](const QString& sentence) {
          notice_->show_text(sentence, true);
          draw_on("qt");
        },
        Qt::QueuedConnection);
  }
  inspector_->follow(centre_->canvas());
  centre_->canvas()->setFocus();
}

void MainWindow::find_devices() {
  // Asking the drivers takes up to a second; the window doesn't wait for it.
  QThreadPool::globalInstance()->start([window = QPointer<MainWindow>(this)] {
    const std::vector<DeviceEntry> found = devices();
    QMetaObject::invokeMethod(qApp, [window, found] {
      if (!window) return;
      window->switch_bar_->set_devices(found);
      window->has_card_ =
          std::ranges::any_of(found, [](const DeviceEntry& d) { return d.backend == "vulkan" && d.hardware; });
      window->choose_canvas();
    });
  });
}

void MainWindow::draw_on(const QString& mode) {
  drawing_ = mode;
  choose_canvas();
}

/// A software device draws several times slower than QPainter does, so it is taken only when the model's tensors are on
/// it.
void MainWindow::choose_canvas() {
  const bool on_device = stage_.step() && stage_.step()->backend_name == "vulkan";
  const bool wanted = drawing_ == "vulkan" || (drawing_ == "auto" && (has_card_ || on_device));
  const std::array canvases{centre_->canvas(), strip_->canvas(), timeline_->canvas()};
  if (!wanted)
    for (CanvasWidget* canvas : canvases) canvas->draw_with(nullptr);
  if (!wanted || canvases.front()->draws_on_device() || making_renderers_) return;
  making_renderers_ = true;
  // Compiling pipelines takes up to a second; meanwhile QPainter draws.
  QThreadPool::globalInstance()->start([this, canvases] {
    auto made = std::make_shared<std::vector<std::unique_ptr<ImguiRenderer>>>();
    QString failure;
    const auto device = shared_device();
    if (!device) failure = QString::fromStdString(device.error().text);
    for (CanvasWidget* canvas : canvases) {
      if (!failure.isEmpty()) break;
      auto renderer = ImguiRenderer::make(
          *device, [canvas] { QMetaObject::invokeMethod(canvas, &CanvasWidget::tiles_ready, Qt::QueuedConnection); });
      if (renderer)
        made->push_back(std::move(*renderer));
      else
        failure = QString::fromStdString(renderer.error().text);
    }
    QMetaObject::invokeMethod(this, [this, canvases, made, failure] {
      making_renderers_ = false;
      if (!failure.isEmpty()) return notice_->show_text(failure, false);
      for (size_t i = 0; i < canvases.size(); ++i) canvases[i]->draw_with(std::move((*made)[i]));
    });
  });
}

void MainWindow::start(const WindowArguments& arguments) {
  const QSettings settings;
  Setup setup;
  setup.options = arguments.options;
  setup.cache = arguments.cache;
  setup.backend = arguments.backend;
  setup.threads = arguments.threads;
  setup.model = arguments.target;
  if (!setup.options.mask.empty())
    if (auto rule = MaskRule::parse(setup.options.mask)) setup.mask = *rule;
  setup.options.mask.clear();
  const auto known = library_->models();
  const auto offered = [&](const std::string& target) {
    return std::ranges::any_of(known, [&](const auto& model) { return model.second == target; });
  };
  if (setup.model.empty())
    if (const std::string last = settings.value("session/model").toString().toStdString(); offered(last))
      setup.model = last;
  const auto bundled = cutaway::library();
  if (setup.model.empty() && !bundled.empty() && !bundled.front().blueprint) setup.model = bundled.front().name;
  if (setup.model.empty()) return notice_->show_text(said(Word::NothingToRun), false);
  stage_.open(setup, settings.value("session/text", said(Word::ExampleText)).toString().toStdString());
}

void MainWindow::restore_settings(const WindowArguments& arguments) {
  const QSettings settings;
  const std::string spoken = !arguments.language.empty()
                                 ? arguments.language
                                 : settings.value("window/language", "en").toString().toStdString();
  const std::string theme =
      !arguments.theme.empty() ? arguments.theme : settings.value("window/theme", "dark").toString().toStdString();
  stage_.set_spoken(spoken == "ru" ? Language::Russian : Language::English);
  stage_.set_dark(theme != "light");
  drawing_ = settings.value("window/drawing", drawing_).toString();
  stage_.show_view(settings.value("session/view", "attention").toString().toStdString());
}

void MainWindow::save_settings() {
  QSettings settings;
  settings.setValue("window/size", size());
  settings.setValue("window/layout", saveState(layout_version));
  settings.setValue("window/drawing", drawing_);
  settings.setValue("window/language", language() == Language::Russian ? "ru" : "en");
  settings.setValue("window/theme", stage_.dark() ? "dark" : "light");
  settings.setValue("session/view", QString::fromStdString(stage_.view_id()));
  settings.setValue("session/text", QString::fromStdString(stage_.text()));
  settings.setValue("session/model", QString::fromStdString(stage_.ran().setup.model));
  settings.setValue("library/recent", library_->recent());
}

void MainWindow::restyle() {
  const Theme& theme = stage_.theme();
  QPalette colors;
  colors.setColor(QPalette::Window, qcolor(theme.surface));
  colors.setColor(QPalette::WindowText, qcolor(theme.text));
  colors.setColor(QPalette::Base, qcolor(theme.surface));
  colors.setColor(QPalette::Text, qcolor(theme.text));
  colors.setColor(QPalette::Button, qcolor(theme.raised));
  colors.setColor(QPalette::ButtonText, qcolor(theme.text));
  colors.setColor(QPalette::PlaceholderText, qcolor(theme.secondary));
  colors.setColor(QPalette::Highlight, qcolor(theme.accent));
  colors.setColor(QPalette::HighlightedText, qcolor(theme.on_accent));
  qApp->setPalette(colors);
  qApp->setStyleSheet(style_sheet(theme));
}

/// A folder that opened is on the list from now on.
void MainWindow::remember(const std::string& target) {
  const QString path = QString::fromStdString(target);
  const auto known = library_->models();
  if (std::ranges::any_of(known, [&](const auto& model) { return model.second == target; })) return;
  QStringList recent = library_->recent();
  recent.prepend(path);
  while (recent.size() > most_recent) recent.removeLast();
  library_->set_recent(recent);
}

void MainWindow::note_mask() {
  const bool foreign = stage_.mask_changed() && stage_.ran().setup.mask == stage_.setup().mask;
  if (foreign)
    notice_->show_text(said(Word::NotTrainedForMask), false);
  else if (notice_->text() == said(Word::NotTrainedForMask))
    notice_->hide();
}

void MainWindow::open_path(const QString& path) {
  Setup setup = stage_.setup();
  setup.model = path.toStdString();
  setup.options = {};
  setup.mask.reset();
  if (stage_.step())
    stage_.change(setup, QFileInfo(path).fileName());
  else
    stage_.open(setup, said(Word::ExampleText).toStdString());
}

void MainWindow::escape() {
  centre_->canvas()->leave_cell_cursor();
  if (!stage_.at().pins.empty()) return stage_.clear_pins();
  notice_->hide();
}

bool MainWindow::eventFilter(QObject* watched, QEvent* event) {
  // Space and Enter press a focused button, and arrows move in lists, before they are shortcuts of the window.
  if (event->type() == QEvent::ShortcutOverride) {
    const int key = static_cast<QKeyEvent*>(event)->key();
    const bool button = qobject_cast<QAbstractButton*>(watched) || qobject_cast<QComboBox*>(watched);
    const bool list = qobject_cast<QAbstractItemView*>(watched);
    if ((button && (key == Qt::Key_Space || key == Qt::Key_Return)) ||
        (list && (key == Qt::Key_Return || key == Qt::Key_Home || key == Qt::Key_End))) {
      event->accept();
      return true;
    }
  }
  return QMainWindow::eventFilter(watched, event);
}

void MainWindow::dragEnterEvent(QDragEnterEvent* event) {
  if (event->mimeData()->hasUrls()) event->acceptProposedAction();
}

void MainWindow::dropEvent(QDropEvent* event) {
  const QList<QUrl> urls = event->mimeData()->urls();
  if (!urls.isEmpty()) open_path(urls.front().toLocalFile());
}

void MainWindow::closeEvent(QCloseEvent* event) {
  save_settings();
  event->accept();
}

}  // namespace cutaway
