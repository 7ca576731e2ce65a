// Matrices that stay in blocks on the device: each shader that reads them against the same weights decoded by
// blocks_to_float(), which tests/engine holds to ggml's own values.
#include "tests/gpu/gpu_test.h"

#include "engine/blocks.h"
#include "gpu/vulkan/pushes.h"
#include "tests/support/run.h"

using namespace cutaway;

namespace {

constexpr DType types[] = {DType::Q8_0, DType::Q4_0, DType::Q4_K, DType::Q6_K};
constexpr uint32_t first_storage = 3;  // of types[0] in weights.glsl

/// n elements near +-0.5 in blocks. The K types have random bits under scales of that size.
std::vector<std::byte> random_blocks(DType dtype, int64_t n, unsigned seed) {
  std::vector<std::byte> blocks(bytes_of(dtype, n));
  if (dtype == DType::Q8_0 || dtype == DType::Q4_0) {
    blocks_from_float(dtype, random_numbers(static_cast<size_t>(n), seed, 0.2f).data(), n, blocks.data());
    return blocks;
  }
  std::mt19937 generator(seed);
  for (std::byte& byte : blocks) byte = static_cast<std::byte>(generator());
  const auto put = [&](size_t at, float value) {
    const uint16_t bits = float_to_half(value);
    std::memcpy(&blocks[at], &bits, 2);
  };
  const bool six = dtype == DType::Q6_K;
  for (size_t at = 0; at < blocks.size(); at += bytes_of(dtype)) {
    put(at + (six ? 208 : 0), six ? 3e-4f : 2e-3f);
    if (!six) put(at + 2, 1.5e-2f);
  }
  return blocks;
}

std::vector<float> decoded(DType dtype, const std::vector<std::byte>& blocks, int64_t n) {
  std::vector<float> values(static_cast<size_t>(n));
  blocks_to_float(dtype, blocks.data(), n, values.data());
  return values;
}

/// A model's weights with every matrix in blocks of one type or another, or the same decoded.
class BlockWeights final : public Weights {
 public:
  BlockWeights(const Graph& graph, bool decode) : decode_(decode) {
    unsigned seed = 0;
    for (const TensorSchema& tensor : graph.schema) {
      const int64_t n = elements(tensor.shape);
      const DType dtype = types[seed++ % 4];
      if (tensor.shape.size() == 1)
        add(DType::F32, tensor.shape, std::vector<float>(static_cast<size_t>(n), 1.f));
      else if (const auto blocks = random_blocks(dtype, n, seed); decode)
        add(DType::F32, tensor.shape, decoded(dtype, blocks, n));
      else
        add(dtype, tensor.shape, blocks);
    }
  }
  TensorView tensor(int i) const override {
    const Kept& kept = kept_[static_cast<size_t>(i)];
    return {kept.bytes.data(), kept.dtype, kept.shape};
  }
  DType storage_dtype() const override { return decode_ ? DType::F32 : DType::Q8_0; }
  size_t bytes() const override { return 0; }

 private:
  struct Kept {
    DType dtype;
    Shape shape;
    std::vector<std::byte> bytes;
  };
  template <class T>
  void add(DType dtype, const Shape& shape, const std::vector<T>& values) {
    const auto* bytes = reinterpret_cast<const std::byte*>(values.data());
    kept_.push_back({dtype, shape, std::vector<std::byte>(bytes, bytes + values.size() * sizeof(T))});
  }

  bool decode_;
  std::vector<Kept> kept_;
};

/// Width 256, so that a row is whole blocks of every type.
ModelPtr wide_model(const char* architecture, size_t corner, bool decode) {
  auto model = std::make_shared<Model>();
  model->spec = architecture_named(architecture).corners()[corner];
  model->spec.d_model = 256;
  for (LayerSpec& layer : model->spec.layers) {
    AttentionSpec& a = layer.attention;
    a.d_model = 256, a.head_dim = 64, a.n_heads = 4, a.n_kv_heads = std::string(architecture) == "llama" ? 2 : 4;
    a.kind = std::string(architecture) == "llama" ? "gqa" : a.kind, a.scale = 0.125f;
    if (a.kind == "mla") a.latent.kv_lora_rank = 256, a.latent.v_dim = 64;
    layer.ffn.d_ff = 512;
  }
  if (std::string(architecture) == "llama") model->spec.ropes[0].width = 64;
  model->graph = std::make_shared<const Graph>(build_graph(model->spec));
  model->weights = std::make_shared<BlockWeights>(*model->graph, decode);
  return model;
}

}  // namespace

class TestBlocks : public QObject {
  Q_OBJECT

 private slots:
  void bits_data() { all_types(); }
  void bits();
  void linear_data() { all_types(); }
  void linear();
  void whole_models_data();
  void whole_models();
  void cleanup() { QVERIFY2(complaints().isEmpty(), complaints()); }
  void cleanupTestCase() { test_device_slot().reset(); }

 private:
  static void all_types() {
    QTest::addColumn<int>("type");
    for (int i = 0; i < 4; ++i) QTest::addRow("%s", std::string(name_of(types[i])).c_str()) << i;
  }
};

/// Rows of a table come out as the host decodes them, to the last bit.
void TestBlocks::bits() {
  NEED_DEVICE();
  QFETCH(int, type);
  const uint32_t rows = 7, width = 768, n = rows * width;
  const auto blocks = random_blocks(types[type], n, 31);
  std::vector<int32_t> ids(rows);
  for (uint32_t i = 0; i < rows; ++i) ids[i] = static_cast<int32_t>(i);
  const BufferPtr where = to_device(ids), table = to_device(blocks), out = space_on_device(n);
  run("embedding.comp", {first_storage + static_cast<uint32_t>(type), 0},
      EmbeddingPush{.width = width, .n = n, .ids = where->address, .table = table->address, .out = out->address},
      groups_of(n));
  QCOMPARE(from_device(out), decoded(types[type], blocks, n));
}

void TestBlocks::linear() {
  NEED_DEVICE();
  QFETCH(int, type);
  const uint32_t in = 512, out = 13, storage = first_storage + static_cast<uint32_t>(type);
  const auto blocks = random_blocks(types[type], in * out, 32);
  const auto values = decoded(types[type], blocks, in * out);
  const BufferPtr matrix = to_device(blocks);
  for (uint32_t rows : {1u, 11u}) {
    const auto x = random_numbers(rows * in, 33);
    std::vector<double> want;
    for (uint32_t r = 0; r < rows; ++r)
      for (uint32_t c = 0; c < out; ++c) {
        double sum = 0;
        for (uint32_t k = 0; k < in; ++k) sum += static_cast<double>(x[r * in + k]) * values[c * in + k];
        want.push_back(sum);
      }
    const BufferPtr a = to_device(x), y = space_on_device(rows * out);
    const LinearPush push{
        .rows = rows, .width = in, .columns = out, .x = a->address, .matrix = matrix->address, .y = y->address};
    if (rows == 1)
      run("linear_one.comp", {storage, 1}, push, (out + 7) / 8);
    else
      run("linear.comp", {storage, 1}, push, groups_of((rows + 7) / 8 * ((out + 7) / 8)));
    WITHIN(from_device(y), want, 2e-6);
  }
}

void TestBlocks::whole_models_data() {
  QTest::addColumn<QString>("architecture");
  QTest::addColumn<int>("corner");
  QTest::newRow("llama") << "llama" << 0;
  QTest::newRow("latent, absorbed") << "deepseek" << 0;
  QTest::newRow("latent, expanded") << "deepseek" << 2;
}

/// Every matrix of a model in blocks, on the device, against the decoded weights on the CPU.
void TestBlocks::whole_models() {
  NEED_DEVICE();
  QFETCH(QString, architecture);
  QFETCH(int, corner);
  const std::string name = architecture.toStdString();
  const ModelPtr packed = wide_model(name.c_str(), static_cast<size_t>(corner), false),
                 plain = wide_model(name.c_str(), static_cast<size_t>(corner), true);
  const auto device = *make_vulkan_backend(test_device());
  QVERIFY(device->runs_blocks());
  const auto ids = tests::random_ids(packed->spec, 21);
  for (int64_t piece : {0, 1}) {
    const auto got = tests::run(device, packed, {}, ids, packed->spec.masks, piece);
    QVERIFY2(got, got ? "" : got.error().text.c_str());
    const auto want = tests::run(make_cpu_backend(2), plain, {}, ids, plain->spec.masks, piece);
    QVERIFY(want);
    WITHIN(got->logits, want->logits, 1e-4);
  }
}

QTEST_APPLESS_MAIN(TestBlocks)
#include "test_blocks.moc"
