// GGUF files as models: the golden folders once more, as ggml's Python package writes them
// (tests/goldens/make_gguf.py), held against the folders' own answers; the real stories260K of ../shared/data; and what
// is refused.
#include <QDir>
#include <QFile>
#include <QJsonDocument>
#include <QJsonObject>
#include <QTemporaryDir>
#include <QTest>
#include <cmath>
#include <set>

#include "engine/backend.h"
#include "engine/files/tensor_files.h"
#include "engine/gguf_model.h"
#include "engine/model.h"
#include "tests/support/gguf_bytes.h"
#include "tests/support/run.h"

using namespace cutaway;
using namespace cutaway::tests;

namespace {

const QString root = CUTAWAY_SOURCE_DIR;
const QString shared = root + "/../shared/data/";

std::vector<float> floats(const cutaway::FileTensor& t) {
  std::vector<float> out(static_cast<size_t>(elements(t.shape)));
  to_float({t.data.data(), *t.dtype, t.shape}, out.data());
  return out;
}
std::vector<float> floats(const TensorFiles& files, const char* name) {
  const cutaway::FileTensor* t = files.find(name);
  if (!t) qFatal("no tensor %s", name);
  return floats(*t);
}
std::vector<int32_t> ids_of(const std::vector<float>& numbers) { return {numbers.begin(), numbers.end()}; }

/// n elements in blocks of that type: any codes, scales below 2^-13.
QByteArray random_blocks(DType dtype, int64_t n, uint32_t seed) {
  QByteArray bytes(static_cast<qsizetype>(bytes_of(dtype, n)), 0);
  for (char& byte : bytes) byte = static_cast<char>((seed = seed * 1664525 + 1013904223) >> 24);
  const auto size = static_cast<qsizetype>(bytes_of(dtype));
  for (qsizetype at = 0; at < bytes.size(); at += size) {
    bytes[at + (dtype == DType::Q6_K ? 209 : 1)] = 0x05;
    if (dtype == DType::Q4_K) bytes[at + 3] = 0x03;
  }
  return bytes;
}

/// A Llama of D 256 in blocks of every type, and the same in F32.
void in_blocks(GgufBytes& blocks, GgufBytes& plain) {
  for (GgufBytes* file : {&blocks, &plain}) {
    file->text("general.architecture", "llama").u32("llama.embedding_length", 256).u32("llama.block_count", 1);
    file->u32("llama.attention.head_count", 4).u32("llama.attention.head_count_kv", 2);
    file->u32("llama.feed_forward_length", 512).u32("llama.context_length", 16);
    file->f32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  }
  struct Tensor {
    const char* name;
    Shape shape;
    DType dtype;
    uint32_t id;
  };
  const Tensor all[] = {
      {"token_embd", {40, 256}, DType::Q6_K, 14},      {"output", {40, 256}, DType::Q8_0, 8},
      {"blk.0.attn_q", {256, 256}, DType::Q4_K, 12},   {"blk.0.attn_k", {128, 256}, DType::Q4_0, 2},
      {"blk.0.attn_v", {128, 256}, DType::Q6_K, 14},   {"blk.0.attn_output", {256, 256}, DType::Q8_0, 8},
      {"blk.0.ffn_gate", {512, 256}, DType::Q4_K, 12}, {"blk.0.ffn_up", {512, 256}, DType::Q4_0, 2},
      {"blk.0.ffn_down", {256, 512}, DType::Q6_K, 14}, {"output_norm", {256}, DType::F32, 0},
      {"blk.0.attn_norm", {256}, DType::F32, 0},       {"blk.0.ffn_norm", {256}, DType::F32, 0}};
  for (const Tensor& t : all) {
    const std::string name = std::string(t.name) + ".weight";
    const int64_t n = elements(t.shape);
    std::vector<float> values(static_cast<size_t>(n), 1.f);
    if (is_block(t.dtype)) {
      const QByteArray bytes = random_blocks(t.dtype, n, static_cast<uint32_t>(n) + t.id);
      to_float({reinterpret_cast<const std::byte*>(bytes.data()), t.dtype, t.shape}, values.data());
      blocks.raw_tensor(name, t.id, {t.shape.rbegin(), t.shape.rend()}, bytes);
    } else {
      blocks.tensor(name, DType::F32, t.shape, values);
    }
    plain.tensor(name, DType::F32, t.shape, values);
  }
}

/// A file of one layer of the shapes that are said, all weights 0.25.
GgufBytes tiny_llama() {
  GgufBytes file;
  file.text("general.architecture", "llama").u32("llama.embedding_length", 8).u32("llama.block_count", 1);
  file.u32("llama.attention.head_count", 2)
      .u32("llama.attention.head_count_kv", 1)
      .u32("llama.feed_forward_length", 12);
  file.u32("llama.context_length", 16).f32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  return file;
}
GgufBytes& add_tensors(GgufBytes& file) {
  const auto put = [&](const char* name, const Shape& shape) {
    file.tensor(name, DType::F32, shape, std::vector<float>(static_cast<size_t>(elements(shape)), 0.25f));
  };
  put("token_embd.weight", {5, 8}), put("output_norm.weight", {8}), put("blk.0.attn_norm.weight", {8});
  put("blk.0.attn_q.weight", {8, 8}), put("blk.0.attn_k.weight", {4, 8}), put("blk.0.attn_v.weight", {4, 8});
  put("blk.0.attn_output.weight", {8, 8}), put("blk.0.ffn_norm.weight", {8});
  put("blk.0.ffn_gate.weight", {12, 8}), put("blk.0.ffn_up.weight", {12, 8}), put("blk.0.ffn_down.weight", {8, 12});
  return file;
}

}  // namespace

class TestGgufModels : public QObject {
  Q_OBJECT
 private slots:
  void as_the_folder_says_data() {
    QTest::addColumn<QString>("name");
    for (const QString& file : QDir(root + "/tests/goldens/gguf").entryList({"*.gguf"}, QDir::Files))
      QTest::newRow(qPrintable(file)) << file.chopped(5);
  }
  void as_the_folder_says() {
    QFETCH(QString, name);
    const auto model = open_model((root + "/tests/goldens/gguf/" + name + ".gguf").toStdString(), {});
    QVERIFY2(model, model ? "" : model.error().text.c_str());
    QCOMPARE((*model)->name, name.toStdString());
    QVERIFY(!(*model)->weights_sha256.empty());
    const auto golden =
        *TensorFiles::open_file((root + "/tests/goldens/" + name + "/golden.safetensors").toStdString());
    const auto got = run(make_cpu_backend(1), *model, all_taps(*(*model)->graph), ids_of(floats(*golden, "input_ids")),
                         (*model)->spec.masks, 0);
    QVERIFY2(got, got ? "" : got.error().text.c_str());
    size_t compared = 0;
    for (const cutaway::FileTensor& want : golden->tensors()) {
      const bool logits = want.name == "logits" && (*model)->spec.has_head;  // BERT's head is not in such files
      if (!logits && !want.name.starts_with("hidden.")) continue;
      const double off = difference(logits ? got->logits : got->rows.at(want.name), floats(want));
      QVERIFY2(off <= 1e-4, qPrintable(QString("%1 is off by %2").arg(want.name.c_str()).arg(off)));
      ++compared;
    }
    QVERIFY(compared >= static_cast<size_t>((*model)->spec.n_layers() + 1));
  }

  /// 64 greedy tokens, character for character, and the logits of a float64 forward, step by step and at once.
  void stories() {
    if (!QFile::exists(shared + "stories260K.gguf")) QSKIP("needs ../shared/data");
    const ModelPtr model = *open_model((shared + "stories260K.gguf").toStdString(), {});
    const auto golden = *TensorFiles::open_file((shared + "stories260K.golden.safetensors").toStdString());
    const std::vector<int32_t> all = ids_of(floats(*golden, "input_ids")),
                               prompt = ids_of(floats(*golden, "prompt_ids"));
    QVERIFY(model->tokenizer->encode("Once upon a time", true)->ids == prompt);
    const std::vector<float> want = floats(*golden, "logits_all");  // positions 0..67
    const std::vector<int32_t> seen(all.begin(), all.end() - 1);
    for (const int64_t piece : {0, 1, 7}) {
      const auto got = run(make_cpu_backend(1), model, all_taps(*model->graph), seen, model->spec.masks, piece);
      QVERIFY2(got, got ? "" : got.error().text.c_str());
      QCOMPARE(got->logits.size(), want.size());
      double off = 0;
      for (size_t i = 0; i < want.size(); ++i) off = std::max(off, std::abs(double(got->logits[i]) - double(want[i])));
      QVERIFY2(off <= 1e-4, qPrintable(QString("logits are off by %1").arg(off)));
      std::vector<int32_t> greedy = prompt;
      for (size_t row = prompt.size() - 1; row < seen.size(); ++row) {
        const auto at = got->logits.begin() + static_cast<ptrdiff_t>(row) * 512;
        greedy.push_back(static_cast<int32_t>(std::max_element(at, at + 512) - at));
      }
      QVERIFY(greedy == all);
      for (int layer = 0; layer < 5; ++layer) {
        const auto block = floats(*golden, qPrintable(QString("prompt.layer.%1.resid_post").arg(layer)));
        const std::vector<float>& rows = got->rows.at(fmt::format("hidden.{}", layer));
        QVERIFY(difference(std::vector<float>(rows.begin(), rows.begin() + 5 * 64), block) <= 1e-5);
      }
    }
    const QJsonObject said = [&] {
      QFile file(shared + "stories260K.golden.json");
      return file.open(QIODevice::ReadOnly) ? QJsonDocument::fromJson(file.readAll()).object() : QJsonObject();
    }();
    const std::string text = model->tokenizer->decode({all.data() + 1, all.size() - 1});
    QVERIFY2(text.starts_with("Once upon a time, there was a little girl named Lily. She loved to play outside") &&
                 text.ends_with("but it was too high.\nLily's mom said"),
             text.c_str());
    QVERIFY(!said.isEmpty());
  }

  /// Weights in blocks are the same weights, decoded when they are opened or handed out as they are.
  void blocks_of_every_type() {
    GgufBytes blocks, plain;
    in_blocks(blocks, plain);
    const auto one = open(blocks.done()), same = open(plain.done()), kept = open(blocks.done(), {.blocks = true});
    for (const auto* model : {&one, &same, &kept}) QVERIFY2(*model, *model ? "" : model->error().text.c_str());
    const std::vector<int32_t> ids = {3, 17, 39, 0, 5, 21};
    std::vector<std::vector<float>> logits;
    for (const auto* model : {&one, &same}) {
      const auto got = run(make_cpu_backend(1), **model, {}, ids, (**model)->spec.masks, 0);
      QVERIFY2(got, got ? "" : got.error().text.c_str());
      logits.push_back(got->logits);
    }
    QVERIFY(!logits[0].empty() && std::isfinite(logits[0][0]) && logits[0] == logits[1]);
    const Graph& graph = *(*one)->graph;
    std::set<DType> types;
    for (int i = 0; i < static_cast<int>(graph.schema.size()); ++i) {
      const TensorView whole = (*one)->weights->tensor(i), packed = (*kept)->weights->tensor(i);
      std::vector<float> a(static_cast<size_t>(whole.size())), b(a.size());
      to_float(whole, a.data());
      to_float(packed, b.data());
      QVERIFY2(a == b, graph.schema[static_cast<size_t>(i)].name.c_str());
      types.insert(packed.dtype);
    }
    QCOMPARE(types.size(), size_t(5));
    QVERIFY((*kept)->weights->bytes() * 4 < (*one)->weights->bytes());
  }

  void tiny_is_read() {
    GgufBytes file = tiny_llama();
    const auto model = open(add_tensors(file).done());
    QVERIFY2(model, model ? "" : model.error().text.c_str());
    QVERIFY((*model)->spec.tied && (*model)->spec.ropes[0].interleaved && !(*model)->tokenizer);
    QCOMPARE((*model)->spec.vocab_size, 5);
    QCOMPARE((*model)->name, std::string("m"));
  }

  void refused_data() {
    QTest::addColumn<QByteArray>("bytes");
    QTest::addColumn<QString>("says");
    const auto row = [](const char* name, const char* says, const std::function<void(GgufBytes&)>& change) {
      GgufBytes file = tiny_llama();
      change(file);
      QTest::newRow(name) << add_tensors(file).done() << QString(says);
    };
    const auto bare = [](const char* name, const char* says, GgufBytes file) {
      QTest::newRow(name) << file.done() << QString(says);
    };
    bare("no architecture", "general.architecture is missing", GgufBytes().u32("a", 1));
    bare("architecture a number", "general.architecture is 3; a text", GgufBytes().u32("general.architecture", 3));
    bare("unknown architecture", "general.architecture is \"rwkv6\"; known are llama",
         GgufBytes().text("general.architecture", "rwkv6"));
    bare("no sizes", "llama.embedding_length is missing", GgufBytes().text("general.architecture", "llama"));
    bare("no tensors", "token_embd.weight is missing", tiny_llama());
    row("heads of several numbers", "llama.rope.dimension_count is 2 of 4 dimensions",
        [](auto& f) { f.u32("llama.rope.dimension_count", 2); });
    row("values of another width", "llama.attention.key_length is 4 and llama.attention.value_length is 6",
        [](auto& f) { f.u32("llama.attention.value_length", 6); });
    row("a scaling that is not known", "llama.rope.scaling.type is \"spiral\"",
        [](auto& f) { f.text("llama.rope.scaling.type", "spiral"); });
    row("a scaling without a factor", "factor", [](auto& f) { f.text("llama.rope.scaling.type", "linear"); });
    row("a text for a number", "llama.rope.freq_base is \"big\"; a number",
        [](auto& f) { f.text("llama.rope.freq_base", "big"); });
    row("not a number", "llama.rope.freq_base is", [](auto& f) { f.f32("llama.rope.freq_base", NAN); });
    row("a vocabulary of another size is the table's", "", [](auto& f) { f.u32("llama.vocab_size", 7); });
    row("eos beyond", "eos", [](auto& f) { f.text("tokenizer.ggml.eos_token_id", "x"); });
    row("a tensor too many", "blk.0.extra.weight (8) has no place in llama",
        [](auto& f) { f.tensor("blk.0.extra.weight", DType::F32, {8}, std::vector<float>(8)); });
    row("a second layer that nothing says", "blk.1.attn_norm.weight (8) has no place",
        [](auto& f) { f.tensor("blk.1.attn_norm.weight", DType::F32, {8}, std::vector<float>(8)); });
    row("divisors of another number", "rope_scaling.short_factor has 3 numbers; 2 pairs turn", [](auto& f) {
      f.tensor("rope_freqs.weight", DType::F32, {3}, {1, 1, 1});
    });
    row("divisors in halves", "rope_freqs.weight is F16 (2)", [](auto& f) {
      f.tensor("rope_freqs.weight", DType::F16, {2}, {1, 1});
    });
    row("a tokenizer that is not known", "tokenizer.ggml.model is \"rwkv\"",
        [](auto& f) { f.text("tokenizer.ggml.model", "rwkv"); });
  }
  void refused() {
    QFETCH(QByteArray, bytes);
    QFETCH(QString, says);
    const auto model = open(bytes);
    if (says.isEmpty()) {
      QVERIFY2(model, model ? "" : model.error().text.c_str());
      return;
    }
    QVERIFY(!model);
    QVERIFY2(QString::fromStdString(model.error().text).contains(says), model.error().text.c_str());
    QVERIFY2(model.error().text.starts_with("m.gguf"), model.error().text.c_str());
  }

  void wrong_shapes_in_the_files_own_names() {
    GgufBytes file = tiny_llama();
    file.list<int32_t>("llama.unused", 5, {1, 2});
    QByteArray bytes = add_tensors(file).done();
    const qsizetype at = bytes.indexOf("llama.feed_forward_length") + 25 + 4;
    bytes[at] = 13;
    const auto model = open(bytes);
    QVERIFY(!model);
    const QString why = QString::fromStdString(model.error().text);
    QVERIFY2(why.contains("m.gguf: blk.0.ffn_down.weight is (8, 12); its header"), qPrintable(why));
    QVERIFY2(why.contains("makes it (8, 13)"), qPrintable(why));
  }

  void layers_of_several_shapes() {
    GgufBytes file;
    file.text("general.architecture", "llama").u32("llama.embedding_length", 8).u32("llama.block_count", 2);
    file.list<int32_t>("llama.attention.head_count", 5, {2, 4});
    const auto model = open(file.done());
    QVERIFY(!model && model.error().text.find("llama.attention.head_count is 2 in layer 0 and 4 in layer 1") !=
                          std::string::npos);
  }

  void other_files_are_no_models() {
    QTemporaryDir dir;
    QFile file(dir.filePath("m.gguf"));
    QVERIFY(file.open(QIODevice::WriteOnly) && file.write("hello") > 0);
    file.close();
    QVERIFY(!open_model(dir.filePath("m.gguf").toStdString(), {}));
    const auto folder = open_model((root + "/tests/goldens/gpt2-plain/model.safetensors").toStdString(), {});
    QVERIFY(!folder && folder.error().text.find("is no GGUF file") != std::string::npos);
  }

 private:
  static Result<ModelPtr> open(const QByteArray& bytes, const OpenOptions& options = {}) {
    QTemporaryDir dir;
    QFile file(dir.filePath("m.gguf"));
    if (!file.open(QIODevice::WriteOnly) || file.write(bytes) != bytes.size()) qFatal("not written");
    file.close();
    return open_model(dir.filePath("m.gguf").toStdString(), options);
  }
};

QTEST_APPLESS_MAIN(TestGgufModels)
#include "test_gguf_models.moc"
