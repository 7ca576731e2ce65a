// Models whose matrices stay in blocks: the CPU backend, which decodes them as it multiplies, against itself on the
// same weights decoded to fp32 by the files' reader, which test_gguf.cpp holds to ggml's own values.
#include <QFile>
#include <QTemporaryDir>
#include <QTest>
#include <random>

#include "engine/files/gguf.h"
#include "engine/model.h"
#include "tests/support/gguf_bytes.h"
#include "tests/support/run.h"

using namespace cutaway;
using namespace cutaway::tests;

namespace {

const QString shared = QString(CUTAWAY_SOURCE_DIR) + "/../shared/data/";
std::mt19937 generator(1);

std::vector<float> normal(const Shape& shape, float deviation) {
  std::normal_distribution<float> draw(0, deviation);
  std::vector<float> values(static_cast<size_t>(elements(shape)));
  for (float& value : values) value = draw(generator);
  return values;
}

/// A matrix of K blocks: any bits, with scales that keep the values near 0.05.
void put_k_blocks(GgufBytes& file, const std::string& name, DType dtype, int64_t rows, int64_t cols) {
  QByteArray data(static_cast<qsizetype>(bytes_of(dtype, rows * cols)), 0);
  for (char& byte : data) byte = static_cast<char>(generator());
  const bool six = dtype == DType::Q6_K;
  for (qsizetype at = 0; at < data.size(); at += static_cast<qsizetype>(bytes_of(dtype))) {
    data.replace(at + (six ? 208 : 0), 2, GgufBytes::bytes(float_to_half(six ? 3e-5f : 2e-4f)));
    if (!six) data.replace(at + 2, 2, GgufBytes::bytes(float_to_half(1.5e-3f)));
  }
  file.raw_tensor(name, six ? 14 : 12, {cols, rows}, data);
}

/// Two layers of width 256, one type a matrix, all four in turns.
QByteArray mixed_llama() {
  GgufBytes file;
  file.text("general.architecture", "llama").u32("llama.embedding_length", 256).u32("llama.block_count", 2);
  file.u32("llama.attention.head_count", 4).u32("llama.attention.head_count_kv", 2);
  file.u32("llama.feed_forward_length", 512).u32("llama.context_length", 64);
  file.f32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  constexpr DType types[] = {DType::Q8_0, DType::Q4_K, DType::Q4_0, DType::Q6_K};
  size_t next = 0;
  const auto matrix = [&](const std::string& name, int64_t rows, int64_t cols) {
    const DType dtype = types[next++ % 4];
    if (dtype == DType::Q4_K || dtype == DType::Q6_K) return put_k_blocks(file, name, dtype, rows, cols);
    file.tensor(name, dtype, {rows, cols}, normal({rows, cols}, 0.05f));
  };
  const auto ones = [&](const std::string& name) { file.tensor(name, DType::F32, {256}, std::vector<float>(256, 1)); };
  matrix("token_embd.weight", 101, 256), matrix("output.weight", 101, 256), ones("output_norm.weight");
  for (const std::string layer : {"blk.0.", "blk.1."}) {
    ones(layer + "attn_norm.weight"), ones(layer + "ffn_norm.weight");
    matrix(layer + "attn_q.weight", 256, 256), matrix(layer + "attn_k.weight", 128, 256);
    matrix(layer + "attn_v.weight", 128, 256), matrix(layer + "attn_output.weight", 256, 256);
    matrix(layer + "ffn_gate.weight", 512, 256), matrix(layer + "ffn_up.weight", 512, 256);
    matrix(layer + "ffn_down.weight", 256, 512);
  }
  return file.done();
}

/// stories260K with every matrix in that type whose rows are whole blocks (those of ffn_down are not). No tokenizer.
QByteArray stories_in(DType dtype) {
  const auto files = TensorFiles::open_file((shared + "stories260K.gguf").toStdString());
  if (!files) return {};
  GgufBytes out;
  for (const auto& [key, value] : (*files)->gguf()->values()) {
    if (const auto* text = std::get_if<std::string_view>(&value.value); text && key == "general.architecture")
      out.text(key, std::string(*text));
    if (!key.starts_with("llama.")) continue;
    if (const auto* whole = std::get_if<int64_t>(&value.value)) out.u32(key, static_cast<uint32_t>(*whole));
    if (const auto* real = std::get_if<double>(&value.value)) out.f32(key, static_cast<float>(*real));
  }
  for (const cutaway::FileTensor& t : (*files)->tensors()) {
    std::vector<float> values(static_cast<size_t>(elements(t.shape)));
    to_float({t.data.data(), *t.dtype, t.shape}, values.data());
    const bool fits = t.shape.size() == 2 && t.shape[1] % 32 == 0;
    out.tensor(t.name, fits ? dtype : DType::F32, t.shape, values);
  }
  return out.done();
}

ModelPtr open(const QByteArray& bytes, bool blocks) {
  QTemporaryDir dir;
  QFile file(dir.filePath("m.gguf"));
  if (!file.open(QIODevice::WriteOnly) || file.write(bytes) != bytes.size()) qFatal("not written");
  file.close();
  const auto model = open_model(dir.filePath("m.gguf").toStdString(), {.blocks = blocks});
  if (!model) qFatal("%s", model.error().text.c_str());
  return *model;
}

}  // namespace

class TestCpuBlocks : public QObject {
  Q_OBJECT

 private slots:
  void equals_decoded_weights_data() {
    QTest::addColumn<QByteArray>("bytes");
    QTest::addColumn<double>("share");  // of the decoded bytes, at most
    QTest::newRow("all types") << mixed_llama() << 0.25;
    if (!QFile::exists(shared + "stories260K.gguf")) return;
    QTest::newRow("stories260K in Q8_0") << stories_in(DType::Q8_0) << 0.55;
    QTest::newRow("stories260K in Q4_0") << stories_in(DType::Q4_0) << 0.45;
  }
  void equals_decoded_weights() {
    QFETCH(QByteArray, bytes);
    QFETCH(double, share);
    const ModelPtr packed = open(bytes, true), plain = open(bytes, false);
    QVERIFY(is_block(packed->weights->tensor(0).dtype) && plain->weights->tensor(0).dtype == DType::F32);
    QVERIFY(static_cast<double>(packed->weights->bytes()) < share * static_cast<double>(plain->weights->bytes()));
    std::vector<int32_t> ids;
    for (int i = 0; i < 41; ++i) ids.push_back((7 * i + 3) % 101);
    for (const int64_t piece : {0, 1, 5}) {  // by matrix products, row by row, a few rows at once
      const auto got = run(make_cpu_backend(2), packed, all_taps(*packed->graph), ids, packed->spec.masks, piece);
      const auto want = run(make_cpu_backend(2), plain, all_taps(*plain->graph), ids, plain->spec.masks, piece);
      QVERIFY(got && want);
      const double off = difference(got->logits, want->logits);
      QVERIFY2(off <= 1e-4, qPrintable(QString("pieces of %1: logits are off by %2").arg(piece).arg(off)));
    }
  }
};

QTEST_APPLESS_MAIN(TestCpuBlocks)
#include "test_cpu_blocks.moc"
