// GGUF files: block types against ggml's own numpy dequantiser (tests/goldens/make_blocks.py) and by hand; weights in
// blocks; the real files of ../shared/data; everything that is refused, by its sentence.
#include <QTemporaryDir>
#include <QTest>
#include <cmath>
#include <cstring>

#include "engine/blocks.h"
#include "engine/gguf_model.h"
#include "engine/weights.h"
#include "tests/support/gguf_bytes.h"

using namespace cutaway;
using tests::GgufBytes;

namespace {

const std::string goldens = std::string(CUTAWAY_SOURCE_DIR) + "/tests/goldens/";
const std::string shared = std::string(CUTAWAY_SOURCE_DIR) + "/../shared/data/";

std::vector<float> floats(const FileTensor& t) {
  std::vector<float> out(static_cast<size_t>(elements(t.shape)));
  to_float({t.data.data(), *t.dtype, t.shape}, out.data());
  return out;
}
std::vector<float> floats(const TensorView& view) {
  std::vector<float> out(static_cast<size_t>(view.size()));
  to_float(view, out.data());
  return out;
}

/// The same bits, NaN or not.
bool same(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * 4) == 0;
}

Result<std::shared_ptr<const Gguf>> read(const QByteArray& bytes) {
  return Gguf::read(BoundedReader::over("m.gguf", std::as_bytes(std::span(bytes.data(), size_t(bytes.size())))));
}

/// One block of 32, with the scale 2 and codes that are all different.
std::vector<std::byte> block_of(std::initializer_list<int> head, int size) {
  std::vector<std::byte> bytes;
  for (int b : head) bytes.push_back(static_cast<std::byte>(b));
  while (static_cast<int>(bytes.size()) < size) bytes.push_back(static_cast<std::byte>(bytes.size() * 7));
  return bytes;
}

}  // namespace

class TestGguf : public QObject {
  Q_OBJECT
 private slots:
  void D15_blocks_by_hand() {
    std::vector<float> out(256);
    auto block = block_of({0x00, 0x40, 0x01, 0xff, 0x80}, 34);  // d = 2: codes 1, -1, -128
    blocks_to_float(DType::Q8_0, block.data(), 32, out.data());
    QVERIFY(out[0] == 2 && out[1] == -2 && out[2] == -256);
    block = block_of({0x00, 0x40, 0xf0, 0x1a}, 18);  // element 0 is 0 - 8, element 16 is 15 - 8; 10 - 8, 1 - 8
    blocks_to_float(DType::Q4_0, block.data(), 32, out.data());
    QVERIFY(out[0] == -16 && out[16] == 14 && out[1] == 4 && out[17] == -14);
    // Q4_K, d 2, dmin 1: scales[0] = 0xc5 gives s 0 the scale 5 and s 4 the high bits 3; scales[4] = 0x42 gives s 0 the
    // minimum 2 and s 4 the high bits 1 of its minimum; scales[8] = 0x21: scale 1 | 3 << 4, minimum 2 | 1 << 4 of s 4.
    block = block_of({0x00, 0x40, 0x00, 0x3c, 0xc5, 0, 0, 0, 0x42, 0, 0, 0, 0x21, 0, 0, 0, 0x9b}, 144);
    blocks_to_float(DType::Q4_K, block.data(), 256, out.data());
    QCOMPARE(out[0], 2.f * 5 * 11 - 2);
    const int q = std::to_integer<int>(block[16 + 64]) & 15;
    QCOMPARE(out[128], 2.f * (1 | 3 << 4) * static_cast<float>(q) - (2 | 1 << 4));
    block = block_of({0x21}, 210);
    block[128] = std::byte{0xe4};  // two high bits of elements 0, 32, 64, 96: 0, 1, 2, 3
    block[32] = std::byte{0x43};
    block[192] = std::byte{3}, block[194] = std::byte{0xff}, block[196] = std::byte{2}, block[198] = std::byte{1};
    block[208] = std::byte{0x00}, block[209] = std::byte{0x40};
    blocks_to_float(DType::Q6_K, block.data(), 256, out.data());
    QCOMPARE(out[0], 2.f * 3 * (1 - 32));
    QCOMPARE(out[32], 2.f * -1 * ((3 | 1 << 4) - 32));
    QCOMPARE(out[64], 2.f * 2 * ((2 | 2 << 4) - 32));
    QCOMPARE(out[96], 2.f * 1 * ((4 | 3 << 4) - 32));
  }

  void D15_blocks_against_numpy() {
    const auto file = TensorFiles::open_file(goldens + "blocks.gguf");
    QVERIFY2(file, file ? "" : file.error().text.c_str());
    const auto golden = *TensorFiles::open_file(goldens + "blocks.safetensors");
    for (const char* name : {"Q8_0", "Q4_0", "Q4_K", "Q6_K", "plain.float32", "plain.float16"}) {
      const FileTensor *t = (*file)->find(name), *want = golden->find(name);
      QVERIFY(t && want && t->dtype && t->shape == want->shape);
      QVERIFY2(same(floats(*t), floats(*want)), name);
    }
    const std::shared_ptr<const Gguf> gguf = (*file)->gguf();
    QCOMPARE(*gguf->integer("blocks.seven", {}), 7);
    QCOMPARE((*gguf->texts("blocks.words"))->texts[2], std::string_view("три"));
    QCOMPARE((*gguf->numbers("blocks.numbers"))->number(1), -2.0);
  }

  void encoders_write_what_ggml_writes() {
    const auto golden = *TensorFiles::open_file(goldens + "blocks.safetensors");
    const std::vector<float> in = floats(*golden->find("floats"));
    for (DType dtype : {DType::Q8_0, DType::Q4_0}) {
      const FileTensor* want = golden->find(std::string(name_of(dtype)) + ".bytes");
      std::vector<std::byte> out(bytes_of(dtype, static_cast<int64_t>(in.size())));
      blocks_from_float(dtype, in.data(), static_cast<int64_t>(in.size()), out.data());
      QVERIFY(std::ranges::equal(out, want->data));
    }
  }

  void bad_scales_are_counted() {
    std::vector<std::byte> two(2 * 144);
    QCOMPARE(count_not_finite_in_blocks(DType::Q4_K, two.data(), 512), 0);
    two[3] = std::byte{0x7c}, two[144 + 1] = std::byte{0xfe};  // dmin infinite; d NaN
    QCOMPARE(count_not_finite_in_blocks(DType::Q4_K, two.data(), 512), 512);
  }

  /// Falcon's fused rows, in Q8_0: handed out in blocks, decoded, and part by part.
  void weights_in_blocks() {
    Architecture a = architecture_named("nanogpt");
    const ModelSpec spec = a.corners()[0];  // D 64
    const Graph graph = build_graph(spec);
    std::map<std::string, std::pair<Shape, std::vector<float>>> wholes;
    for (const TensorSchema& need : graph.schema) {
      const TensorSource source = a.source(spec, need.name);
      auto& [shape, values] = wholes[source.names.front()];
      const int64_t end = source.file_row(need.shape[0] - 1) + 1;
      if (shape.empty() || shape[0] < end) shape = need.shape, shape[0] = end;
    }
    GgufBytes file;
    const QByteArray empty = file.done();
    const auto none = *read(empty);
    for (auto& [name, whole] : wholes) {
      auto& [shape, values] = whole;
      for (int64_t i = 0; i < elements(shape); ++i) values.push_back(std::sin(float(i) * 0.37f) * 0.2f);
      const bool matrix = shape.size() == 2;
      file.tensor(gguf_name(*none, name), matrix ? DType::Q8_0 : DType::F32, shape, values);
      if (!matrix) continue;
      std::vector<std::byte> blocks(bytes_of(DType::Q8_0, elements(shape)));
      blocks_from_float(DType::Q8_0, values.data(), elements(shape), blocks.data());
      blocks_to_float(DType::Q8_0, blocks.data(), elements(shape), values.data());
    }
    const QByteArray bytes = file.done();
    const auto files = TensorFiles::open_memory("m.gguf", std::as_bytes(std::span(bytes.data(), size_t(bytes.size()))));
    QVERIFY2(files, files ? "" : files.error().text.c_str());
    for (const bool blocks : {false, true}) {
      const auto weights = bind_weights(*files, a, spec, graph, {}, blocks);
      QVERIFY2(weights, weights ? "" : weights.error().text.c_str());
      QVERIFY((*weights)->storage_dtype() == (blocks ? DType::Q8_0 : DType::F32));
      size_t sum = 0;
      for (size_t i = 0; i < graph.schema.size(); ++i) {
        const TensorView view = (*weights)->tensor(static_cast<int>(i));
        QVERIFY(view.dtype == (blocks && view.shape.size() == 2 ? DType::Q8_0 : DType::F32));
        sum += view.bytes();
        const TensorSource source = a.source(spec, graph.schema[i].name);
        const auto& values = wholes[source.names.front()].second;
        const int64_t n = view.size(), row = n / view.shape[0];
        std::vector<float> want;
        for (int64_t k = 0; k < n; ++k)
          want.push_back(values[static_cast<size_t>(source.file_row(k / row) * row + k % row)]);
        QVERIFY2(floats(view) == want, graph.schema[i].name.c_str());
      }
      QCOMPARE((*weights)->bytes(), sum);
    }
    QVERIFY((*bind_weights(*files, a, spec, graph, DType::F16, true))->storage_dtype() == DType::F16);
  }

  void types_we_list_but_do_not_read() {
    GgufBytes file;
    file.raw_tensor("blk.0.attn_norm.weight", 6, {64}, QByteArray(44, 'x'));  // Q5_0
    const QByteArray bytes = file.done();
    const auto gguf = read(bytes);
    QVERIFY2(gguf, gguf ? "" : gguf.error().text.c_str());
    QVERIFY(!(*gguf)->tensors()[0].dtype && (*gguf)->tensors()[0].dtype_name == "Q5_0");
    QVERIFY((*gguf)->tensors()[0].shape == Shape{64});
    const Architecture& a = architecture_named("nanogpt");
    const ModelSpec spec = a.corners()[0];
    const auto files = TensorFiles::open_memory("m.gguf", std::as_bytes(std::span(bytes.data(), size_t(bytes.size()))));
    QVERIFY(bind_weights(*files, a, spec, build_graph(spec), {}).error().text.find("type Q5_0, which is not read") !=
            std::string::npos);
  }

  void real_files() {
    const auto file = BoundedReader::open(shared + "stories260K.gguf");
    if (!file) QSKIP("needs ../shared/data");
    const auto gguf = Gguf::read(*file);
    QVERIFY2(gguf, gguf ? "" : gguf.error().text.c_str());
    QCOMPARE((*gguf)->tensors().size(), size_t(48));
    QCOMPARE(*(*gguf)->integer("llama.block_count", {}), 5);
    QCOMPARE(*(*gguf)->text("general.architecture", {}), std::string("llama"));
    QCOMPARE((*(*gguf)->texts("tokenizer.ggml.tokens"))->texts.size(), size_t(512));
    QVERIFY((*gguf)->tensors()[0].name == "token_embd.weight" && ((*gguf)->tensors()[0].shape == Shape{512, 64}));
    for (const char* name : {"bert-bge", "deepseek-coder", "falcon", "gpt-2", "llama-spm", "phi-3"}) {
      const auto vocab = Gguf::read(*BoundedReader::open(shared + "vocab-" + name + ".gguf"));
      QVERIFY2(vocab, vocab ? "" : vocab.error().text.c_str());
      QVERIFY((*vocab)->tensors().empty() && !(*vocab)->values().empty());
    }
  }

  void getters_name_key_and_value() {
    GgufBytes file;
    file.u32("a.n", 5).text("a.s", "hello").flag("a.b", 1).texts("a.t", {"x"}).f32("a.f", 1.5f);
    const QByteArray bytes = file.done();
    const auto g = *read(bytes);
    QCOMPARE(g->integer("a.s", {}).error().text, std::string("m.gguf: a.s is \"hello\"; a whole number is needed"));
    QCOMPARE(g->integer("a.none", {}).error().text, std::string("m.gguf: a.none is missing"));
    QCOMPARE(g->text("a.n", {}).error().text, std::string("m.gguf: a.n is 5; a text is needed"));
    QCOMPARE(g->boolean("a.f", false).error().text, std::string("m.gguf: a.f is 1.5; a BOOL is needed"));
    QCOMPARE(g->numbers("a.t").error().text,
             std::string("m.gguf: a.t is a list of 1 STRING; a list of numbers is needed"));
    QCOMPARE(g->texts("a.b").error().text, std::string("m.gguf: a.b is true; a list of texts is needed"));
    QVERIFY(*g->integers("a.none") == nullptr && *g->boolean("a.none", true) && *g->integer("a.none", 3) == 3);
  }

  void D16_malformed_data() {
    QTest::addColumn<QByteArray>("bytes");
    QTest::addColumn<QString>("says");
    const auto row = [](const char* name, const QByteArray& bytes, const char* says) {
      QTest::newRow(name) << bytes << QString(says);
    };
    const auto good = [] {
      GgufBytes file;
      file.u32("general.alignment", 32).text("general.architecture", "llama").texts("t", {"a", "bc"});
      file.tensor("w", DType::F32, {2, 4}, std::vector<float>(8, 1.f)).tensor("v", DType::F32, {4}, {1, 2, 3, 4});
      return file.done();
    }();
    const auto patched = [&](qsizetype at, const QByteArray& with) {
      QByteArray bytes = good;
      return bytes.replace(at, with.size(), with);
    };
    const auto with = [](const std::function<void(GgufBytes&)>& change) {
      GgufBytes file;
      change(file);
      return file.done();
    };
    const auto info = [](const char* name, uint32_t type, std::initializer_list<uint64_t> sides, uint64_t offset) {
      GgufBytes file;
      file.raw_info(name, type, sides, offset);
      return file.done() + QByteArray(256, 0);
    };
    row("empty", "", "needs 4 bytes at byte 0");
    row("three bytes", "GGU", "needs 4 bytes at byte 0; the file has 3");
    row("magic", patched(0, "GGML"), "doesn't begin with \"GGUF\"");
    row("version 1", patched(4, QByteArray("\1\0\0\0", 4)), "the version 1");
    row("version 4", patched(4, QByteArray("\4\0\0\0", 4)), "the version 4");
    row("version 0", patched(4, QByteArray("\0\0\0\0", 4)), "the version 0");
    row("big-endian", patched(4, QByteArray("\0\0\0\3", 4)), "big-endian");
    row("cut in the header", good.left(20), "the header needs 8 bytes");
    row("keys 2^63", patched(16, QByteArray("\0\0\0\0\0\0\0\x80", 8)), "says 9223372036854775808 keys");
    row("keys a few too many", patched(16, QByteArray("\x40\0\0\0\0\0\0\0", 8)), "says 64 keys");
    row("tensors 2^64 - 1", patched(8, QByteArray(8, '\xff')), "says 18446744073709551615 tensors");
    row("key length 2^64 - 1", patched(24, QByteArray(8, '\xff')), "needs 18446744073709551615 bytes");
    row("key of no bytes", with([](auto& f) { f.u32("", 1); }), "a name of 0 bytes");
    row("key with a newline", with([](auto& f) { f.u32("a\nb", 1); }), "is no name");
    row("key twice", with([](auto& f) { f.u32("a.b", 1).u32("a.b", 2); }), "the key a.b stands in it twice");
    row("value type 13", with([](auto& f) { f.raw_key("a.b", 13, QByteArray(8, 0)); }), "a.b has the type 13");
    row("bool 2", with([](auto& f) { f.flag("a.b", 2); }), "a.b is the BOOL 2");
    row("bool 2 in a list", with([](auto& f) { f.raw_list("a.b", 7, 2, QByteArray("\1\2", 2)); }), "a.b is the BOOL 2");
    row("list of lists", with([](auto& f) { f.raw_list("a.b", 9, 1, QByteArray(24, 0)); }), "list of lists");
    row("list of type 99", with([](auto& f) { f.raw_list("a.b", 99, 1, QByteArray(24, 0)); }), "a.b has the type 99");
    row("list of 2^62", with([](auto& f) { f.raw_list("a.b", 4, 1ull << 62, QByteArray(8, 0)); }),
        "a list of 4611686018427387904 U32");
    row("texts 2^60", with([](auto& f) { f.raw_list("a.b", 8, 1ull << 60, QByteArray(8, 0)); }),
        "a list of 1152921504606846976 STRING");
    row("text past the end", with([](auto& f) { f.raw_key("a.b", 8, QByteArray("\xff\xff\0\0\0\0\0\0x", 9)); }),
        "a.b needs 65535 bytes");
    row("cut in a list", good.left(good.indexOf("bc") + 1), "t needs 2 bytes");
    row("alignment 33", with([](auto& f) { f.u32("general.alignment", 33).tensor("w", DType::F32, {1}, {1}); }),
        "general.alignment is 33");
    row("alignment 0", with([](auto& f) { f.u32("general.alignment", 0).tensor("w", DType::F32, {1}, {1}); }),
        "general.alignment is 0");
    row("alignment a text", with([](auto& f) { f.text("general.alignment", "32").tensor("w", DType::F32, {1}, {1}); }),
        "general.alignment is \"32\"");
    row("tensor without a name", info("", 0, {1}, 0), "a name of 0 bytes");
    row("tensor name of 64", info(std::string(64, 'n').c_str(), 0, {1}, 0), "a name of 64 bytes");
    row("tensor twice", with([](auto& f) { f.tensor("w", DType::F32, {1}, {1}).tensor("w", DType::F32, {1}, {1}); }),
        "the tensor w stands in it twice");
    row("five dimensions", info("w", 0, {1, 1, 1, 1, 1}, 0), "w has 5 dimensions");
    row("unknown type", info("w", 4, {32}, 0), "w has the unknown type 4");
    row("type 2^31", info("w", 1u << 31, {32}, 0), "w has the unknown type 2147483648");
    row("half a block", info("w", 8, {48}, 0), "w has rows of 48 elements; a block of Q8_0 has 32");
    row("half a K block", info("w", 12, {128, 2}, 0), "w has rows of 128 elements; a block of Q4_K has 256");
    row("product 2^80", info("w", 0, {1ull << 40, 1ull << 40}, 0), "of w overflow");
    row("bytes overflow", info("w", 0, {1ull << 62}, 0), "of w overflow");
    row("product wraps", info("w", 0, {1ull << 62, 4, 4}, 0), "of w overflow");
    row("side 2^63", info("w", 0, {1ull << 63}, 0), "of w overflow");
    row("offset off the alignment", info("w", 0, {4}, 8),
        "w begins at byte 8 of the data; the tensor before it ends at 0");
    row("offset 2^64 - 32", info("w", 0, {4}, ~0ull - 31), "begins at byte 18446744073709551584");
    row("past the end", info("w", 0, {100}, 0), "w ends at byte 400 of the data, which has");
    row("cut in the infos", good.left(good.indexOf("w") + 10), "the file says 2 tensors; at most 0");
    row("cut in the data", good.left(good.size() - 20), "v ends at byte");
    row("one of three parts", with([](auto& f) { f.u32("split.count", 3); }), "one of 3 parts");
  }
  void D16_malformed() {
    QFETCH(QByteArray, bytes);
    QFETCH(QString, says);
    const auto direct = read(bytes);
    const auto files = TensorFiles::open_memory("m.gguf", std::as_bytes(std::span(bytes.data(), size_t(bytes.size()))));
    QVERIFY(!files);
    const std::string why = direct ? files.error().text : direct.error().text;
    QVERIFY2(QString::fromStdString(why).contains(says), why.c_str());
    QVERIFY2(why.starts_with("m.gguf"), why.c_str());
  }
};

QTEST_APPLESS_MAIN(TestGguf)
#include "test_gguf.moc"
