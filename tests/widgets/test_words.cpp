// Words are complete in both languages, numbers are written as people read them, palettes keep their order in grey.
#include <QtTest>

#include <cmath>

#include "widgets/fonts.h"
#include "widgets/theme.h"
#include "widgets/words.h"

using namespace cutaway;

namespace {

struct Entry {
  const char *key, *english, *russian;
};
constexpr Entry entries[] = {
#define WORD(key, english, russian) {#key, english, russian},
#include "widgets/words.inc"
#undef WORD
};

int holes(std::string_view text) {
  int n = 0;
  for (size_t at = text.find("{}"); at != std::string_view::npos; at = text.find("{}", at + 2)) ++n;
  return n;
}

/// L of OKLab (Ottosson 2020) from an sRGB colour.
double lightness(Color c) {
  const auto linear = [](int v) {
    const double s = v / 255.;
    return s <= 0.04045 ? s / 12.92 : std::pow((s + 0.055) / 1.055, 2.4);
  };
  const double r = linear(c.r), g = linear(c.g), b = linear(c.b);
  return 0.2104542553 * std::cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b) +
         0.7936177850 * std::cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b) -
         0.0040720468 * std::cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
}

double contrast(Color a, Color b) {
  const auto luminance = [](Color c) {
    const auto linear = [](int v) {
      const double s = v / 255.;
      return s <= 0.04045 ? s / 12.92 : std::pow((s + 0.055) / 1.055, 2.4);
    };
    return 0.2126 * linear(c.r) + 0.7152 * linear(c.g) + 0.0722 * linear(c.b);
  };
  const double x = luminance(a) + 0.05, y = luminance(b) + 0.05;
  return std::max(x, y) / std::min(x, y);
}

}  // namespace

class TestWords : public QObject {
  Q_OBJECT
 private slots:
  void cleanup() { set_language(Language::English); }

  void complete_in_both_languages() {
    for (const Entry& e : entries) {
      QVERIFY2(*e.english && *e.russian, e.key);
      QVERIFY2(QString::fromUtf8(e.russian).isValidUtf16() && !QString::fromUtf8(e.russian).contains(QChar(0xFFFD)),
               e.key);
      QVERIFY2(holes(e.english) == holes(e.russian), e.key);
    }
  }
  void every_letter_is_in_the_fonts() {
    for (const Entry& e : entries)
      for (const char* text : {e.english, e.russian})
        for (const char32_t letter : letters_of(text))
          QVERIFY2(has_glyph(Face::Sans, letter) && has_glyph(Face::SansSemibold, letter),
                   qPrintable(QString("%1: U+%2").arg(e.key).arg(uint(letter), 4, 16)));
  }

  void numbers_data() {
    QTest::addColumn<double>("value");
    QTest::addColumn<QString>("english");
    QTest::addColumn<QString>("russian");
    const auto row = [](double v, const char* en, const char* ru) {
      QTest::newRow(en) << v << QString(en) << QString(ru);
    };
    row(0, "0", "0");
    row(0.3124, "0.312", "0,312");
    row(0.00041, "4.1e-4", "4,1e-4");
    row(0.001, "0.00100", "0,00100");
    row(0.0123456, "0.0123", "0,0123");
    row(1e-10, "< 1e-9", "< 1e-9");
    row(1, "1.00", "1,00");
    row(9.996, "10.0", "10,0");
    row(0.9999, "1.00", "1,00");
    row(11.94, "11.9", "11,9");
    row(312, "312", "312");
    row(131072, "131,072", "131\u202F072");
    row(-0.25, "−0.250", "−0,250");
    row(NAN, "NaN", "NaN");
  }
  void numbers() {
    QFETCH(double, value);
    QFETCH(QString, english);
    QFETCH(QString, russian);
    QCOMPARE(QString::fromStdString(say_number(value)), english);
    set_language(Language::Russian);
    QCOMPARE(QString::fromStdString(say_number(value)), russian);
  }
  void units() {
    QCOMPARE(say_bytes(6144), std::string("6.00 KiB"));
    QCOMPARE(say_bytes(512), std::string("512 B"));
    QCOMPARE(say_bytes(73728. * 1024), std::string("72.0 MiB"));
    QCOMPARE(say_ms(1.84), std::string("1.84 ms"));
    QCOMPARE(say_ms(0.00192), std::string("1.92 µs"));
    QCOMPARE(say_ms(12345), std::string("12.3 s"));
    QCOMPARE(say_percent(0.312), std::string("31.2 %"));
    QCOMPARE(say_percent(0.0000412), std::string("0.00412 %"));
    set_language(Language::Russian);
    QCOMPARE(say_bytes(6144), std::string("6,00 КиБ"));
    QCOMPARE(say_percent(0.312), std::string("31,2 %"));
  }
  void plurals() {
    const auto tokens = [](int64_t n) { return say_count(n, Word::TokenOne, Word::TokenFew, Word::TokenMany); };
    QCOMPARE(tokens(1), std::string("1 token"));
    QCOMPARE(tokens(2), std::string("2 tokens"));
    QCOMPARE(tokens(0), std::string("0 tokens"));
    set_language(Language::Russian);
    for (const auto& [n, said] : std::initializer_list<std::pair<int, const char*>>{{1, "1 токен"},
                                                                                    {2, "2 токена"},
                                                                                    {5, "5 токенов"},
                                                                                    {11, "11 токенов"},
                                                                                    {12, "12 токенов"},
                                                                                    {21, "21 токен"},
                                                                                    {24, "24 токена"},
                                                                                    {112, "112 токенов"},
                                                                                    {0, "0 токенов"}})
      QCOMPARE(tokens(n), std::string(said));
  }

  void palettes_keep_their_order_in_grey() {
    for (const Theme* theme : {&dark_theme(), &light_theme()}) {
      double before = lightness(sequential(*theme, 0));
      for (int i = 1; i <= 100; ++i) {
        const double now = lightness(sequential(*theme, static_cast<float>(i) / 100));
        QVERIFY2(theme->dark ? now > before : now < before, qPrintable(QString::number(i)));
        before = now;
      }
    }
  }
  void text_can_be_read() {
    for (const Theme* t : {&dark_theme(), &light_theme()})
      for (const Color ground : {t->canvas, t->surface, t->raised}) {
        QVERIFY(contrast(t->text, ground) >= 13);
        for (const Color c : {t->secondary, t->dim, t->accent, t->error}) QVERIFY(contrast(c, ground) >= 4.5);
      }
  }

  void widths() {
    QCOMPARE(text_width("0000", Face::Mono, 10), 24.f);  // 600 of 1000 units each
    QVERIFY(text_width("Привет", Face::Sans, 11) > 30);
    QCOMPARE(text_width("", Face::Sans, 11), 0.f);
    const std::string cut = fitted("a long piece of text", Face::Sans, 11, 60);
    QVERIFY(cut.ends_with("…") && text_width(cut, Face::Sans, 11) <= 60);
    QCOMPARE(fitted("short", Face::Sans, 11, 60), std::string("short"));
  }
  void subsets() {
    for (const Face face : {Face::Sans, Face::SansSemibold, Face::Mono}) {
      const std::string subset = font_subset(face, {U'a', U'ж', U'…'});
      QVERIFY(!subset.empty() && subset.size() < 6000 && subset.size() < font_file(face).bytes.size() / 10);
    }
  }
};

QTEST_APPLESS_MAIN(TestWords)
#include "test_words.moc"
