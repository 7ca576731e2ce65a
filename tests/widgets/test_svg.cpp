// What the SVG writer makes is well-formed, keeps text as text with its font, and stays small.
#include <QXmlStreamReader>
#include <QtTest>

#include <cmath>

#include "widgets/heat.h"
#include "widgets/svg_canvas.h"

using namespace cutaway;

namespace {

/// Scores with a standard deviation of two nats, as heads have: four sines that share no period.
float score(int64_t q, int64_t k) {
  float sum = 0;
  for (int i = 1; i <= 4; ++i) sum += std::sin(static_cast<float>(q * (2 * i + 1) + k * k * i) * 1.7f);
  return 1.41f * sum;
}

/// A tile source with one tile in it: the causal softmax of made-up scores.
class OneTile final : public TileSource {
 public:
  std::shared_ptr<const Tile> best(const TileRequest& r) override {
    Tile tile{r, {}, {}};
    for (int64_t q = 0; q < r.rows; ++q) {
      std::vector<float> row(static_cast<size_t>(r.columns), masked_cell);
      float sum = 0, most = 0;
      for (int64_t k = 0; k <= q && k < r.columns; ++k) sum += row[static_cast<size_t>(k)] = std::exp(score(q, k));
      for (float& v : row)
        if (v != masked_cell) most = std::max(most, v /= sum);
      tile.values.insert(tile.values.end(), row.begin(), row.end());
      tile.row_max.push_back(most);
    }
    return std::make_shared<const Tile>(tile);
  }
};

TileRequest request(int64_t n) {
  TileRequest r;
  r.queries = r.keys = {0, n};
  r.rows = r.columns = n;
  return r;
}

struct Parsed {
  QString error;
  QStringList texts, fills;
  int paths = 0;
  QString title, description, view_box, width;
};

Parsed parse(const std::string& svg) {
  Parsed p;
  QXmlStreamReader xml(QByteArray::fromStdString(svg));
  while (!xml.atEnd()) {
    xml.readNext();
    if (!xml.isStartElement()) continue;
    const QString name = xml.name().toString();
    const auto attributes = xml.attributes();
    if (name == u"svg") {
      p.view_box = attributes.value("viewBox").toString();
      p.width = attributes.value("width").toString();
    }
    if (name == u"path") {
      ++p.paths;
      p.fills << attributes.value("fill").toString();
    }
    if (name == u"text")
      p.texts << xml.readElementText();
    else if (name == u"title")
      p.title = xml.readElementText();
    else if (name == u"desc")
      p.description = xml.readElementText();
  }
  if (xml.hasError()) p.error = xml.errorString();
  return p;
}

}  // namespace

class TestSvg : public QObject {
  Q_OBJECT
 private slots:
  void any_text_is_well_formed_data() {
    QTest::addColumn<QByteArray>("text");
    QTest::addColumn<QString>("read_back");
    QTest::newRow("plain") << QByteArray("robot") << QString("robot");
    QTest::newRow("markup") << QByteArray("<b a=\"1\">&amp;") << QString("<b a=\"1\">&amp;");
    QTest::newRow("control") << QByteArray("a\x01\x1b\0b", 5) << QString("a\uFFFD\uFFFD\uFFFDb");
    QTest::newRow("newline") << QByteArray("a\nb\tc") << QString("a\uFFFDb\uFFFDc");
    QTest::newRow("bad utf-8") << QByteArray("\xC3(\xFF") << QString("\uFFFD(\uFFFD");
    QTest::newRow("cut utf-8") << QByteArray("\xF0\x9F\x98") << QString("\uFFFD\uFFFD\uFFFD");
    QTest::newRow("not a letter") << QByteArray("\xEF\xBF\xBE") << QString("\uFFFD");
    QTest::newRow("emoji") << QByteArray("😀") << QString("😀");
    QTest::newRow("cyrillic") << QByteArray("Кот") << QString("Кот");
    QTest::newRow("cdata") << QByteArray("]]>") << QString("]]>");
  }
  void any_text_is_well_formed() {
    QFETCH(QByteArray, text);
    QFETCH(QString, read_back);
    OneTile tiles;
    SvgCanvas canvas(
        {.title = text.toStdString(), .description = text.toStdString(), .metadata = {{"text", text.toStdString()}}},
        dark_theme(), tiles);
    canvas.begin_group(text.toStdString());
    canvas.text({10, 20}, text.toStdString(), {.face = Face::Mono});
    canvas.end_group();
    const Parsed p = parse(canvas.finish());
    QCOMPARE(p.error, QString());
    QCOMPARE(p.texts, QStringList{read_back});
    QCOMPARE(p.title, read_back);
    QCOMPARE(p.description, read_back);
  }

  void a_page_knows_its_size() {
    OneTile tiles;
    SvgCanvas canvas({.width = 640, .height = 480, .width_mm = 89}, light_theme(), tiles);
    canvas.fill({0, 0, 10, 10}, light_theme().accent);
    const Parsed p = parse(canvas.finish());
    QCOMPARE(p.error, QString());
    QCOMPARE(p.view_box, QString("0 0 640 480"));
    QCOMPARE(p.width, QString("89mm"));
  }

  void fonts_are_embedded_as_subsets() {
    OneTile tiles;
    SvgCanvas canvas({}, dark_theme(), tiles);
    canvas.text({0, 20}, "robot", {.face = Face::Mono});
    canvas.text({0, 40}, "Слой 5", {.face = Face::SansSemibold});
    const std::string svg = canvas.finish();
    QCOMPARE(QString::fromStdString(svg).count("@font-face"), 2);
    QVERIFY(svg.find("font-family:\"JetBrains Mono\"") != std::string::npos);
    QVERIFY2(svg.size() < 16000, qPrintable(QString::number(svg.size())));
  }

  void a_large_map_is_small() {
    OneTile tiles;
    SvgCanvas canvas({.width = 800, .height = 800}, dark_theme(), tiles);
    canvas.heat_map({20, 20, 768, 768}, request(256), ScaleMode::Row);
    const std::string svg = canvas.finish();
    const Parsed p = parse(svg);
    QCOMPARE(p.error, QString());
    QVERIFY2(svg.size() <= 200'000, qPrintable(QString::number(svg.size())));
    QVERIFY(p.fills.filter("url(#masked").size() == 1);
  }
  void every_value_keeps_its_colour_data() {
    QTest::addColumn<float>("side");
    QTest::newRow("with gaps") << 480.f;
    QTest::newRow("runs") << 120.f;
  }
  void every_value_keeps_its_colour() {
    QFETCH(float, side);
    OneTile tiles;
    const TileRequest r = request(24);
    const auto tile = tiles.best(r);
    const HeatShapes shapes = heat_shapes({0, 0, side, side}, r, *tile, dark_theme(), ScaleMode::Row);
    // The colour painted last over each cell's centre is the value's own.
    for (int64_t q = 0; q < 24; ++q)
      for (int64_t k = 0; k < 24; ++k) {
        const Point centre{(static_cast<float>(k) + 0.5f) * side / 24, (static_cast<float>(q) + 0.5f) * side / 24};
        const Color* found = nullptr;
        for (const auto& layer : shapes.layers)
          for (const Rect& cell : layer.cells)
            if (cell.contains(centre)) found = &layer.color;
        bool masked = false;
        for (const Rect& cell : shapes.masked) masked = masked || cell.contains(centre);
        QCOMPARE(masked, k > q);
        QVERIFY(found || masked);
        if (!masked)
          QVERIFY(*found == sequential(dark_theme(), tile->values[static_cast<size_t>(q * 24 + k)] /
                                                         tile->row_max[static_cast<size_t>(q)]));
      }
  }
  void marks_are_not_colours() {
    TileRequest r = request(2);
    Tile tile{r, {0.5f, masked_cell, not_computed_cell, NAN}, {0.5f, 0.5f}};
    const HeatShapes shapes = heat_shapes({0, 0, 100, 100}, r, tile, dark_theme(), ScaleMode::Global);
    QCOMPARE(shapes.layers.size(), size_t{1});
    QCOMPARE(shapes.masked.size(), size_t{1});
    QCOMPARE(shapes.missing.size(), size_t{1});
    QCOMPARE(shapes.broken.size(), size_t{1});
  }
  void an_older_tile_lies_where_it_belongs() {
    TileRequest asked = request(10), had = request(10);
    had.queries = had.keys = {2, 4};
    had.rows = had.columns = 1;
    const HeatShapes shapes =
        heat_shapes({0, 0, 100, 100}, asked, Tile{had, {0.5f}, {0.5f}}, dark_theme(), ScaleMode::Global);
    QCOMPARE(shapes.layers.size(), size_t{1});
    const Rect cell = shapes.layers[0].cells[0];
    QCOMPARE(cell.x, 20.f);
    QCOMPARE(cell.y, 20.f);
    QVERIFY(cell.w >= 19 && cell.w <= 20);
  }
};

QTEST_APPLESS_MAIN(TestSvg)
#include "test_svg.moc"
