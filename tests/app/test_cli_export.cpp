// Files that `cutaway export` writes: well formed, with where they come from, and with the numbers of the maps.
#include <QImage>
#include <QImageReader>
#include <QTest>
#include <cmath>
#include <cstring>

#include "engine/files/tensor_files.h"
#include "tests/app/program.h"

using namespace cutaway;

/// What stands in a .npy of float32: values and shape.
struct Npy {
  QByteArray type;
  QString shape;
  QByteArray data;
};

/// The entries of a zip archive without compression, read by its local headers.
static QHash<QString, Npy> read_npz(const QByteArray& file) {
  QHash<QString, Npy> arrays;
  const auto number = [&](qsizetype at, int bytes) {
    uint32_t value = 0;
    std::memcpy(&value, file.constData() + at, static_cast<size_t>(bytes));
    return value;
  };
  for (qsizetype at = 0; file.mid(at, 4) == QByteArray("PK\x03\x04", 4);) {
    const qsizetype size = number(at + 18, 4), name = number(at + 26, 2), extra = number(at + 28, 2);
    const QByteArray npy = file.mid(at + 30 + name + extra, size);
    const qsizetype header = static_cast<uint8_t>(npy[8]) + 256 * static_cast<uint8_t>(npy[9]);
    const QString said = npy.mid(10, header);
    arrays[file.mid(at + 30, name)] = {said.section('\'', 3, 3).toLatin1(), said.section('(', 1).section(')', 0, 0),
                                       npy.mid(10 + header)};
    at += 30 + name + extra + size;
  }
  return arrays;
}

/// Fields of CSV without quotes and line ends inside them.
static QList<QStringList> read_csv(const QByteArray& file) {
  QList<QStringList> rows;
  for (const QByteArray& line : file.trimmed().split('\n')) rows << QString::fromUtf8(line).split(',');
  return rows;
}

class TestCliExport : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase();
  void every_view_data();
  void every_view();
  void svg_carries_where_it_comes_from();
  void png_has_the_asked_size_data();
  void png_has_the_asked_size();
  void pdf_has_text_and_size();
  void html_says_each_cell();
  void numbers_are_those_of_transformers();
  void csv_equals_npz();
  void masked_cells_have_no_value();
  void steps();
  void a_trace_shows_the_same_map_data();
  void a_trace_shows_the_same_map();
  void given_wrong_data();
  void given_wrong();
  void an_older_file_survives_a_failure();

 private:
  QString file(const QString& name) const { return folder_.filePath(name); }
  Said export_tiny(const QString& name, const QStringList& more) const {
    return program(gpt_.call("export", QStringList{"--prompt", "The key to the old doors", "-o", file(name)} + more));
  }

  TinyModel gpt_;
  QTemporaryDir folder_;
};

void TestCliExport::initTestCase() {
  QVERIFY2(QFile::exists(qEnvironmentVariable("CUTAWAY_BINARY")), "CUTAWAY_BINARY names no file");
}

void TestCliExport::every_view_data() {
  QTest::addColumn<QString>("view");
  QTest::addColumn<QString>("ending");
  for (const QJsonValue& view : program({"list", "--json"}).json()["views"].toArray())
    for (const char* ending : {"svg", "pdf", "png", "csv", "npz", "html"})
      QTest::addRow("%s.%s", qPrintable(view.toString()), ending) << view.toString() << QString(ending);
}

void TestCliExport::every_view() {
  QFETCH(QString, view);
  QFETCH(QString, ending);
  QTemporaryDir folder;
  const QString name = folder.filePath("x." + ending);
  const Said said =
      program(gpt_.call("export", {"--prompt", "The key, to \"the\" old doors", "--view", view, "-o", name}));
  QVERIFY2(said.code == 0, said.err.constData());
  QVERIFY2(said.err.isEmpty(), said.err.constData());
  QCOMPARE(QDir(folder.path()).entryList(QDir::Files | QDir::Hidden), QStringList{"x." + ending});
  const QByteArray bytes = file_bytes(name);
  if (ending == "svg") {
    QVERIFY(bytes.startsWith("<?xml"));
    QVERIFY(bytes.contains("<text"));
    QVERIFY(bytes.contains("random weights"));  // such a figure says so
  } else if (ending == "pdf") {
    QVERIFY(bytes.startsWith("%PDF"));
    QVERIFY(bytes.trimmed().endsWith("%%EOF"));
  } else if (ending == "png") {
    QVERIFY(!QImage::fromData(bytes).isNull());
  } else if (ending == "html") {
    QVERIFY(bytes.startsWith("<!DOCTYPE html>"));
    QVERIFY(bytes.contains("<text") && bytes.contains("<table>") && bytes.trimmed().endsWith("</html>"));
    QVERIFY(!bytes.contains("<script") && !bytes.contains("src=\"http") && !bytes.contains("href=\"http"));
  } else if (ending == "npz") {
    const auto arrays = read_npz(bytes);
    QVERIFY(arrays.size() >= 2);
    QVERIFY(arrays["meta.npy"].type.startsWith("<U"));
  } else {
    QVERIFY(bytes.count('\n') >= 2);
    QVERIFY(bytes.split('\n')[0].endsWith(",provenance"));
  }
}

void TestCliExport::svg_carries_where_it_comes_from() {
  QCOMPARE(export_tiny("a.svg", {"--view", "attention", "--layer", "1", "--head", "2"}).code, 0);
  const QString svg = file_bytes(file("a.svg"));
  for (const char* part :
       {"Cutaway ", "The key to the old doors", "L1 H2", "fp32", "cpu", "random weights", "causal", "<metadata>"})
    QVERIFY2(svg.contains(part), part);
  QCOMPARE(export_tiny("b.svg", {"--view", "attention", "--no-text"}).code, 0);
  QVERIFY(!QString(file_bytes(file("b.svg"))).contains("text: The key"));
  QCOMPARE(
      export_tiny("c.svg", {"--view", "attention", "--preset", "column", "--language", "ru", "--theme", "dark"}).code,
      0);
  QVERIFY(file_bytes(file("c.svg")).contains("width=\"89mm\""));
  QVERIFY(QString(file_bytes(file("c.svg"))).contains(QString::fromUtf8("Карта внимания")));
}

void TestCliExport::png_has_the_asked_size_data() {
  QTest::addColumn<QStringList>("options");
  QTest::addColumn<QSize>("size");
  QTest::newRow("own") << QStringList{} << QSize(1640, 1520);
  QTest::newRow("size") << QStringList{"--size", "640x480"} << QSize(640, 480);
  QTest::newRow("size and scale") << QStringList{"--size", "500x400", "--png-scale", "3"} << QSize(1500, 1200);
  QTest::newRow("half") << QStringList{"--size", "500x400", "--png-scale", "0.5"} << QSize(250, 200);
  QTest::newRow("slide") << QStringList{"--preset", "slide"} << QSize(1920, 1080);
}

void TestCliExport::png_has_the_asked_size() {
  QFETCH(QStringList, options);
  QFETCH(QSize, size);
  QCOMPARE(export_tiny("a.png", QStringList{"--view", "attention"} + options).code, 0);
  QImageReader reader(file("a.png"));
  QCOMPARE(reader.text("cutaway-model"), QFileInfo(gpt_.path()).fileName());
  QCOMPARE(reader.text("cutaway-text"), QString("The key to the old doors"));
  const QImage image = reader.read();
  QCOMPARE(image.size(), size);
  QSet<QRgb> colours;
  for (int y = 0; y < image.height(); y += 3)
    for (int x = 0; x < image.width(); x += 3) colours << image.pixel(x, y);
  QVERIFY(colours.size() > 10);  // a picture, not a sheet of paper
}

void TestCliExport::pdf_has_text_and_size() {
  QCOMPARE(export_tiny("a.pdf", {"--view", "attention", "--preset", "column"}).code, 0);
  const QByteArray pdf = file_bytes(file("a.pdf"));
  QVERIFY(pdf.contains("/FontFile"));                 // an embedded subset: the text is text
  QVERIFY(!pdf.contains("/DCTDecode"));               // no JPEG
  QVERIFY(pdf.contains("The key to the old doors"));  // XMP
  const qsizetype at = pdf.indexOf("/MediaBox");
  const QList<QByteArray> box = pdf.mid(at + 9, 60).split(']')[0].replace('[', ' ').simplified().split(' ');
  QVERIFY(std::abs(box[2].toDouble() - 89 / 25.4 * 72) < 1.5);
}

void TestCliExport::html_says_each_cell() {
  QCOMPARE(export_tiny("a.html", {"--view", "attention"}).code, 0);
  QCOMPARE(export_tiny("a.csv", {"--view", "attention"}).code, 0);
  const QByteArray html = file_bytes(file("a.html"));
  const qsizetype cells = file_bytes(file("a.csv")).count('\n') - 1;
  QCOMPARE(html.count("\"><title>"), cells);  // a readout for every query and key
  QVERIFY(html.contains("The key to the old doors"));
}

void TestCliExport::numbers_are_those_of_transformers() {
  const auto golden = TensorFiles::open_file(source("tests/goldens/gpt2-plain/golden.safetensors").toStdString());
  QVERIFY(golden);
  const FileTensor& ids = *(*golden)->find("input_ids");
  QStringList words;
  for (size_t i = 0; i < ids.data.size(); i += 4) {
    int32_t id = 0;
    std::memcpy(&id, ids.data.data() + i, 4);
    words << QString::number(id);
  }
  const Said said = program({"export", source("tests/goldens/gpt2-plain"), "--ids", words.join(','), "--view",
                             "attention", "--layer", "1", "--head", "2", "-o", file("a.npz")});
  QVERIFY2(said.code == 0, said.err.constData());
  const auto arrays = read_npz(file_bytes(file("a.npz")));
  QVERIFY2(arrays.contains("probs.npy"), qPrintable(QStringList(arrays.keys()).join(' ')));
  const FileTensor& probs = *(*golden)->find("layers.1.attn.probs");
  const auto T = static_cast<size_t>(probs.shape[2]);
  std::vector<float> got(T * T), want(T * T);
  QCOMPARE(arrays["probs.npy"].data.size(), static_cast<qsizetype>(4 * T * T));
  std::memcpy(got.data(), arrays["probs.npy"].data.constData(), 4 * T * T);
  std::memcpy(want.data(), probs.data.data() + 2 * 4 * T * T, 4 * T * T);
  for (size_t q = 0; q < T; ++q)
    for (size_t k = 0; k < T; ++k) {
      if (k <= q) QVERIFY(std::abs(got[q * T + k] - want[q * T + k]) < 1e-5);
      if (k > q) QVERIFY(std::isnan(got[q * T + k]));
    }
}

void TestCliExport::csv_equals_npz() {
  QCOMPARE(export_tiny("a.csv", {"--view", "attention", "--layer", "1", "--head", "1"}).code, 0);
  QCOMPARE(export_tiny("a.npz", {"--view", "attention", "--layer", "1", "--head", "1"}).code, 0);
  const Npy probs = read_npz(file_bytes(file("a.npz")))["probs.npy"];
  const auto T = static_cast<size_t>(std::lround(std::sqrt(static_cast<double>(probs.data.size()) / 4)));
  std::vector<float> values(T * T);
  std::memcpy(values.data(), probs.data.constData(), 4 * T * T);
  const QList<QStringList> rows = read_csv(file_bytes(file("a.csv")));
  const auto column = [&](const char* name) { return rows[0].indexOf(name); };
  const auto q = column("query"), k = column("key"), weight = column("weight");
  QVERIFY2(q >= 0 && k >= 0 && weight >= 0, qPrintable(rows[0].join(' ')));
  size_t compared = 0;
  for (qsizetype i = 1; i < rows.size(); ++i) {
    if (rows[i][weight].isEmpty()) continue;  // masked
    const float value = values[rows[i][q].toUInt() * T + rows[i][k].toUInt()];
    QCOMPARE(rows[i][weight].toFloat(), value);
    ++compared;
  }
  QCOMPARE(compared, T * (T + 1) / 2);
}

void TestCliExport::masked_cells_have_no_value() {
  QCOMPARE(export_tiny("a.npz", {"--view", "attention", "--mask", "window:2"}).code, 0);
  const Npy probs = read_npz(file_bytes(file("a.npz")))["probs.npy"];
  const auto T = static_cast<size_t>(std::lround(std::sqrt(static_cast<double>(probs.data.size()) / 4)));
  std::vector<float> values(T * T);
  std::memcpy(values.data(), probs.data.constData(), 4 * T * T);
  for (size_t i = 0; i < T; ++i)
    for (size_t j = 0; j < T; ++j) QCOMPARE(std::isnan(values[i * T + j]), !(j <= i && j + 2 > i));
}

void TestCliExport::steps() {
  const auto cells = [&](const QStringList& more) {
    if (export_tiny("s.npz", QStringList{"--view", "attention"} + more).code != 0) return qsizetype(-1);
    return read_npz(file_bytes(file("s.npz")))["probs.npy"].data.size() / 4;
  };
  const qsizetype prompt = cells({});
  const auto T = static_cast<qsizetype>(std::lround(std::sqrt(static_cast<double>(prompt))));
  QCOMPARE(cells({"--step", "3"}), (T + 3) * (T + 3));
  QCOMPARE(cells({"--steps", "3", "--step", "1"}), (T + 1) * (T + 1));
  QCOMPARE(cells({"--steps", "3"}), (T + 3) * (T + 3));
}

void TestCliExport::a_trace_shows_the_same_map_data() {
  QTest::addColumn<QStringList>("taps");
  QTest::newRow("probs") << QStringList{};
  QTest::newRow("q, k and lse alone") << QStringList{"--tap", "*.q", "--tap", "*.k", "--tap", "*.lse"};
}

void TestCliExport::a_trace_shows_the_same_map() {
  QFETCH(QStringList, taps);
  const QStringList what = {"--view", "attention", "--layer", "1", "--head", "1", "-o"};
  const auto probs = [&](const QString& name) {
    const QByteArray data = read_npz(file_bytes(file(name)))["probs.npy"].data;
    std::vector<float> values(static_cast<size_t>(data.size()) / 4);
    std::memcpy(values.data(), data.constData(), values.size() * 4);
    return values;
  };
  QCOMPARE(
      program(
          gpt_.call("run", QStringList{"--ids", "5,6,7,8,9", "--steps", "0", "--trace", file("t.safetensors")} + taps))
          .code,
      0);
  QCOMPARE(program(gpt_.call("export", QStringList{"--ids", "5,6,7,8,9"} + what + QStringList{file("model.npz")})).code,
           0);
  const Said said = program(QStringList{"export", file("t.safetensors")} + what + QStringList{file("trace.npz")});
  QVERIFY2(said.code == 0, said.err.constData());
  const std::vector<float> want = probs("model.npz"), got = probs("trace.npz");
  QCOMPARE(got.size(), want.size());
  QCOMPARE(want.size(), size_t(25));
  for (size_t i = 0; i < want.size(); ++i) {
    QCOMPARE(std::isnan(got[i]), std::isnan(want[i]));
    if (!std::isnan(want[i])) QVERIFY(std::abs(got[i] - want[i]) <= 1e-6);
  }
  for (const char* ending : {"svg", "png", "csv"})
    QCOMPARE(program(QStringList{"export", file("t.safetensors")} + what + QStringList{file("trace.") + ending}).code,
             0);
}

void TestCliExport::given_wrong_data() {
  QTest::addColumn<QStringList>("options");
  QTest::addColumn<QString>("names");
  const auto row = [](const char* name, const QStringList& options, const char* names) {
    QTest::newRow(name) << options << QString(names);
  };
  row("unknown view", {"--view", "nonsense"}, "nonsense");
  row("no view", {}, "--view");
  row("layer too large", {"--view", "attention", "--layer", "2"}, "--layer");
  row("layer negative", {"--view", "attention", "--layer", "-1"}, "--layer");
  row("head too large", {"--view", "attention", "--head", "3"}, "--head");
  row("heads", {"--view", "attention", "--heads", "median"}, "median");
  row("scale", {"--view", "attention", "--scale", "loud"}, "loud");
  row("step beyond", {"--view", "attention", "--steps", "1", "--step", "2"}, "--step");
  row("theme", {"--view", "attention", "--theme", "plaid"}, "plaid");
  row("language", {"--view", "attention", "--language", "xx"}, "xx");
  row("size", {"--view", "attention", "--size", "12"}, "--size");
  row("size zero", {"--view", "attention", "--size", "0x0"}, "--size");
  row("size junk", {"--view", "attention", "--size", "640x480x2"}, "--size");
  row("png scale", {"--view", "attention", "--png-scale", "0"}, "--png-scale");
  row("preset", {"--view", "attention", "--preset", "poster"}, "poster");
}

void TestCliExport::given_wrong() {
  QFETCH(QStringList, options);
  QFETCH(QString, names);
  QTemporaryDir folder;
  const Said said =
      program(gpt_.call("export", QStringList{"--prompt", "a b", "-o", folder.filePath("x.png")} + options));
  QVERIFY2(said.code == 2, said.err.constData());
  QCOMPARE(said.lines(), 1);
  QVERIFY2(QString::fromUtf8(said.err).contains(names), said.err.constData());
  QVERIFY(QDir(folder.path()).isEmpty(QDir::Files | QDir::Hidden));
}

void TestCliExport::an_older_file_survives_a_failure() {
  for (const QString& name : {QString("kept.docx"), QString("none/kept.svg"), QString("kept")}) {
    const Said said = export_tiny(name, {"--view", "attention"});
    QCOMPARE(said.code, 2);
    QCOMPARE(said.lines(), 1);
  }
  QFile old(file("old.svg"));
  QVERIFY(old.open(QIODevice::WriteOnly));
  old.write("old");
  old.close();
  QCOMPARE(export_tiny("old.svg", {"--view", "attention", "--head", "9"}).code, 2);
  QCOMPARE(file_bytes(file("old.svg")), QByteArray("old"));
  QCOMPARE(export_tiny("old.svg", {"--view", "attention"}).code, 0);
  QVERIFY(file_bytes(file("old.svg")).startsWith("<?xml"));
}

QTEST_GUILESS_MAIN(TestCliExport)
#include "test_cli_export.moc"
