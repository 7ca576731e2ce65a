// The bounded reader, atomic writing, safetensors and their shards, SHA-256, element types.
#include <QTemporaryDir>
#include <QTest>
#include <QtEndian>
#include <bit>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "engine/config.h"
#include "engine/files/safetensors.h"
#include "engine/files/sha256.h"

using namespace cutaway;

namespace {

/// A safetensors file as bytes: header as given, then that many bytes of data.
std::string file_of(const std::string& header, size_t data_bytes, uint64_t length_plus = 0) {
  std::string file(8, '\0');
  qToLittleEndian<quint64>(header.size() + length_plus, file.data());
  return file + header + std::string(data_bytes, '\x01');
}

Result<std::shared_ptr<const TensorFiles>> open_bytes(const std::string& bytes) {
  return TensorFiles::open_memory("t.safetensors", std::as_bytes(std::span(bytes)));
}

void put(const QTemporaryDir& dir, const char* name, const std::string& bytes) {
  std::ofstream(dir.filePath(name).toStdString(), std::ios::binary) << bytes;
}

}  // namespace

class TestFiles : public QObject {
  Q_OBJECT
 private slots:
  void halves_agree_with_qt() {
    for (uint32_t bits = 0; bits < 0x10000; ++bits) {
      const uint16_t half = static_cast<uint16_t>(bits);
      const float want = static_cast<float>(std::bit_cast<qfloat16>(half)), got = half_to_float(half);
      if (std::isnan(want)) {
        QVERIFY(std::isnan(got));
        continue;
      }
      QCOMPARE(got, want);
      QCOMPARE(float_to_half(got), half);
    }
    QCOMPARE(float_to_half(65519.f), 0x7bff);  // below the middle between the largest half and infinity
    QCOMPARE(float_to_half(65520.f), 0x7c00);
    QCOMPARE(float_to_half(2049.f), 0x6800);  // 2049 is between 2048 and 2050: ties to even
    QCOMPARE(float_to_half(2051.f), 0x6802);
    QCOMPARE(float_to_half(0x1p-25f), 0);  // half of the least subnormal: to even
    QCOMPARE(float_to_half(0x1.8p-24f), 2);
    QCOMPARE(float_to_bf16(1.00390625f), 0x3f80);  // 1 + 2^-8: to even
    QCOMPARE(float_to_bf16(1.01171875f), 0x3f82);  // 1 + 3 * 2^-8
    QVERIFY(std::isnan(bf16_to_float(float_to_bf16(std::nanf("")))));
  }

  void eight_bit_floats() {
    const uint8_t e4m3[] = {0x00, 0x01, 0x08, 0x38, 0x7e, 0xfe};
    float out[6];
    to_float({reinterpret_cast<const std::byte*>(e4m3), DType::F8_E4M3, {6}}, out);
    const float want[] = {0, 0x1p-9f, 0x1p-6f, 1, 448, -448};
    for (int i = 0; i < 6; ++i) QCOMPARE(out[i], want[i]);
    const uint8_t e5m2[] = {0x3c, 0x7b, 0x01};
    to_float({reinterpret_cast<const std::byte*>(e5m2), DType::F8_E5M2, {3}}, out);
    QCOMPARE(out[0], 1.f);
    QCOMPARE(out[1], 57344.f);
    QCOMPARE(out[2], 0x1p-16f);
  }

  void sha256_of_the_standard() {  // FIPS 180-4 examples
    const auto hash = [](const std::string& text, size_t piece) {
      Sha256 h;
      for (size_t at = 0; at < text.size(); at += piece)
        h.update(std::as_bytes(std::span(text).subspan(at, std::min(piece, text.size() - at))));
      return h.finish();
    };
    QCOMPARE(hash("", 1), std::string("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    QCOMPARE(hash("abc", 3), std::string("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    for (size_t piece : {1u, 7u, 64u, 100u, 1000000u})
      QCOMPARE(hash(std::string(1000000, 'a'), piece),
               std::string("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"));
  }

  void reader_checks_every_range() {
    const std::string ten = "0123456789";
    const auto file = BoundedReader::over("ten", std::as_bytes(std::span(ten)));
    QCOMPARE(std::string(*file->text(2, 3)), std::string("234"));
    QVERIFY(file->text(10, 0));
    QVERIFY(!file->text(11, 0));
    QVERIFY(!file->text(1, 10));
    QVERIFY(!file->text(5, UINT64_MAX));
    QVERIFY(!file->u64(3));
    QVERIFY(!BoundedReader::open("/"));
    QVERIFY(!BoundedReader::open("/dev/null"));
    QVERIFY(!BoundedReader::open("no such file"));
  }

  void atomic_file_keeps_the_old_one() {
    QTemporaryDir dir;
    const std::string path = dir.filePath("x.txt").toStdString();
    QVERIFY(write_file(path, "old"));
    {
      auto half = AtomicFile::create(path);
      QVERIFY(half && half->write("new, but never"));
    }
    QCOMPARE(*read_text_file(path, 100), std::string("old"));
    QVERIFY(write_file(path, "new"));
    QCOMPARE(*read_text_file(path, 100), std::string("new"));
    QVERIFY(!read_text_file(path, 2));
    QCOMPARE(QDir(dir.path()).entryList(QDir::Files | QDir::Hidden).size(), 1);  // nothing temporary is left
    const auto missing = write_file(dir.filePath("no/x").toStdString(), "");
    QVERIFY(!missing && missing.error().fault == Fault::Given);
    QVERIFY(missing.error().text.find("there is no folder") != std::string::npos);
    QVERIFY(!write_file(dir.path().toStdString(), ""));
    QVERIFY(write_file("/dev/null", "").error().text.find("not an ordinary file") != std::string::npos);
    QVERIFY(QFile::link("x.txt", dir.filePath("link")));
    QVERIFY(write_file(dir.filePath("link").toStdString(), "through") && QFileInfo(dir.filePath("link")).isSymLink());
    QCOMPARE(*read_text_file(path, 100), std::string("through"));
    QVERIFY(!write_file("", ""));
  }

  void safetensors_round_trip() {
    QTemporaryDir dir;
    const std::string path = dir.filePath("t.safetensors").toStdString();
    auto out = SafetensorsWriter::create(path, {{"format", "x"}, {"quote", "a \"b\"\n"}},
                                         {{"mask", DType::U8, {3}},
                                          {"empty", DType::F32, {0, 4}},
                                          {"a", DType::F32, {2, 2}},
                                          {"scalar", DType::F16, {}}});
    QVERIFY(out);
    QCOMPARE(out->entries()[1].name, std::string("a"));  // by width: empty, a, scalar, mask
    const float a[] = {1, 2, 3, 4};
    const uint8_t rest[] = {0x00, 0x3c, 7, 8, 9};
    QVERIFY(out->append(std::span<const float>(a)) && out->append(std::as_bytes(std::span(rest))) && out->commit());
    const auto files = TensorFiles::open_file(path);
    QVERIFY2(files, files ? "" : files.error().text.c_str());
    QCOMPARE((*files)->metadata().at("quote"), std::string("a \"b\"\n"));
    QCOMPARE((*files)->tensors().size(), size_t(4));
    const FileTensor* t = (*files)->find("a");
    QVERIFY(t && t->shape == Shape({2, 2}) && t->dtype == DType::F32);
    QCOMPARE(reinterpret_cast<uintptr_t>(t->data.data()) % 64, uintptr_t(0));
    QVERIFY(std::memcmp(t->data.data(), a, sizeof a) == 0);
    QCOMPARE((*files)->find("mask")->data[2], std::byte{9});
    QVERIFY(!(*files)->find("b"));
    (*files)->forget(*t);
    QVERIFY(std::memcmp(t->data.data(), a, sizeof a) == 0);
  }

  void malformed_safetensors_data() {
    QTest::addColumn<QByteArray>("file");
    QTest::addColumn<QString>("says");
    const auto row = [](const char* name, const std::string& file, const char* says) {
      QTest::newRow(name) << QByteArray::fromStdString(file) << QString(says);
    };
    const std::string good = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
    const auto entry = [](const std::string& fields) { return file_of("{\"a\":{" + fields + "}}", 8); };
    row("empty", "", "has 0 bytes");
    row("seven bytes", "1234567", "has 7 bytes");
    row("header too large", file_of("{}", 0, 200'000'000), "at most 100000000");
    row("header past the end", file_of("{}", 0, 1), "the header says 3 bytes");
    row("length overflows", std::string(8, '\xff') + "{}", "at most");
    row("cut in the header", file_of(good, 8).substr(0, 30), "the header says");
    row("cut in the data", file_of(good, 7), "ends at byte 8 of the data, which has 7");
    row("not an object", file_of("[1]", 0), "begin with {");
    row("space first", file_of(" {}", 0), "begin with {");
    row("empty header", file_of("", 0), "begin with {");
    row("not JSON", file_of("{\"a\":", 0), "not valid JSON");
    row("not UTF-8", file_of("{\"\xff\":1}", 0), "not valid JSON");
    row("trailing text", file_of("{} x", 0), "not valid JSON");
    row("deep", file_of("{\"a\":{\"shape\":[[[[1]]]]}}", 0), "where it has no place");
    row("very deep", file_of("{\"a\":" + std::string(100000, '['), 0), "where it has no place");
    row("deep objects", file_of("{\"a\":{\"dtype\":{\"b\":{}}}}", 0), "nested too deeply");
    row("name twice",
        file_of("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
                "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
                8),
        "twice");
    row("field twice", entry(R"("dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8])"), "twice");
    row("unknown field", entry(R"("dtype":"F32","shape":[2],"data_offsets":[0,8],"x":"y")"), "unknown field");
    row("no dtype", entry(R"("shape":[2],"data_offsets":[0,8])"), "no dtype");
    row("no shape", entry(R"("dtype":"F32","data_offsets":[0,8])"), "no shape");
    row("no offsets", entry(R"("dtype":"F32","shape":[2])"), "data_offsets");
    row("one offset", entry(R"("dtype":"F32","shape":[2],"data_offsets":[8])"), "data_offsets");
    row("unknown dtype", entry(R"("dtype":"F33","shape":[2],"data_offsets":[0,8])"), "unknown dtype F33");
    row("dtype a number", entry(R"("dtype":32,"shape":[2],"data_offsets":[0,8])"), "a number");
    row("shape a text", entry(R"("dtype":"F32","shape":"2","data_offsets":[0,8])"), "a text");
    row("negative size", entry(R"("dtype":"F32","shape":[-2],"data_offsets":[0,8])"), "negative number -2");
    row("fraction", entry(R"("dtype":"F32","shape":[2.5],"data_offsets":[0,8])"), "whole number");
    row("rank 9", entry(R"("dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8])"), "8 dimensions");
    row("product overflows", entry(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8])"),
        "overflows");
    row("bits overflow", entry(R"("dtype":"F64","shape":[4611686018427387904],"data_offsets":[0,8])"), "overflows");
    row("size beyond 64 bits", entry(R"("dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,8])"),
        "whole number");
    row("half a byte", entry(R"("dtype":"F4","shape":[3],"data_offsets":[0,8])"), "no whole bytes");
    row("wrong bytes", entry(R"("dtype":"F32","shape":[3],"data_offsets":[0,8])"),
        "has 8 bytes of data; F32 (3) needs 12");
    row("end before begin", entry(R"("dtype":"F32","shape":[2],"data_offsets":[8,0])"), "before its begin");
    row("hole", entry(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])"), "begins at byte 4");
    row("overlap",
        file_of("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
                12),
        "begins at byte 4");
    row("data left over", file_of(good, 12), "end at byte 8 of the data, which has 12");
    row("no tensors, data", file_of("{}", 4), "end at byte 0");
    row("metadata a number", file_of("{\"__metadata__\":{\"a\":1}}", 0), "a number");
    row("metadata a list", file_of("{\"__metadata__\":[]}", 0), "a list");
    row("entry null", file_of("{\"a\":null}", 0), "null");
    row("number overflows", file_of("{\"a\":{\"shape\":[1e999]}}", 0), "not valid JSON");
  }
  void malformed_safetensors() {
    QFETCH(QByteArray, file);
    QFETCH(QString, says);
    const std::string bytes = file.toStdString();
    const auto files = open_bytes(bytes);
    QVERIFY(!files);
    QVERIFY2(QString::fromStdString(files.error().text).contains(says), files.error().text.c_str());
    QVERIFY2(files.error().text.starts_with("t.safetensors"), files.error().text.c_str());
    QVERIFY(files.error().fault == Fault::Given);
  }

  void legal_oddities() {
    for (const std::string header : {R"({})", R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}   )",
                                     R"({"a":{"data_offsets":[0,8],"shape":[1],"dtype":"C64"}})"}) {
      const std::string bytes = file_of(header, header == "{}" ? 0 : header.find("C64") != std::string::npos ? 8 : 4);
      const auto files = open_bytes(bytes);
      QVERIFY2(files, files ? "" : files.error().text.c_str());
    }
  }

  void shards_data() {
    QTest::addColumn<QByteArray>("index");
    QTest::addColumn<QString>("says");  // empty: it opens
    const auto row = [](const char* name, const char* index, const char* says) {
      QTest::newRow(name) << QByteArray(index) << QString(says);
    };
    row("good", R"({"metadata":{"total_size":16},"weight_map":{"a":"1.safetensors","b":"2.safetensors"}})", "");
    row("up", R"({"weight_map":{"a":"../1.safetensors"}})", "only names inside the folder");
    row("absolute", R"({"weight_map":{"a":"/etc/passwd"}})", "only names inside the folder");
    row("drive", R"({"weight_map":{"a":"C:1.safetensors"}})", "only names inside the folder");
    row("backslash", R"({"weight_map":{"a":"x\\1.safetensors"}})", "only names inside the folder");
    row("empty name", R"({"weight_map":{"a":""}})", "only names inside the folder");
    row("missing shard", R"({"weight_map":{"a":"3.safetensors"}})", "names 3.safetensors");
    row("wrong shard", R"({"weight_map":{"a":"2.safetensors","b":"2.safetensors"}})", "that file doesn't have it");
    row("wrong of two", R"({"weight_map":{"a":"2.safetensors","b":"1.safetensors"}})", "that file doesn't have it");
    row("name in two", R"({"weight_map":{"a":"1.safetensors","b":"twice.safetensors"}})",
        "a stands in 1.safetensors and in twice");
    row("no map", R"({"metadata":{}})", "no weight_map");
    row("map a list", R"({"weight_map":[]})", "no weight_map");
    row("empty map", R"({"weight_map":{}})", "weight_map is empty");
    row("file a number", R"({"weight_map":{"a":1}})", "a file name is needed");
    row("not JSON", R"({"weight_map")", "not valid JSON");
  }
  void shards() {
    QFETCH(QByteArray, index);
    QFETCH(QString, says);
    QTemporaryDir dir;
    const std::string two = R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
    put(dir, "1.safetensors", file_of("{\"a\":" + two + "}", 8));
    put(dir, "2.safetensors", file_of("{\"b\":" + two + "}", 8));
    put(dir, "twice.safetensors",
        file_of("{\"b\":" + two + R"(,"a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})", 16));
    put(dir, "model.safetensors.index.json", index.toStdString());
    const auto files = TensorFiles::open_folder(dir.path().toStdString());
    if (says.isEmpty()) {
      QVERIFY2(files, files ? "" : files.error().text.c_str());
      QVERIFY((*files)->find("a") && (*files)->find("b"));
      QCOMPARE((*files)->sha256().size(), size_t(64));
      return;
    }
    QVERIFY(!files);
    QVERIFY2(QString::fromStdString(files.error().text).contains(says), files.error().text.c_str());
  }

  void pickles_are_never_opened() {
    QTemporaryDir dir;
    const std::string folder = dir.path().toStdString();
    QVERIFY(TensorFiles::open_folder(folder).error().text.find("no model.safetensors") != std::string::npos);
    put(dir, "ckpt.pt", "cos\nsystem\n");
    const std::string why = TensorFiles::open_folder(folder).error().text;
    QVERIFY2(why.find("ckpt.pt") != std::string::npos && why.find("never opened") != std::string::npos, why.c_str());
    QVERIFY(why.find("assets/zoo/nanogpt_to_safetensors.py") != std::string::npos);
    put(dir, "any.safetensors", file_of("{}", 0));
    QVERIFY(TensorFiles::open_folder(folder));
    put(dir, "other.safetensors", file_of("{}", 0));
    QVERIFY(!TensorFiles::open_folder(folder));
  }

  void config_names_key_and_value_data() {
    QTest::addColumn<QByteArray>("text");
    QTest::addColumn<QString>("says");
    const auto row = [](const char* name, const std::string& text, const char* says) {
      QTest::newRow(name) << QByteArray::fromStdString(text) << QString(says);
    };
    row("empty", "", "c.json is not valid JSON at line 1, column 0");
    row("list", "[]", "holds array");
    row("second line", "{\n \"n\" 3}", "line 2, column 6");
    row("invalid UTF-8", "{\"n\":\"\xff\"}", "not valid JSON");
    row("deep", std::string(100, '[') + std::string(100, ']'), "nested 100 deep; at most 32");
    row("deep, unclosed", "{\"n\":" + std::string(1'000'000, '['), "nested");
    row("missing", "{}", "n is missing");
    row("null", "{\"n\":null}", "n is missing");
    row("text", "{\"n\":\"3\"}", "n is \"3\"; a whole number is needed");
    row("fraction", "{\"n\":3.5}", "n is 3.5; a whole number is needed");
    row("true", "{\"n\":true}", "a whole number");
    row("negative", "{\"n\":-3}", "n is -3; it must be from 1 to 100");
    row("large", "{\"n\":101}", "n is 101; it must be from 1 to 100");
    row("64 bits", "{\"n\":18446744073709551615}", "at most 100");
    row("1e300", "{\"n\":1e300}", "a whole number");
    row("1e999", "{\"n\":1e999}", "too large");
    row("long list", "{\"n\":[" + std::string(9999, '1') + "]}", "c.json");
  }
  void config_names_key_and_value() {
    QFETCH(QByteArray, text);
    QFETCH(QString, says);
    const auto config = Config::parse("c.json", text.toStdString());
    const std::string why = config ? config->integer("n", {}, 1, 100).error().text : config.error().text;
    QVERIFY2(QString::fromStdString(why).contains(says), why.c_str());
    QVERIFY(why.starts_with("c.json") && why.size() < 200);
  }

  void config_values() {
    const auto config = Config::parse("c.json", R"({"n":7,"f":12.0,"x":1e-5,"b":true,"t":"gelu","z":null})");
    QCOMPARE(*config->integer("n", {}, 0, 10), 7);
    QCOMPARE(*config->integer("f", {}, 0, 100), 12);
    QCOMPARE(*config->integer("z", 5, 0, 10), 5);
    QCOMPARE(*config->number("x", {}), 1e-5);
    QCOMPARE(*config->number("n", {}), 7.);
    QVERIFY(*config->boolean("b", false) && !*config->boolean("no", false));
    QCOMPARE(*config->text("t", {}), std::string("gelu"));
    QCOMPARE(*config->text("no", "d"), std::string("d"));
    QVERIFY(!config->boolean("n", false) && !config->text("n", {}) && !config->number("t", {}));
    QVERIFY(config->has("n") && !config->has("z"));
  }
};

QTEST_APPLESS_MAIN(TestFiles)
#include "test_files.moc"
