// Drives the real window with mouse and keys and reads the answers from the widgets that a screen reader would read and
// from the files it writes. With CUTAWAY_SCREENSHOTS set to a folder it leaves pictures of the main states there.
#include <QDir>
#include <QFile>
#include <QFileInfo>
#include <QSettings>
#include <QTableWidget>
#include <QTemporaryDir>
#include <QtTest>
#include <cstdlib>

#include "app/assets.h"
#include "app/dialogs/export_sheet.h"
#include "app/fonts.h"
#include "app/window/main_window.h"
#include "gpu/vulkan_backend.h"

namespace cutaway {
namespace {

constexpr int patience_ms = 30000;

void write(const QString& path, const QByteArray& bytes) {
  QDir().mkpath(QFileInfo(path).path());
  QFile file(path);
  QVERIFY(file.open(QIODevice::WriteOnly));
  file.write(bytes);
}

/// Shapes of the bundled models with random weights, for a tree in which they have not been trained yet.
void make_untrained_assets(const QString& root) {
  write(root + "/models/mini-gpt/config.json",
        R"({"model_type": "gpt2", "vocab_size": 2048, "n_positions": 512, "n_embd": 192, "n_layer": 6, "n_head": 6})");
  write(root + "/models/mini-bert/config.json",
        R"({"model_type": "bert", "architectures": ["BertForMaskedLM"], "vocab_size": 2048, "hidden_size": 192,
            "num_hidden_layers": 6, "num_attention_heads": 6, "intermediate_size": 768, "max_position_embeddings": 512,
            "type_vocab_size": 2, "hidden_act": "gelu"})");
  for (const QString name : {"mini-gpt", "mini-bert"})
    QFile::copy(QString(CUTAWAY_SOURCE_DIR) + "/assets/models/" + name + "/tokenizer.json",
                root + "/models/" + name + "/tokenizer.json");
}

}  // namespace

class TestWindow : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase();
  void init();
  void cleanup();
  void reads_a_sentence_at_once();
  void text_runs_while_it_is_typed();
  void steps_forward_and_back();
  void switching_the_model_keeps_the_words();
  void a_masked_word_is_filled();
  void a_click_pins_a_cell();
  void a_mask_cell_is_painted_and_undone();
  void keys_choose_head_layer_view_and_scale();
  void the_language_changes_in_place();
  void exports_from_the_sheet();
  void palette_goes_to_a_head();
  void numbers_stand_in_a_table();
  void a_broken_folder_harms_nothing();
  void every_view_at_every_size();
  void the_device_draws_what_qt_draws();
  void vulkan_runs_the_same_text();

 private:
  void wait_for_pass();
  QStringList tokens();
  QStringList next_tokens();
  void picture(const QString& name);
  QPoint map_cell();

  QTemporaryDir folder_;
  WindowArguments arguments_;
  std::unique_ptr<MainWindow> window_;
};

void TestWindow::initTestCase() {
  QCoreApplication::setApplicationName("Cutaway");
  QCoreApplication::setOrganizationName("Cutaway");
  QSettings::setDefaultFormat(QSettings::IniFormat);
  QSettings::setPath(QSettings::IniFormat, QSettings::UserScope, folder_.path() + "/settings");
  QApplication::setStyle("Fusion");
  load_fonts();
  arguments_.backend = "cpu";
  if (!asset("models/mini-gpt/model.safetensors").empty()) return;
  make_untrained_assets(folder_.path() + "/assets");
  qputenv("CUTAWAY_ASSETS", (folder_.path() + "/assets").toUtf8());
  arguments_.options.random_seed = 1;
}

void TestWindow::init() {
  QSettings().clear();
  set_language(Language::English);
  window_ = std::make_unique<MainWindow>(arguments_);
  window_->resize(1600, 1000);
  window_->show();
  QVERIFY(QTest::qWaitForWindowExposed(window_.get()));
  window_->activateWindow();  // no window manager does it under Xvfb, and keys go to the active window only
  QVERIFY(QTest::qWaitForWindowActive(window_.get()));
  QTRY_VERIFY_WITH_TIMEOUT(window_->stage().step() != nullptr, patience_ms);
  wait_for_pass();
}

void TestWindow::cleanup() { window_.reset(); }

void TestWindow::wait_for_pass() {
  QTRY_VERIFY_WITH_TIMEOUT(!window_->engine().busy(), patience_ms);
  QCoreApplication::processEvents();
  QTRY_VERIFY_WITH_TIMEOUT(!window_->engine().busy(), patience_ms);
  QCoreApplication::processEvents();
}

QStringList TestWindow::tokens() {
  QStringList found;
  for (int i = 0; i < window_->strip()->list()->count(); ++i)
    found << window_->strip()->list()->item(i)->text().section(": ", 1).section(", ", 0, 0);
  return found;
}

QStringList TestWindow::next_tokens() {
  return window_->inspector()->next_card()->accessibleDescription().split(". ", Qt::SkipEmptyParts);
}

void TestWindow::picture(const QString& name) {
  const QString folder = qEnvironmentVariable("CUTAWAY_SCREENSHOTS");
  if (folder.isEmpty()) return;
  QTRY_VERIFY_WITH_TIMEOUT(window_->centre()->canvas()->idle(), patience_ms);
  QCoreApplication::processEvents();
  QDir().mkpath(folder);
  window_->grab().save(folder + "/" + name + ".png");
}

/// A place on the canvas where a cell of the map is, below the diagonal.
QPoint TestWindow::map_cell() {
  CanvasWidget* canvas = window_->centre()->canvas();
  window_->grab();  // a view knows its cells once it was drawn
  for (int y = canvas->height() * 3 / 4; y > 100; y -= 5)
    for (int x = 100; x < canvas->width() / 2; x += 5) {
      QTest::mouseMove(canvas, QPoint(x, y));
      QCoreApplication::processEvents();
      const auto& cursor = window_->stage().at().cursor;
      if (cursor && cursor->query == 9 && cursor->key == 4) return {x, y};
    }
  return {};
}

void TestWindow::reads_a_sentence_at_once() {
  QVERIFY(tokens().size() > 8);
  QVERIFY(window_->inspector()->cache_card()->accessibleDescription().contains("KiB"));
  QCOMPARE(next_tokens().size(), 6);
  QVERIFY(window_->status_row()->figures()->text().contains("CPU"));
  QVERIFY(!window_->notice()->isVisible());
  picture("main-dark-1600");
}

void TestWindow::text_runs_while_it_is_typed() {
  TokenStrip* strip = window_->strip();
  QTest::mouseDClick(strip->canvas(), Qt::LeftButton, {}, QPoint(60, 30));
  QTest::mouseRelease(strip->canvas(), Qt::LeftButton, {}, QPoint(60, 30));
  QTRY_VERIFY(strip->edit()->isVisible());
  QTest::keyClicks(strip->edit(), "The red key");
  wait_for_pass();
  QCOMPARE(tokens().join("").remove(' ').remove(QChar(0x00B7)), QString("Theredkey"));
  picture("typing");
  QTest::keyClicks(strip->edit(), " and the old door");
  wait_for_pass();
  QVERIFY(tokens().join("").remove(' ').contains("door"));
  QTest::keyClick(strip->edit(), Qt::Key_Return);
  QVERIFY(!strip->edit()->isVisible());
}

void TestWindow::steps_forward_and_back() {
  const QStringList prompt = tokens(), first_choices = next_tokens();
  const auto logits = window_->stage().step()->logits;
  QTest::keyClick(window_.get(), Qt::Key_Right);
  wait_for_pass();
  QTest::keyClick(window_.get(), Qt::Key_K);
  wait_for_pass();
  QCOMPARE(tokens().size(), prompt.size() + 2);
  const QStringList two_on = tokens();
  picture("two-steps-on");
  QTest::keyClick(window_.get(), Qt::Key_Left);
  wait_for_pass();
  QCOMPARE(tokens().size(), prompt.size() + 1);
  QTest::keyClick(window_.get(), Qt::Key_Home);
  wait_for_pass();
  QCOMPARE(tokens(), prompt);
  QCOMPARE(next_tokens(), first_choices);
  QCOMPARE(window_->stage().step()->logits, logits);  // to the bit
  QTest::keyClick(window_.get(), Qt::Key_End);
  wait_for_pass();
  QCOMPARE(tokens(), two_on);
  QTest::keyClick(window_.get(), Qt::Key_Space);
  QVERIFY(window_->timeline()->playing());
  QTRY_VERIFY_WITH_TIMEOUT(tokens().size() >= prompt.size() + 4, patience_ms);
  QTest::keyClick(window_.get(), Qt::Key_Space);
  QVERIFY(!window_->timeline()->playing());
}

void TestWindow::switching_the_model_keeps_the_words() {
  QTest::keyClick(window_.get(), Qt::Key_Right);
  wait_for_pass();
  const QStringList words = tokens();
  window_->stage().select_head("layers.4.attn", 2);
  DropDown* models = window_->switch_bar()->models();
  const int bert = models->findData("mini-bert");
  QVERIFY(bert >= 0);
  QElapsedTimer clock;
  clock.start();
  models->setFocus();
  models->setCurrentIndex(bert);
  emit models->activated(bert);
  QTRY_COMPARE_WITH_TIMEOUT(window_->stage().ran().setup.model, std::string("mini-bert"), patience_ms);
  qInfo("switched in %lld ms", clock.elapsed());
  wait_for_pass();
  const QStringList read = tokens();
  QVERIFY2(read.join("").contains(words.join("")), qPrintable(read.join("|") + " / " + words.join("|")));
  QCOMPARE(window_->switch_bar()->masks()->chosen(), static_cast<int>(MaskRule::Kind::Bidirectional));
  QCOMPARE(window_->stage().at().block, std::string("layers.4.attn"));
  QCOMPARE(window_->stage().at().head, int64_t{2});
  picture("bert");
  QTest::keyClick(window_.get(), Qt::Key_Z, Qt::ControlModifier);
  QTRY_COMPARE_WITH_TIMEOUT(window_->stage().ran().setup.model, std::string("mini-gpt"), patience_ms);
  wait_for_pass();
  QCOMPARE(tokens(), words);  // the generated token came back too
}

void TestWindow::a_masked_word_is_filled() {
  Setup setup = window_->stage().setup();
  setup.model = "mini-bert";
  window_->stage().change(setup, "BERT");
  QTRY_COMPARE_WITH_TIMEOUT(window_->stage().ran().setup.model, std::string("mini-bert"), patience_ms);
  wait_for_pass();
  QVERIFY(!window_->inspector()->cache_card()->isVisible());  // it keeps no cache
  window_->stage().act(MaskToken{3});
  QTRY_VERIFY_WITH_TIMEOUT(window_->inspector()->next_card()->isVisible(), patience_ms);
  QCOMPARE(next_tokens().size(), 6);
  QVERIFY(tokens()[3].contains("mask", Qt::CaseInsensitive));
  QVERIFY(!window_->stage().text().starts_with("<cls>"));  // what one may go on typing
  picture("masked-word");
}

void TestWindow::a_click_pins_a_cell() {
  const QPoint at = map_cell();
  QVERIFY(!at.isNull());
  CanvasWidget* canvas = window_->centre()->canvas();
  QTest::mouseClick(canvas, Qt::LeftButton, {}, at);
  QCOMPARE(window_->stage().at().pins, (std::vector<Cell>{{9, 4}}));
  QTRY_VERIFY(window_->inspector()->readout_card()->accessibleDescription().contains("Attention weight"));
  QTRY_VERIFY(canvas->accessibleDescription().contains("Attention weight"));
  picture("pinned");
  QTest::keyClick(window_.get(), Qt::Key_Escape);
  QVERIFY(window_->stage().at().pins.empty());
}

void TestWindow::a_mask_cell_is_painted_and_undone() {
  const auto before = window_->stage().step()->logits;
  QTest::mouseClick(window_->switch_bar()->masks()->button(1), Qt::LeftButton);
  QTRY_VERIFY_WITH_TIMEOUT(window_->stage().ran().setup.mask.has_value(), patience_ms);
  wait_for_pass();
  QVERIFY(window_->notice()->isVisible());
  QVERIFY(window_->inspector()->mask_card()->accessibleDescription().contains("every key"));
  picture("bidirectional");
  QTest::keyClick(window_.get(), Qt::Key_Z, Qt::ControlModifier);
  QTRY_VERIFY_WITH_TIMEOUT(!window_->stage().ran().setup.mask, patience_ms);
  wait_for_pass();
  QCOMPARE(window_->stage().step()->logits, before);

  window_->stage().show_view("mask");
  QTest::mouseClick(window_->centre()->edit_mask(), Qt::LeftButton, {},
                    QPoint(6, window_->centre()->edit_mask()->height() / 2));
  QVERIFY(window_->stage().at().edit_mask);
  const QPoint at = map_cell();
  QVERIFY(!at.isNull());
  QTest::mouseClick(window_->centre()->canvas(), Qt::LeftButton, {}, at);
  QTRY_COMPARE_WITH_TIMEOUT(window_->switch_bar()->masks()->chosen(), static_cast<int>(MaskRule::Kind::Custom),
                            patience_ms);
  wait_for_pass();
  QVERIFY(!window_->stage().step()->masks.front().allowed(9, 4));
  QVERIFY(window_->stage().step()->masks.front().allowed(9, 3));
  picture("painted-mask");
  QTest::keyClick(window_.get(), Qt::Key_Z, Qt::ControlModifier);
  QTRY_COMPARE_WITH_TIMEOUT(window_->switch_bar()->masks()->chosen(), static_cast<int>(MaskRule::Kind::Causal),
                            patience_ms);
  wait_for_pass();
  QVERIFY(window_->stage().step()->masks.front().allowed(9, 4));
}

void TestWindow::keys_choose_head_layer_view_and_scale() {
  const int64_t head = window_->stage().at().head;
  const int layer = window_->stage().block_index();
  QTest::keyClick(window_.get(), Qt::Key_BracketRight);
  QCOMPARE(window_->stage().at().head, head + 1);
  QTest::keyClick(window_.get(), Qt::Key_BraceRight);
  QCOMPARE(window_->stage().block_index(), layer + 1);
  QTest::keyClick(window_.get(), Qt::Key_N);
  QCOMPARE(window_->centre()->scale()->chosen(), 1);
  QTest::keyClick(window_.get(), Qt::Key_3);
  QCOMPARE(window_->stage().view_id(), std::string(view_kinds()[2].id));
  QTest::keyClick(window_.get(), Qt::Key_F4);
  QVERIFY(!window_->inspector()->isVisible());
}

void TestWindow::the_language_changes_in_place() {
  window_->stage().set_spoken(Language::Russian);
  QCOMPARE(window_->action(Word::Undo)->text(), QString("Отменить"));
  QCOMPARE(window_->switch_bar()->masks()->button(0)->text(), QString("Причинная"));
  QVERIFY(window_->inspector()->cache_card()->accessibleDescription().contains("КиБ"));
  QCOMPARE(next_tokens().front().contains(','), true);  // decimal comma
  window_->stage().set_dark(false);
  picture("main-light-ru");
  window_->stage().set_spoken(Language::English);
  QCOMPARE(window_->action(Word::Undo)->text(), QString("Undo"));
}

void TestWindow::exports_from_the_sheet() {
  const QString file = folder_.path() + "/figure.svg";
  QTest::keyClick(window_.get(), Qt::Key_E, Qt::ControlModifier);
  auto* sheet = window_->findChild<ExportSheet*>();
  QVERIFY(sheet);
  sheet->file()->setText(file);
  if (const QString shots = qEnvironmentVariable("CUTAWAY_SCREENSHOTS"); !shots.isEmpty()) {
    QTest::qWait(500);
    sheet->grab().save(shots + "/export.png");
  }
  QTest::keyClick(sheet, Qt::Key_Return);
  QTRY_VERIFY_WITH_TIMEOUT(QFileInfo::exists(file), patience_ms);
  QTRY_VERIFY_WITH_TIMEOUT(window_->notice()->text().contains("figure.svg"), patience_ms);
  QFile written(file);
  QVERIFY(written.open(QIODevice::ReadOnly));
  const QByteArray svg = written.readAll();
  QVERIFY(svg.contains("<svg") && svg.contains("<text") && svg.contains("@font-face") && svg.contains("mini-gpt"));

  QTRY_VERIFY(!window_->findChild<ExportSheet*>());
  window_->activateWindow();
  QVERIFY(QTest::qWaitForWindowActive(window_.get()));
  QTest::keyClick(window_.get(), Qt::Key_E, Qt::ControlModifier);
  sheet = window_->findChild<ExportSheet*>();
  QVERIFY(sheet);
  sheet->file()->setText("/nowhere/at/all/figure.svg");
  QTest::keyClick(sheet, Qt::Key_Return);
  QTRY_VERIFY_WITH_TIMEOUT(window_->notice()->text().contains("/nowhere/at/all"), patience_ms);
  sheet->close();
}

void TestWindow::palette_goes_to_a_head() {
  QTest::keyClick(window_.get(), Qt::Key_K, Qt::ControlModifier);
  auto* palette = window_->findChild<Palette*>();
  QVERIFY(palette);
  QTest::keyClicks(palette->field(), "L5 H3");
  QTest::keyClick(palette->field(), Qt::Key_Return);
  QCOMPARE(window_->stage().block_index(), 5);
  QCOMPARE(window_->stage().at().head, int64_t{3});
  QVERIFY(fuzzy_score("Head grid", "hg") > fuzzy_score("Right edge", "hg"));
  QCOMPARE(fuzzy_score("Mask", "z"), -1);
}

void TestWindow::numbers_stand_in_a_table() {
  QTest::keyClick(window_.get(), Qt::Key_T, Qt::ControlModifier | Qt::ShiftModifier);
  QTRY_VERIFY_WITH_TIMEOUT(window_->findChild<QTableWidget*>(), patience_ms);
  auto* table = window_->findChild<QTableWidget*>();
  const auto n = static_cast<int>(window_->stage().step()->positions());
  QCOMPARE(table->rowCount(), n * n);
  table->window()->close();
}

void TestWindow::a_broken_folder_harms_nothing() {
  const QString broken = folder_.path() + "/broken";
  write(broken + "/config.json", R"({"model_type": "foo_v2"})");
  const QStringList before = tokens();
  window_->open_path(broken);
  QTRY_VERIFY_WITH_TIMEOUT(window_->notice()->isVisible(), patience_ms);
  QVERIFY2(window_->notice()->text().contains("foo_v2"), qPrintable(window_->notice()->text()));
  picture("broken-folder");
  QCOMPARE(window_->stage().setup().model, std::string("mini-gpt"));
  QCOMPARE(tokens(), before);
  QTest::keyClick(window_.get(), Qt::Key_Right);
  wait_for_pass();
  QCOMPARE(tokens().size(), before.size() + 1);
}

void TestWindow::every_view_at_every_size() {
  for (const QSize size : {QSize(1120, 700), QSize(1280, 800), QSize(1600, 1000)}) {
    window_->resize(size);
    for (const ViewKind& kind : view_kinds()) {
      window_->stage().show_view(std::string(kind.id));
      picture(QString("view-%1-%2").arg(said(kind.id)).arg(size.width()));
      QVERIFY(!window_->grab().isNull());
    }
    QCOMPARE(window_->size(), size);  // nothing inside forces the window wider
  }
}

void TestWindow::the_device_draws_what_qt_draws() {
  if (devices_found().empty()) QSKIP("no Vulkan driver on this machine");
  CanvasWidget* canvas = window_->centre()->canvas();
  window_->draw_on("qt");
  const auto settled = [&] {
    canvas->grab();
    QTRY_VERIFY_WITH_TIMEOUT(canvas->idle(), patience_ms);
  };
  settled();
  const QImage by_qt = canvas->grab().toImage().convertToFormat(QImage::Format_RGB32);
  window_->draw_on("vulkan");
  QTRY_VERIFY_WITH_TIMEOUT(canvas->draws_on_device(), patience_ms);
  settled();
  settled();
  const QImage by_device = canvas->grab().toImage().convertToFormat(QImage::Format_RGB32);
  picture("vulkan-canvas");
  // Letters and hatch lines are smoothed differently, so blocks of pixels are compared: cells, bars, ground.
  const QSize blocks = by_qt.size() / 8;
  const QImage a = by_qt.scaled(blocks, Qt::IgnoreAspectRatio, Qt::SmoothTransformation);
  const QImage b = by_device.scaled(blocks, Qt::IgnoreAspectRatio, Qt::SmoothTransformation);
  int far = 0;
  for (int y = 0; y < blocks.height(); ++y)
    for (int x = 0; x < blocks.width(); ++x) {
      const QRgb p = a.pixel(x, y), q = b.pixel(x, y);
      far += std::abs(qRed(p) - qRed(q)) + std::abs(qGreen(p) - qGreen(q)) + std::abs(qBlue(p) - qBlue(q)) > 60;
    }
  QVERIFY2(far < blocks.width() * blocks.height() / 25, qPrintable(QString("%1 blocks differ").arg(far)));
  qInfo("%d of %d blocks differ", far, blocks.width() * blocks.height());
  window_->draw_on("qt");
  QVERIFY(!canvas->draws_on_device());
}

void TestWindow::vulkan_runs_the_same_text() {
  if (devices_found().empty()) QSKIP("no Vulkan driver on this machine");
  const QStringList words = tokens(), choices = next_tokens();
  Setup setup = window_->stage().setup();
  setup.backend = "vulkan";
  window_->stage().change(setup, "Vulkan");
  QTRY_VERIFY_WITH_TIMEOUT(window_->stage().step()->backend_name == "vulkan", patience_ms);
  wait_for_pass();
  QCOMPARE(tokens(), words);
  QCOMPARE(next_tokens(), choices);
  QTRY_VERIFY_WITH_TIMEOUT(window_->centre()->canvas()->draws_on_device(), patience_ms);  // beside the tensors
  picture("vulkan-model");
}

}  // namespace cutaway

QTEST_MAIN(cutaway::TestWindow)
#include "test_window.moc"
