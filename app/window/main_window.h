// The window: puts docks, strip, canvas and rows together and holds the actions that keys, menus and palette share.
#pragma once

#include <QMainWindow>
#include <QProgressBar>
#include <vector>

#include "app/cli/command_line.h"
#include "app/dialogs/palette.h"
#include "app/docks/inspector.h"
#include "app/docks/library_dock.h"
#include "app/docks/switch_bar.h"
#include "app/docks/timeline_dock.h"
#include "app/docks/token_strip.h"
#include "app/window/centre.h"
#include "app/window/notice.h"
#include "app/window/stage.h"
#include "app/window/status_row.h"
#include "app/window/top_row.h"

class QDockWidget;

namespace cutaway {

class MainWindow : public QMainWindow {
  Q_OBJECT

 public:
  explicit MainWindow(const WindowArguments&, QWidget* parent = nullptr);
  ~MainWindow() override;

  // For the parts that work on the whole window, and for tests that drive it.
  Engine& engine() { return engine_; }
  Stage& stage() { return stage_; }
  SwitchBar* switch_bar() { return switch_bar_; }
  LibraryDock* library() { return library_; }
  TokenStrip* strip() { return strip_; }
  Centre* centre() { return centre_; }
  Inspector* inspector() { return inspector_; }
  TimelineDock* timeline() { return timeline_; }
  StatusRow* status_row() { return status_row_; }
  Notice* notice() { return notice_; }
  /// "auto": on the device where there is a graphics card or the model runs on Vulkan; "vulkan", "qt".
  void draw_on(const QString& mode);
  QAction* action(Word);

  /// A model's folder or a trace, as from the dialog, the command line or a drop. Failure is said in place.
  void open_path(const QString& path);
  void show_export();
  void show_palette();

 protected:
  void closeEvent(QCloseEvent*) override;
  void dragEnterEvent(QDragEnterEvent*) override;
  void dropEvent(QDropEvent*) override;
  bool eventFilter(QObject*, QEvent*) override;

 private:
  void compose();
  void connect_parts();
  QDockWidget* dock(QWidget*, Qt::DockWidgetArea, const char* name);
  void make_actions();  // actions.cpp
  QAction* add(Word, const QKeySequence&, std::function<void()>);
  void fill_menus();
  std::vector<PaletteEntry> palette_entries();
  std::optional<PaletteEntry> place_for(const QString& typed);
  void show_shortcuts();
  void show_table();  // the view's numbers as rows
  void show_about();

  void start(const WindowArguments&);
  void restore_settings(const WindowArguments&);
  void save_settings();
  void restyle();
  void remember(const std::string& target);
  void find_devices();
  void choose_canvas();  // device or QPainter
  void note_mask();
  void escape();

  Engine engine_;
  Stage stage_;
  TopRow* top_row_ = nullptr;
  SwitchBar* switch_bar_ = nullptr;
  Notice* notice_ = nullptr;
  QProgressBar* progress_ = nullptr;
  LibraryDock* library_ = nullptr;
  TokenStrip* strip_ = nullptr;
  Centre* centre_ = nullptr;
  Inspector* inspector_ = nullptr;
  TimelineDock* timeline_ = nullptr;
  StatusRow* status_row_ = nullptr;
  QDockWidget *left_ = nullptr, *right_ = nullptr, *bottom_ = nullptr;
  std::vector<std::pair<Word, QAction*>> actions_;
  QByteArray first_layout_;
  QString drawing_ = "auto";  // or "vulkan", "qt"
  bool has_card_ = false, making_renderers_ = false;
};

}  // namespace cutaway
