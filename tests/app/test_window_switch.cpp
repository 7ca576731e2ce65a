// The attention of the running decoder is switched in the real window, with the mouse; the text, the step and the
// selected head stay, and a card says what it did.
#include <QDir>
#include <QSettings>
#include <QTemporaryDir>
#include <QtTest>

#include "app/assets.h"
#include "app/fonts.h"
#include "app/window/main_window.h"

namespace cutaway {
namespace {

constexpr int patience_ms = 30000;

}  // namespace

class TestWindowSwitch : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase();
  void init();
  void cleanup() { window_.reset(); }
  void groups_latents_and_windows();
  void it_is_undone_and_said_in_russian();

 private:
  void wait_for(const std::string& attention);
  void click(int kind);
  /// Chooses an entry of the number's list with the keyboard, after a click on it.
  void choose_number(const QString& number);
  void picture(const QString& name);
  QString card() const { return window_->inspector()->switch_card()->accessibleDescription(); }

  QTemporaryDir folder_;
  WindowArguments arguments_;
  std::unique_ptr<MainWindow> window_;
};

void TestWindowSwitch::initTestCase() {
  QCoreApplication::setApplicationName("Cutaway");
  QCoreApplication::setOrganizationName("Cutaway");
  QSettings::setDefaultFormat(QSettings::IniFormat);
  QSettings::setPath(QSettings::IniFormat, QSettings::UserScope, folder_.path() + "/settings");
  QApplication::setStyle("Fusion");
  load_fonts();
  arguments_.backend = "cpu";
  QVERIFY(!asset("models/mini-gpt/model.safetensors").empty() && !asset("held-out.txt").empty());
}

void TestWindowSwitch::init() {
  QSettings().clear();
  set_language(Language::English);
  window_ = std::make_unique<MainWindow>(arguments_);
  window_->resize(1600, 1000);
  window_->show();
  QVERIFY(QTest::qWaitForWindowExposed(window_.get()));
  window_->activateWindow();
  QVERIFY(QTest::qWaitForWindowActive(window_.get()));
  QTRY_VERIFY_WITH_TIMEOUT(window_->stage().step() != nullptr, patience_ms);
  wait_for("");
}

void TestWindowSwitch::wait_for(const std::string& attention) {
  QTRY_COMPARE_WITH_TIMEOUT(window_->stage().ran().setup.options.attention, attention, patience_ms);
  QTRY_VERIFY_WITH_TIMEOUT(!window_->engine().busy(), patience_ms);
  QCoreApplication::processEvents();
  QTRY_VERIFY_WITH_TIMEOUT(!window_->engine().busy(), patience_ms);
  QCoreApplication::processEvents();
}

void TestWindowSwitch::click(int kind) {
  QPushButton* button = window_->switch_bar()->attention()->button(kind);
  QVERIFY2(button->isVisible(), "the row of kinds is folded at this width");
  QTest::mouseClick(button, Qt::LeftButton);
}

void TestWindowSwitch::choose_number(const QString& number) {
  DropDown* list = window_->switch_bar()->attention_number();
  QVERIFY(list->isVisible());
  const int want = list->findText(number);
  QVERIFY2(want >= 0, qPrintable(number));
  list->setFocus();
  while (list->currentIndex() != want) QTest::keyClick(list, list->currentIndex() < want ? Qt::Key_Down : Qt::Key_Up);
}

void TestWindowSwitch::picture(const QString& name) {
  const QString folder = qEnvironmentVariable("CUTAWAY_SCREENSHOTS");
  if (folder.isEmpty()) return;
  QTRY_VERIFY_WITH_TIMEOUT(window_->centre()->canvas()->idle(), patience_ms);
  QCoreApplication::processEvents();
  QDir().mkpath(folder);
  window_->grab().save(folder + "/" + name + ".png");
}

void TestWindowSwitch::groups_latents_and_windows() {
  QTest::keyClick(window_.get(), Qt::Key_Right);  // one token is generated
  wait_for("");
  window_->stage().select_head("layers.4.attn", 2);
  const auto ids = window_->stage().step()->ids;
  const auto logits = window_->stage().step()->logits;
  const std::string text = window_->stage().text();
  QVERIFY(!window_->inspector()->switch_card()->isVisible());

  click(1);  // GQA
  wait_for("gqa:kv_heads=2");
  QCOMPARE(window_->stage().step()->ids, ids);
  QCOMPARE(window_->stage().text(), text);
  QCOMPARE(window_->stage().ran().step_now, int64_t{1});
  QCOMPARE(window_->stage().at().block, std::string("layers.4.attn"));
  QCOMPARE(window_->stage().at().head, int64_t{2});
  QVERIFY(window_->stage().step()->logits != logits);
  QVERIFY(window_->inspector()->switch_card()->isVisible());
  const auto& cost = window_->stage().ran().switch_cost;
  QVERIFY(cost && cost->tokens == 256);
  QVERIFY(cost->perplexity > cost->perplexity_before && cost->perplexity_before > 1);
  QCOMPARE(3 * cost->cache, cost->cache_before);
  QVERIFY2(card().contains("was") && card().contains("256 tokens"), qPrintable(card()));
  picture("switch-gqa");

  choose_number("6");  // as many heads as queries: nothing is lost
  wait_for("gqa:kv_heads=6");
  QCOMPARE(window_->stage().step()->logits, logits);
  QCOMPARE(window_->stage().ran().switch_cost->perplexity, window_->stage().ran().switch_cost->perplexity_before);

  click(3);  // a latent of half the rank
  wait_for("mla:rank=96");
  picture("switch-mla");
  choose_number("192");
  wait_for("mla:rank=192");
  const auto& full = window_->stage().ran().switch_cost;
  QVERIFY(std::abs(full->perplexity / full->perplexity_before - 1) < 1e-4);
  QCOMPARE(2 * full->cache, full->cache_before);

  click(4);  // a window
  wait_for("window:size=32");
  QVERIFY(window_->stage().ran().switch_cost->cache < window_->stage().ran().switch_cost->cache_before);
  click(0);  // as the checkpoint is
  wait_for("");
  QCOMPARE(window_->stage().step()->logits, logits);
  QVERIFY(!window_->inspector()->switch_card()->isVisible());
}

void TestWindowSwitch::it_is_undone_and_said_in_russian() {
  window_->stage().set_spoken(Language::Russian);
  click(2);  // MQA
  wait_for("mqa");
  QVERIFY(!window_->switch_bar()->attention_number()->isVisible());
  QVERIFY2(card().contains(QString::fromUtf8("было")), qPrintable(card()));
  picture("switch-mqa-russian");
  QTest::keyClick(window_.get(), Qt::Key_Z, Qt::ControlModifier);
  wait_for("");
  QVERIFY(!window_->inspector()->switch_card()->isVisible());
}

}  // namespace cutaway

QTEST_MAIN(cutaway::TestWindowSwitch)
#include "test_window_switch.moc"
