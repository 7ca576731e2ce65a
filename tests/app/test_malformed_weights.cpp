// Broken weight files through the real program: a refusal of one sentence, never a crash, nothing left behind.
#include <QtTest>

#include <QDir>
#include <QFile>

#include <cmath>
#include <cstring>

#include "tests/support/malformed.h"
#include "tests/support/program.h"
#include "tests/support/tiny_folder.h"

using namespace cutaway::tests;

namespace {

using Spoil = std::function<void(const QString&)>;

/// The weight file is these bytes.
Spoil weights(const QByteArray& bytes) { return file_holds("model.safetensors", bytes); }

/// A good header with some text replaced, over good data.
Spoil header_with(const QByteArray& from, const QByteArray& to) {
  QByteArray header = safetensors_header(tiny_gpt2_tensors());
  if (!header.contains(from)) qFatal("the header has no %s", from.constData());
  return weights(safetensors(header.replace(from, to), safetensors_data(tiny_gpt2_tensors())));
}

/// The tensors after a change.
Spoil tensors_after(const std::function<void(QList<FileTensor>&)>& change) {
  QList<FileTensor> tensors = tiny_gpt2_tensors();
  change(tensors);
  return weights(safetensors(tensors));
}

QByteArray length_only(quint64 n, const QByteArray& rest) {
  QByteArray bytes(8, 0);
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(n >> (8 * i) & 0xff);
  return bytes + rest;
}

void fill(FileTensor& t, float value) {
  for (qsizetype i = 0; i + 4 <= t.data.size(); i += 4) std::memcpy(t.data.data() + i, &value, 4);
}

FileTensor& named(QList<FileTensor>& all, const char* name) {
  for (FileTensor& t : all)
    if (t.name == name) return t;
  qFatal("no tensor %s", name);
}

/// The file split in two shards and an index over them; the index may be changed.
Spoil shards(const std::function<void(QByteArray& index)>& change, bool with_second = true) {
  return [change, with_second](const QString& folder) {
    const QList<FileTensor> all = tiny_gpt2_tensors();
    const QList<FileTensor> first = all.mid(0, 10), second = all.mid(10);
    QFile::remove(folder + "/model.safetensors");
    write_file(folder + "/model-00001-of-00002.safetensors", safetensors(first));
    if (with_second) write_file(folder + "/model-00002-of-00002.safetensors", safetensors(second));
    QByteArray index = "{\"metadata\":{\"total_size\":1},\"weight_map\":{";
    for (qsizetype i = 0; i < all.size(); ++i)
      index += (i ? ",\"" : "\"") + all[i].name + "\":\"model-0000" + (i < 10 ? "1" : "2") + "-of-00002.safetensors\"";
    index += "}}";
    change(index);
    write_file(folder + "/model.safetensors.index.json", index);
  };
}

Spoil replaced_in_index(const QByteArray& from, const QByteArray& to) {
  return shards([from, to](QByteArray& index) { index.replace(from, to); });
}

const char* const file = "model.safetensors";

const QList<Malformed>& cases() {
  static const QByteArray header = safetensors_header(tiny_gpt2_tensors()),
                          data = safetensors_data(tiny_gpt2_tensors());
  static const QByteArray good = safetensors(tiny_gpt2_tensors());
  static const QByteArray wte = "\"dtype\":\"F32\",\"shape\":[260,16],\"data_offsets\":[0,16640]";
  static const QList<Malformed> list = {
      {"an empty file", weights(""), {file}},
      {"seven bytes", weights("1234567"), {file}},
      {"a header of no bytes", weights(length_only(0, data)), {file}},
      {"a header longer than the file", weights(length_only(1 << 20, "{}")), {file}},
      {"a header of 2^63 bytes", weights(length_only(1ull << 63, header)), {file}},
      {"a header of 2^64 - 1 bytes", weights(length_only(~0ull, header)), {file}},
      {"cut inside the header", weights(good.left(400)), {file}},
      {"cut inside the data", weights(good.left(good.size() - 100)), {file}},
      {"bytes after the last tensor", weights(good + QByteArray(64, 'x')), {file}},
      {"a header that is not JSON", weights(safetensors("{{{{", data)), {file}},
      {"a header that is a list", weights(safetensors("[1,2,3]", data)), {file}},
      {"a header that is a word", weights(safetensors("\"hello\"", data)), {file}},
      {"a header that is not UTF-8", header_with("wte.weight", "wt\xff.weight"), {file}},
      {"a header of a hundred thousand brackets", weights(safetensors(QByteArray(100000, '['), data)), {file}},
      {"the same name twice", header_with("\"wpe.weight\"", "\"wte.weight\""), {file, "wte.weight"}},
      {"overlapping tensors", header_with("[16640,18688]", "[16000,18048]"), {file}},
      {"a hole between tensors",
       header_with(wte, QByteArray(wte).replace("260,16", "259,16").replace("16640", "16576")),
       {file}},
      {"an offset before the one before", header_with("[0,16640]", "[16640,0]"), {file, "wte.weight"}},
      {"a negative offset", header_with("[0,16640]", "[-16640,0]"), {file, "wte.weight"}},
      {"an offset past the end", header_with("[0,16640]", "[0,99999999]"), {file, "wte.weight"}},
      {"an offset that is a fraction", header_with("[0,16640]", "[0,16640.5]"), {file}},
      {"an offset of 1e30", header_with("[0,16640]", "[0,1e30]"), {file}},
      {"an offset of 2^64", header_with("[0,16640]", "[0,18446744073709551616]"), {file}},
      {"three offsets", header_with("[0,16640]", "[0,16640,16640]"), {file}},
      {"no offsets", header_with(",\"data_offsets\":[0,16640]", ""), {file}},
      {"a negative side", header_with("[260,16]", "[-260,-16]"), {file}},
      {"sides whose product is 2^80", header_with("[260,16]", "[1099511627776,1099511627776]"), {file}},
      {"sides whose product wraps round to the right one",
       header_with("[260,16]", "[4611686018427387904,4,260,16]"),
       {file}},
      {"a shape that its bytes don't fill", header_with("[260,16]", "[260,17]"), {file, "wte.weight"}},
      {"a shape of 10,000 sides", header_with("[260,16]", "[" + QByteArray("1,").repeated(9999) + "4160]"), {file}},
      {"no shape", header_with("\"shape\":[260,16],", ""), {file}},
      {"an unknown dtype", header_with(wte, QByteArray(wte).replace("F32", "F31")), {file, "F31"}},
      {"no dtype", header_with(wte, QByteArray(wte).replace("\"dtype\":\"F32\",", "")), {file}},
      {"a tensor that is a number", header_with("{" + wte + "}", "7"), {file}},
      {"metadata that is a number", header_with("{\"format\":\"pt\"}", "7"), {file}},
      {"a missing tensor", tensors_after([](auto& all) { all.removeLast(); }), {file, "ln_f.bias"}},
      {"a missing layer",
       tensors_after([](auto& all) { all.removeIf([](auto& t) { return t.name.startsWith("h.1."); }); }),
       {file, "h.1."}},
      {"a matrix the other way round",
       tensors_after([](auto& all) {
         named(all, "h.0.attn.c_attn.weight").shape = {48, 16};
       }),
       {file, "h.0.attn.c_attn.weight", "(48, 16)", "(16, 48)"}},
      {"a norm that is too long",
       tensors_after([](auto& all) {
         named(all, "ln_f.weight").shape = {17};
         named(all, "ln_f.weight").data.append(4, 0);
       }),
       {file, "ln_f.weight", "17", "16"}},
      {"an embedding without its rows",
       tensors_after([](auto& all) {
         named(all, "wte.weight").shape = {0, 16};
         named(all, "wte.weight").data.clear();
       }),
       {file, "wte.weight"}},
      {"weights that are words",
       tensors_after([](auto& all) { named(all, "wte.weight").dtype = "U32"; }),
       {file},
       {},
       true},
      {"weights that are not numbers",
       tensors_after([](auto& all) { fill(named(all, "wte.weight"), NAN); }),
       {"NaN"},
       {},
       true},
      {"infinite weights",
       tensors_after([](auto& all) { fill(named(all, "h.0.attn.c_attn.weight"), INFINITY); }),
       {"NaN"},
       {},
       true},
      {"weights of 1e38",
       tensors_after([](auto& all) { fill(named(all, "h.1.mlp.c_proj.weight"), 1e38f); }),
       {"NaN"},
       {},
       true},
      {"a tensor that nobody knows",
       tensors_after([](auto& all) {
         all << FileTensor{"surprise", "U8", {1}, "x"};
       }),
       {file, "surprise"},
       {},
       true},
      {"no weight file", [](const QString& f) { QFile::remove(f + "/model.safetensors"); }, {"model"}},
      {"a folder in its place",
       [](const QString& f) {
         QFile::remove(f + "/model.safetensors");
         QDir(f).mkdir("model.safetensors");
       },
       {file}},
      {"a link to itself",
       [](const QString& f) {
         QFile::remove(f + "/model.safetensors");
         QFile::link(f + "/model.safetensors", f + "/model.safetensors");
       },
       {"model"}},
      {"a device without an end",
       [](const QString& f) {
         QFile::remove(f + "/model.safetensors");
         QFile::link("/dev/zero", f + "/model.safetensors");
       },
       {file}},
      {"a shard that is not there", shards([](QByteArray&) {}, false), {"model-00002-of-00002.safetensors"}},
      {"a shard outside of the folder", replaced_in_index("model-00002", "../model-00002"), {"../model-00002"}},
      {"a shard with a path from the root",
       replaced_in_index("\"model-00002-of-00002.safetensors\"", "\"/etc/passwd\""),
       {"/etc/passwd"}},
      {"a shard that lacks its tensor",
       replaced_in_index("\"wte.weight\":\"model-00001", "\"wte.weight\":\"model-00002"),
       {"wte.weight"}},
      {"an index that is not JSON", shards([](QByteArray& index) { index.chop(1); }), {"index.json"}},
      {"an index that is empty", shards([](QByteArray& index) { index = ""; }), {"index.json"}},
      {"an index without a map", shards([](QByteArray& index) { index = "{\"weight_map\":[]}"; }), {"index.json"}},
      {"an index of nothing", shards([](QByteArray& index) { index = "{\"weight_map\":{}}"; }), {}},
      {"an index of numbers", replaced_in_index("\"model-00001-of-00002.safetensors\"", "1"), {"index.json"}},
  };
  return list;
}

}  // namespace

class TestMalformedWeights : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    if (program().isEmpty()) QSKIP("the program is not built");
    QCOMPARE(fault_of_good({}), std::string());
  }
  void is_refused_data() {
    QTest::addColumn<int>("index");
    for (int i = 0; i < cases().size(); ++i) QTest::newRow(cases()[i].name) << i;
  }
  void is_refused() {
    QFETCH(int, index);
    const std::string fault = fault_of(cases()[index]);
    QVERIFY2(fault.empty(), fault.c_str());
  }
};

QTEST_GUILESS_MAIN(TestMalformedWeights)
#include "test_malformed_weights.moc"
