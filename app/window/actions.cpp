// Actions: one list that menus, keys and the palette share.
#include <QApplication>
#include <QDockWidget>
#include <QFileDialog>
#include <QRegularExpression>
#include <QThreadPool>

#include "app/dialogs/export_sheet.h"
#include "app/dialogs/table_sheet.h"
#include "app/window/main_window.h"

namespace cutaway {

QAction* MainWindow::add(Word word, const QKeySequence& key, std::function<void()> run) {
  auto* made = new QAction(this);
  worded(stage_, made, word);
  made->setShortcut(key);
  connect(made, &QAction::triggered, this, std::move(run));
  addAction(made);
  actions_.emplace_back(word, made);
  return made;
}

QAction* MainWindow::action(Word word) {
  for (const auto& [name, made] : actions_)
    if (name == word) return made;
  return nullptr;
}

void MainWindow::make_actions() {
  add(Word::OpenFolder, QKeySequence("Ctrl+O"), [this] {
    const QString folder = QFileDialog::getExistingDirectory(this, said(Word::OpenFolder));
    if (!folder.isEmpty()) open_path(folder);
  });
  add(Word::OpenTrace, QKeySequence("Ctrl+Shift+O"), [this] {
    const QString file = QFileDialog::getOpenFileName(this, said(Word::OpenTrace), {}, "*.safetensors");
    if (!file.isEmpty()) open_path(file);
  });
  add(Word::ExportView, QKeySequence("Ctrl+E"), [this] { show_export(); });
  add(Word::ShowTable, QKeySequence("Ctrl+Shift+T"), [this] { show_table(); });
  add(Word::Quit, QKeySequence("Ctrl+Q"), [this] { close(); });
  add(Word::Undo, QKeySequence("Ctrl+Z"), [this] { stage_.undo(); });
  add(Word::Redo, QKeySequence("Ctrl+Shift+Z"), [this] { stage_.redo(); });
  add(Word::EditText, QKeySequence("Ctrl+L"), [this] { strip_->start_editing(); });
  add(Word::CommandPalette, QKeySequence("Ctrl+K"), [this] { show_palette(); });

  add(Word::Play, QKeySequence("Space"), [this] { timeline_->toggle_play(); });
  add(Word::TokenForward, {}, [this] {
    stage_.move_playhead(1);
  })->setShortcuts({QKeySequence("Right"), QKeySequence("K")});
  add(Word::TokenBack, {}, [this] {
    stage_.move_playhead(-1);
  })->setShortcuts({QKeySequence("Left"), QKeySequence("J")});
  add(Word::ToFirst, QKeySequence("Home"), [this] { stage_.go_to_first(); });
  add(Word::ToLast, QKeySequence("End"), [this] { stage_.go_to_last(); });
  add(Word::CancelRun, QKeySequence("Ctrl+."), [this] { engine_.cancel(); });
  add(Word::SampleGreedy, {}, [this] { stage_.set_sampling({}); });
  add(Word::SampleTemperature, {}, [this] { stage_.set_sampling({0.8f, 40, 1, 1}); });
  add(Word::SampleTopP, {}, [this] { stage_.set_sampling({1, 0, 0.9f, 1}); });

  add(Word::NextHead, QKeySequence("]"), [this] { stage_.next_head(1); });
  add(Word::PreviousHead, QKeySequence("["), [this] { stage_.next_head(-1); });
  add(Word::NextLayer, QKeySequence("}"), [this] { stage_.next_block(1); });
  add(Word::PreviousLayer, QKeySequence("{"), [this] { stage_.next_block(-1); });
  add(Word::Fit, QKeySequence("F"), [this] {
    centre_->canvas()->fit();
    timeline_->canvas()->fit();
  });
  add(Word::MaskOnOff, QKeySequence("M"), [this] {
    if (!stage_.step()) return;
    if (stage_.mask_changed()) return stage_.set_mask(stage_.step()->model->spec.masks.front());
    const bool open = stage_.mask_now().kind == MaskRule::Kind::Bidirectional;
    stage_.set_mask({open ? MaskRule::Kind::Causal : MaskRule::Kind::Bidirectional, 0, nullptr});
  });
  add(Word::NextScale, QKeySequence("N"),
      [this] { stage_.set_scale(static_cast<ScaleMode>((static_cast<int>(stage_.at().scale) + 1) % 3)); });
  add(Word::ClearPins, QKeySequence("Esc"), [this] { escape(); });

  add(Word::ShowInspector, QKeySequence("F4"), [this] { right_->setVisible(!right_->isVisible()); });
  add(Word::ShowLeftDock, QKeySequence("F5"), [this] { left_->setVisible(!left_->isVisible()); });
  add(Word::FloatTimeline, {}, [this] { bottom_->setFloating(!bottom_->isFloating()); });
  add(Word::ResetLayout, {}, [this] { restoreState(first_layout_); });
  add(Word::FullScreen, QKeySequence("Ctrl+F11"), [this] { setWindowState(windowState() ^ Qt::WindowFullScreen); });
  add(Word::DarkTheme, {}, [this] { stage_.set_dark(true); });
  add(Word::LightTheme, {}, [this] { stage_.set_dark(false); });
  add(Word::DrawAuto, {}, [this] { draw_on("auto"); });
  add(Word::FilterModels, QKeySequence("/"), [this] { library_->filter()->setFocus(); });
  add(Word::Shortcuts, QKeySequence("?"), [this] { show_shortcuts(); });
  add(Word::About, {}, [this] { show_about(); });
  int key = 0;
  for (const ViewKind& kind : view_kinds()) {
    auto* made = new QAction(this);
    worded(stage_, made, kind.name);
    if (++key <= 9) made->setShortcut(QKeySequence(QString::number(key)));
    connect(made, &QAction::triggered, this, [this, id = std::string(kind.id)] { stage_.show_view(id); });
    addAction(made);
    actions_.emplace_back(kind.name, made);
  }
  fill_menus();
}

void MainWindow::fill_menus() {
  const auto menu = [this](QMenu* made, Word title) {
    const auto say_it = [made, title] { made->setTitle(said(title)); };
    say_it();
    connect(&stage_, &Stage::language_changed, made, say_it);
    return made;
  };
  const auto put = [this](QMenu* into, std::initializer_list<Word> words) {
    for (Word word : words) into->addAction(action(word));
  };
  QMenuBar* bar = top_row_->menus();
  QMenu* file = menu(bar->addMenu(QString()), Word::MenuFile);
  put(file, {Word::OpenFolder, Word::OpenTrace});
  file->addSeparator();
  put(file, {Word::ExportView, Word::ShowTable});
  file->addSeparator();
  put(file, {Word::Quit});
  QMenu* edit = menu(bar->addMenu(QString()), Word::MenuEdit);
  put(edit, {Word::Undo, Word::Redo});
  edit->addSeparator();
  put(edit, {Word::EditText, Word::MaskOnOff, Word::ClearPins});
  QMenu* view = menu(bar->addMenu(QString()), Word::MenuView);
  for (const ViewKind& kind : view_kinds()) view->addAction(action(kind.name));
  view->addSeparator();
  put(view, {Word::Fit, Word::NextHead, Word::PreviousHead, Word::NextLayer, Word::PreviousLayer, Word::NextScale});
  view->addSeparator();
  put(view, {Word::ShowInspector, Word::ShowLeftDock, Word::FloatTimeline, Word::ResetLayout, Word::FullScreen});
  view->addSeparator();
  put(menu(view->addMenu(QString()), Word::MenuTheme), {Word::DarkTheme, Word::LightTheme});
  QMenu* drawing = menu(view->addMenu(QString()), Word::MenuDrawing);
  put(drawing, {Word::DrawAuto});
  drawing->addAction("Vulkan", this, [this] { draw_on("vulkan"); });
  drawing->addAction("Qt", this, [this] { draw_on("qt"); });
  QMenu* languages = menu(view->addMenu(QString()), Word::MenuLanguage);
  languages->addAction("English", this, [this] { stage_.set_spoken(Language::English); });
  languages->addAction("Русский", this, [this] { stage_.set_spoken(Language::Russian); });
  QMenu* run = menu(bar->addMenu(QString()), Word::MenuRun);
  put(run, {Word::Play, Word::TokenForward, Word::TokenBack, Word::ToFirst, Word::ToLast, Word::CancelRun});
  run->addSeparator();
  put(menu(run->addMenu(QString()), Word::MenuSampling),
      {Word::SampleGreedy, Word::SampleTemperature, Word::SampleTopP});
  QMenu* help = menu(bar->addMenu(QString()), Word::MenuHelp);
  put(help, {Word::CommandPalette, Word::Shortcuts, Word::About});
}

std::vector<PaletteEntry> MainWindow::palette_entries() {
  std::vector<PaletteEntry> entries;
  for (const auto& [word, made] : actions_)
    entries.push_back(
        {made->text(), made->shortcut().toString(QKeySequence::NativeText), [made = made] { made->trigger(); }});
  entries.push_back({"English", {}, [this] { stage_.set_spoken(Language::English); }});
  entries.push_back({"Русский", {}, [this] { stage_.set_spoken(Language::Russian); }});
  for (const auto& [name, target] : library_->models())
    entries.push_back({name, {}, [this, name = name, target = target] {
                         Setup setup = stage_.setup();
                         setup.model = target;
                         setup.options = {};
                         setup.mask.reset();
                         stage_.change(setup, name);
                       }});
  return entries;
}

std::optional<PaletteEntry> MainWindow::place_for(const QString& typed) {
  static const QRegularExpression head("^\\s*L\\s*(\\d+)\\s*H\\s*(\\d+)\\s*$",
                                       QRegularExpression::CaseInsensitiveOption);
  static const QRegularExpression token("^\\s*t\\s*(\\d+)\\s*$", QRegularExpression::CaseInsensitiveOption);
  if (const auto match = head.match(typed); match.hasMatch()) {
    const auto all = stage_.blocks();
    const size_t layer = match.captured(1).toULongLong();
    const int64_t h = match.captured(2).toLongLong();
    if (layer >= all.size() || h >= stage_.heads()) return std::nullopt;
    return PaletteEntry{said(say(Word::GoToHead, {"L" + std::to_string(layer) + " H" + std::to_string(h)})),
                        {},
                        [this, block = all[layer], h] { stage_.select_head(block, h); }};
  }
  if (const auto match = token.match(typed); match.hasMatch()) {
    const int64_t position = match.captured(1).toLongLong();
    return PaletteEntry{said(say(Word::GoToToken, {std::to_string(position)})), {}, [this, position] {
                          stage_.act(SelectToken{position});
                        }};
  }
  return std::nullopt;
}

void MainWindow::show_palette() {
  auto* palette = new Palette(
      palette_entries(), [this](const QString& typed) { return place_for(typed); }, this);
  palette->move(mapToGlobal(QPoint((width() - palette->width()) / 2, 40)));
  palette->show();
  palette->field()->setFocus();
}

void MainWindow::show_export() {
  if (!stage_.step()) return;
  auto* sheet = new ExportSheet(stage_, this);
  connect(sheet, &ExportSheet::exported, notice_, &Notice::show_text);
  sheet->show();
}

void MainWindow::show_shortcuts() {
  Table table;
  for (const auto& [word, made] : actions_) {
    QStringList keys;
    for (const QKeySequence& key : made->shortcuts()) keys << key.toString(QKeySequence::NativeText);
    if (!keys.isEmpty()) table.rows.push_back({made->text().toStdString(), keys.join(", ").toStdString()});
  }
  show_table_sheet(this, said(Word::Shortcuts), table);
}

void MainWindow::show_table() {
  if (!stage_.step()) return;
  QThreadPool::globalInstance()->start([this, scene = stage_.scene(), id = stage_.view_id()] {
    WaitingTiles tiles;
    const auto view = make_view(id);
    auto table = std::make_shared<Table>(view->table(scene, tiles));
    QMetaObject::invokeMethod(this, [this, table, name = view->name()] { show_table_sheet(this, said(name), *table); });
  });
}

void MainWindow::show_about() { stage_.notice(said(say(Word::AboutText, {CUTAWAY_VERSION})), false); }

}  // namespace cutaway
