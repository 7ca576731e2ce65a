// Masks are rules: the rule, its span of keys and its text must tell the same story.
#include <QtTest>

#include "engine/mask.h"

using namespace cutaway;
using Kind = MaskRule::Kind;

class TestMask : public QObject {
  Q_OBJECT
 private slots:
  void counts() {  // spec dense.md D4: causal T = 33 allows 561 cells
    const auto allowed = [](const MaskRule& rule, int64_t T) {
      int64_t n = 0;
      for (int64_t q = 0; q < T; ++q)
        for (int64_t k = 0; k < T; ++k) n += rule.allowed(q, k);
      return n;
    };
    QCOMPARE(allowed({Kind::Causal}, 33), 561);
    QCOMPARE(allowed({Kind::Bidirectional}, 33), 33 * 33);
    QCOMPARE(allowed({Kind::Window, 1}, 33), 33);
    QCOMPARE(allowed({Kind::Window, 4}, 33), 33 * 4 - 6);
    QCOMPARE(allowed({Kind::Prefix, 10}, 33), 561 + 45);  // the upper triangle of the 10 x 10 block opens
  }

  void span_holds_every_allowed_key() {
    MaskRule custom = MaskRule{Kind::Causal}.with_cell(7, 2, 6, true);
    for (const MaskRule& rule : {MaskRule{Kind::Causal}, MaskRule{Kind::Bidirectional}, MaskRule{Kind::Prefix, 5},
                                 MaskRule{Kind::Window, 3}, custom})
      for (int64_t q = 0; q < 12; ++q) {
        const auto [first, last] = rule.span(q, 12);
        QVERIFY(0 <= first && first <= last && last <= 12);
        for (int64_t k = 0; k < 12; ++k)
          if (rule.allowed(q, k)) QVERIFY2(first <= k && k < last, qPrintable(QString::fromStdString(rule.text())));
      }
  }

  void looking_ahead() {
    QVERIFY((MaskRule{Kind::Causal}.may_append(4)));
    QVERIFY((MaskRule{Kind::Window, 8}.may_append(4)));
    QVERIFY(!(MaskRule{Kind::Bidirectional}.may_append(4)));
    QVERIFY(!(MaskRule{Kind::Prefix, 5}.may_append(4)));
    QVERIFY((MaskRule{Kind::Prefix, 4}.may_append(4)));
    QVERIFY((MaskRule{Kind::Prefix, 1}.may_append(4)));
    QVERIFY((MaskRule{Kind::Causal}.with_cell(8, 5, 2, false).may_append(4)));
    QVERIFY(!(MaskRule{Kind::Causal}.with_cell(8, 2, 5, true).may_append(4)));
  }

  void painting_changes_one_cell() {
    const MaskRule before{Kind::Window, 4};
    const MaskRule after = before.with_cell(40, 35, 2, true);
    int changed = 0;
    for (int64_t q = 0; q < 40; ++q)
      for (int64_t k = 0; k < 40; ++k) changed += before.allowed(q, k) != after.allowed(q, k);
    QCOMPARE(changed, 1);
    QVERIFY(after.allowed(35, 2));
    QVERIFY(after.allowed(50, 3) && !after.allowed(50, 51));  // outside the painted area: causal
  }

  void text_and_back() {
    for (const char* text : {"causal", "bidirectional", "prefix:9", "prefix:0", "window:64"}) {
      const auto rule = MaskRule::parse(text);
      QVERIFY(rule);
      QCOMPARE(rule->text(), std::string(text));
    }
    for (const char* text :
         {"", "causall", "prefix", "prefix:", "prefix:x", "window:0", "window:-3", "window:9x", "custom"})
      QVERIFY2(!MaskRule::parse(text), text);
  }
};

QTEST_APPLESS_MAIN(TestMask)
#include "test_mask.moc"
