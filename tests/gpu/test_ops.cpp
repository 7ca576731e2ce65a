// Each shader against its plain twin in double precision, on odd sizes, with the validation layer on.
#include "tests/gpu/gpu_test.h"

#include <cmath>

#include "gpu/vulkan/pushes.h"

using namespace cutaway;

namespace {

/// Numbers in a storage type, and what they are after rounding to it.
struct Stored {
  BufferPtr buffer;
  std::vector<double> values;
};
Stored store(const std::vector<float>& numbers, uint32_t storage) {
  Stored stored;
  std::vector<uint16_t> halves;
  for (float x : numbers) {
    if (storage == 1)
      halves.push_back(float_to_half(x)), stored.values.push_back(half_to_float(halves.back()));
    else if (storage == 2)
      halves.push_back(float_to_bf16(x)), stored.values.push_back(bf16_to_float(halves.back()));
    else
      stored.values.push_back(x);
  }
  if (storage != 0 && halves.size() % 2) halves.push_back(0);
  stored.buffer = storage == 0 ? to_device(numbers) : to_device(halves);
  return stored;
}

}  // namespace

class TestOps : public QObject {
  Q_OBJECT

 private slots:
  void embedding_data();
  void embedding();
  void values();
  void activations_data();
  void activations();
  void layer_norm_data();
  void layer_norm();
  void rms_norm();
  void rotary();
  void concat();
  void latent_data();
  void latent();
  void linear_data();
  void linear();
  void linear_rows_stand_alone();
  void nothing_swallows_nan();
  void record_and_gather();
  void mean_and_unit_length();
  void long_dispatch_is_cut();
  void cancelled();
  void cleanup() { QVERIFY2(complaints().isEmpty(), complaints()); }
  void cleanupTestCase() { test_device_slot().reset(); }
};

void TestOps::embedding_data() {
  QTest::addColumn<uint32_t>("storage");
  QTest::addRow("f32") << 0u;
  QTest::addRow("f16") << 1u;
  QTest::addRow("bf16") << 2u;
}

void TestOps::embedding() {
  NEED_DEVICE();
  QFETCH(uint32_t, storage);
  const uint32_t rows = 23, width = 37;
  const Stored table = store(random_numbers(rows * width, 1), storage);
  const std::vector<int32_t> ids{22, 0, 5, 5, 17};
  const BufferPtr where = to_device(ids), out = space_on_device(ids.size() * width);
  const auto n = static_cast<uint32_t>(ids.size()) * width;
  run("embedding.comp", {storage, 0},
      EmbeddingPush{.width = width, .n = n, .ids = where->address, .table = table.buffer->address, .out = out->address},
      groups_of(n));
  std::vector<double> want;
  for (int32_t id : ids)
    for (uint32_t d = 0; d < width; ++d) want.push_back(table.values[static_cast<size_t>(id) * width + d]);
  QCOMPARE(worst(from_device(out), want), 0.);
}

void TestOps::values() {
  NEED_DEVICE();
  const uint32_t n = 1001;
  const auto a = random_numbers(n, 2, 5), b = random_numbers(n, 3);
  const BufferPtr x = to_device(a), y = to_device(b), out = space_on_device(n);
  const auto holds = [&](auto twin, double tolerance) {
    std::vector<double> want;
    for (size_t i = 0; i < n; ++i) want.push_back(twin(a[i], b[i]));
    WITHIN(from_device(out), want, tolerance);
  };
  const AddPush both{.n = n, .a = x->address, .b = y->address, .out = out->address};
  run("add.comp", {}, both, groups_of(n));
  holds([](float p, float q) { return p + q; }, 0);
  run("mul.comp", {}, both, groups_of(n));
  holds([](float p, float q) { return p * q; }, 0);
  const ScalePush one{.n = n, .factor = 7, .x = x->address, .out = out->address};
  run("scale.comp", {}, one, groups_of(n));
  holds([](float p, float) { return 7 * p; }, 0);
  run("softcap.comp", {}, one, groups_of(n));
  holds([](double p, float) { return 7 * std::tanh(p / 7); }, 5e-7);
}

void TestOps::activations_data() {
  QTest::addColumn<QString>("shader");
  for (const char* name : {"gelu_erf", "gelu_tanh", "relu", "silu", "tanh"}) QTest::addRow("%s", name) << QString(name);
}

void TestOps::activations() {
  NEED_DEVICE();
  QFETCH(QString, shader);
  std::vector<float> x;
  for (int i = -6000; i <= 6000; ++i) x.push_back(static_cast<float>(i) * 0.002f);
  for (float far : {-1000.f, -88.f, 88.f, 1000.f, 0.f}) x.push_back(far);
  std::vector<double> want;
  for (double z : x) {
    if (shader == "gelu_erf") want.push_back(z / 2 * (1 + std::erf(z / std::sqrt(2.))));
    if (shader == "gelu_tanh")
      want.push_back(z / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (z + 0.044715 * z * z * z))));
    if (shader == "relu") want.push_back(std::max(z, 0.));
    if (shader == "silu") want.push_back(z / (1 + std::exp(-z)));
    if (shader == "tanh") want.push_back(std::tanh(z));
  }
  const BufferPtr in = to_device(x), out = space_on_device(x.size());
  const auto n = static_cast<uint32_t>(x.size());
  run((shader + ".comp").toStdString(), {}, ActivationPush{.n = n, .x = in->address, .out = out->address},
      groups_of(n));
  const auto got = from_device(out);
  for (size_t i = 0; i < got.size(); ++i)
    QVERIFY2(std::abs(got[i] - want[i]) <= 6e-7 * std::max(1., std::abs(want[i])),
             qPrintable(QString("f(%1) is %2, should be %3").arg(x[i]).arg(got[i]).arg(want[i])));
}

void TestOps::layer_norm_data() {
  QTest::addColumn<int>("rows");
  QTest::addColumn<int>("width");
  QTest::addColumn<bool>("bias");
  QTest::addRow("7x45") << 7 << 45 << true;
  QTest::addRow("1x768, no bias") << 1 << 768 << false;
  QTest::addRow("33x1") << 33 << 1 << true;
  QTest::addRow("5x64") << 5 << 64 << true;
}

void TestOps::layer_norm() {
  NEED_DEVICE();
  QFETCH(int, rows);
  QFETCH(int, width);
  QFETCH(bool, bias);
  const auto n = static_cast<size_t>(rows * width), w = static_cast<size_t>(width);
  const auto x = random_numbers(n, 4, 3), gain = random_numbers(w, 5), shift = random_numbers(w, 6);
  const double eps = 1e-5;
  std::vector<double> want(n);
  for (int r = 0; r < rows; ++r) {
    double mean = 0, var = 0;
    for (int c = 0; c < width; ++c) mean += x[r * w + c] / static_cast<double>(width);
    for (int c = 0; c < width; ++c) var += std::pow(x[r * w + c] - mean, 2) / width;
    for (int c = 0; c < width; ++c)
      want[r * w + c] = (x[r * w + c] - mean) / std::sqrt(var + eps) * gain[c] + (bias ? shift[c] : 0);
  }
  const BufferPtr in = to_device(x), g = to_device(gain), b = to_device(shift), out = space_on_device(n);
  run("layer_norm.comp", {},
      NormPush{.width = static_cast<uint32_t>(width),
               .eps = 1e-5f,
               .has_bias = bias,
               .x = in->address,
               .gain = g->address,
               .bias = bias ? b->address : 0,
               .out = out->address},
      static_cast<uint64_t>(rows));
  WITHIN(from_device(out), want, 2e-6);
}

void TestOps::rms_norm() {
  NEED_DEVICE();
  for (const auto& [groups, width] : {std::pair{7, 45}, {1, 768}, {33, 1}, {20, 64}}) {
    const auto n = static_cast<size_t>(groups * width), w = static_cast<size_t>(width);
    const auto x = random_numbers(n, 4, 3), gain = random_numbers(w, 5);
    std::vector<double> want;
    for (size_t g = 0; g < n; g += w) {
      double squares = 0;
      for (size_t c = 0; c < w; ++c) squares += static_cast<double>(x[g + c]) * x[g + c];
      for (size_t c = 0; c < w; ++c)
        want.push_back(x[g + c] / std::sqrt(squares / width + 1e-6) * (static_cast<double>(gain[c]) + 1));
    }
    const BufferPtr in = to_device(x), scale = to_device(gain), out = space_on_device(n);
    run("rms_norm.comp", {},
        RmsNormPush{.width = static_cast<uint32_t>(width),
                    .eps = 1e-6f,
                    .offset = 1,
                    .x = in->address,
                    .gain = scale->address,
                    .out = out->address},
        static_cast<uint64_t>(groups));
    WITHIN(from_device(out), want, 1e-6);
  }
}

void TestOps::rotary() {
  NEED_DEVICE();
  const uint32_t rows = 5, heads = 3, head_dim = 14, begin = 2, pairs = 4, width = heads * head_dim;
  const auto x = random_numbers(rows * width, 20), angles = random_numbers(rows * pairs, 21, 3);
  std::vector<float> turns;
  for (uint32_t t = 0; t < rows; ++t) {
    for (uint32_t k = 0; k < pairs; ++k) turns.push_back(std::cos(angles[t * pairs + k]));
    for (uint32_t k = 0; k < pairs; ++k) turns.push_back(std::sin(angles[t * pairs + k]));
  }
  const BufferPtr in = to_device(x), table = to_device(turns), out = space_on_device(x.size());
  for (bool interleaved : {false, true}) {
    std::vector<double> want(x.begin(), x.end());
    for (uint32_t t = 0; t < rows; ++t)
      for (uint32_t h = 0; h < heads; ++h)
        for (uint32_t k = 0; k < pairs; ++k) {
          const size_t head = t * width + h * head_dim + begin, i = head + (interleaved ? 2 * k : k),
                       j = interleaved ? i + 1 : i + pairs;
          const double c = std::cos(static_cast<double>(angles[t * pairs + k])),
                       s = std::sin(static_cast<double>(angles[t * pairs + k])), a = x[i], b = x[j];
          want[i] = a * c - b * s;
          want[j] = a * s + b * c;
        }
    run("rotary.comp", {},
        RotaryPush{.n = rows * width,
                   .width = width,
                   .head_dim = head_dim,
                   .begin = begin,
                   .pairs = pairs,
                   .interleaved = interleaved,
                   .x = in->address,
                   .turns = table->address,
                   .out = out->address},
        groups_of(rows * width));
    WITHIN(from_device(out), want, 1e-6);
  }
}

void TestOps::concat() {
  NEED_DEVICE();
  const uint32_t rows = 9, left = 5, right = 12;
  const auto a = random_numbers(rows * left, 22), b = random_numbers(rows * right, 23);
  std::vector<float> want;
  for (uint32_t t = 0; t < rows; ++t) {
    want.insert(want.end(), a.begin() + t * left, a.begin() + (t + 1) * left);
    want.insert(want.end(), b.begin() + t * right, b.begin() + (t + 1) * right);
  }
  const BufferPtr x = to_device(a), y = to_device(b), out = space_on_device(want.size());
  const auto n = static_cast<uint32_t>(want.size());
  run("concat.comp", {},
      ConcatPush{.n = n, .left = left, .right = right, .a = x->address, .b = y->address, .out = out->address},
      groups_of(n));
  QCOMPARE(from_device(out), want);
}

void TestOps::latent_data() {
  QTest::addColumn<bool>("transposed");
  QTest::addColumn<int>("inner");
  QTest::addColumn<int>("made");
  QTest::addColumn<int>("turned");
  QTest::addColumn<bool>("shared");  // every head reads the same numbers
  QTest::addColumn<uint32_t>("storage");
  QTest::addRow("latent_query") << true << 10 << 12 << 6 << false << 0u;
  QTest::addRow("latent_query, f16") << true << 8 << 16 << 4 << false << 1u;
  QTest::addRow("latent_value") << false << 16 << 7 << 0 << false << 0u;
  QTest::addRow("latent_value, bf16") << false << 13 << 8 << 0 << false << 2u;
  QTest::addRow("expand_keys") << false << 16 << 9 << 4 << true << 0u;
  QTest::addRow("expand_keys, odd") << false << 15 << 8 << 6 << true << 2u;
}

void TestOps::latent() {
  NEED_DEVICE();
  QFETCH(bool, transposed);
  QFETCH(int, inner);
  QFETCH(int, made);
  QFETCH(int, turned);
  QFETCH(bool, shared);
  QFETCH(uint32_t, storage);
  const int rows = 21, heads = 3, in_head = shared ? 0 : inner + turned, out_head = made + turned;
  const int in_width = (shared ? 1 : heads) * (inner + turned);
  const auto x = random_numbers(static_cast<size_t>(rows * in_width), 24);
  const Stored w = store(random_numbers(static_cast<size_t>(heads * inner * made), 25), storage);
  std::vector<double> want;
  for (int t = 0; t < rows; ++t)
    for (int h = 0; h < heads; ++h) {
      const float* from = &x[static_cast<size_t>(t * in_width + h * in_head)];
      for (int o = 0; o < made; ++o) {
        double sum = 0;
        for (int k = 0; k < inner; ++k)
          sum += from[k] *
                 w.values[static_cast<size_t>(transposed ? (h * inner + k) * made + o : (h * made + o) * inner + k)];
        want.push_back(sum);
      }
      for (int p = 0; p < turned; ++p) want.push_back(from[inner + p]);
    }
  Uploads uploads(*test_device());
  const BufferPtr in = to_device(x), out = space_on_device(want.size());
  const auto u = [](int n) { return static_cast<uint32_t>(n); };
  run("latent.comp", {storage, u(inner % 4 == 0 && in_width % 4 == 0 && in_head % 4 == 0), transposed},
      LatentPush{.rows = u(rows),
                 .heads = u(heads),
                 .inner = u(inner),
                 .in_width = u(in_width),
                 .in_head = u(in_head),
                 .out_head = u(out_head),
                 .turned = u(turned),
                 .x = uploads.table(in->address, rows, static_cast<size_t>(in_width) * sizeof(float)),
                 .matrix = w.buffer->address,
                 .y = out->address},
      groups_of(want.size()));
  WITHIN(from_device(out), want, 2e-6);
}

void TestOps::linear_data() {
  QTest::addColumn<int>("rows");
  QTest::addColumn<int>("in");
  QTest::addColumn<int>("out");
  QTest::addColumn<uint32_t>("storage");
  QTest::addColumn<bool>("bias");
  const char* names[] = {"f32", "f16", "bf16"};
  for (uint32_t storage : {0u, 1u, 2u}) {
    for (auto [rows, in, out, bias] : {std::tuple{1, 64, 96, true},
                                       {1, 37, 5, false},
                                       {1, 1, 1, true},
                                       {9, 64, 40, true},
                                       {33, 45, 61, true},
                                       {2, 3, 2, false},
                                       {16, 128, 128, false},
                                       {65, 20, 13, true}})
      QTest::addRow("%dx%d to %d, %s", rows, in, out, names[storage]) << rows << in << out << storage << bias;
  }
}

void TestOps::linear() {
  NEED_DEVICE();
  QFETCH(int, rows);
  QFETCH(int, in);
  QFETCH(int, out);
  QFETCH(uint32_t, storage);
  QFETCH(bool, bias);
  const auto x = random_numbers(static_cast<size_t>(rows * in), 7), shift = random_numbers(static_cast<size_t>(out), 8);
  const Stored matrix = store(random_numbers(static_cast<size_t>(in * out), 9), storage);
  std::vector<double> want;
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < out; ++c) {
      double sum = bias ? shift[c] : 0;
      for (int k = 0; k < in; ++k)
        sum += static_cast<double>(x[r * in + k]) * matrix.values[static_cast<size_t>(c * in + k)];
      want.push_back(sum);
    }
  const BufferPtr a = to_device(x), b = to_device(shift), y = space_on_device(want.size());
  const LinearPush push{.rows = static_cast<uint32_t>(rows),
                        .width = static_cast<uint32_t>(in),
                        .columns = static_cast<uint32_t>(out),
                        .has_bias = bias,
                        .x = a->address,
                        .matrix = matrix.buffer->address,
                        .bias = bias ? b->address : 0,
                        .y = y->address};
  const uint32_t fours = in % 4 == 0;
  const auto tiles = static_cast<uint64_t>((rows + 7) / 8 * ((out + 7) / 8));
  if (rows == 1)
    run("linear_one.comp", {storage, fours}, push, static_cast<uint64_t>((out + 7) / 8));
  else
    run("linear.comp", {storage, fours}, push, groups_of(tiles));
  WITHIN(from_device(y), want, 2e-6);
}

/// A row's bits don't depend on the rows beside it, so changing a later token leaves earlier rows alone.
void TestOps::linear_rows_stand_alone() {
  NEED_DEVICE();
  const uint32_t rows = 21, in = 52, out = 19;
  auto x = random_numbers(rows * in, 10);
  const BufferPtr matrix = to_device(random_numbers(in * out, 11));
  std::vector<std::vector<float>> results;
  for (int round = 0; round < 2; ++round) {
    const BufferPtr a = to_device(x), y = space_on_device(rows * out);
    run("linear.comp", {0, 1},
        LinearPush{
            .rows = rows, .width = in, .columns = out, .x = a->address, .matrix = matrix->address, .y = y->address},
        groups_of((rows + 7) / 8 * ((out + 7) / 8)));
    results.push_back(from_device(y));
    for (size_t i = 13 * in; i < x.size(); ++i) x[i] = -x[i];
  }
  QVERIFY(std::equal(results[0].begin(), results[0].begin() + 13 * out, results[1].begin()));
  QVERIFY(!std::equal(results[0].begin(), results[0].end(), results[1].begin()));
}

/// A NaN in the weights reaches the logits, where the session refuses it.
void TestOps::nothing_swallows_nan() {
  NEED_DEVICE();
  for (const char* shader : {"gelu_erf.comp", "gelu_tanh.comp", "relu.comp", "silu.comp", "tanh.comp"}) {
    const BufferPtr in = to_device(std::vector<float>(8, NAN)), out = space_on_device(8);
    run(shader, {}, ActivationPush{.n = 8, .x = in->address, .out = out->address}, 1);
    for (float y : from_device(out)) QVERIFY2(std::isnan(y), shader);
  }
  auto x = random_numbers(60, 1);
  x[25] = NAN;
  const BufferPtr in = to_device(x), gain = to_device(std::vector<float>(20, 1.f)), out = space_on_device(60);
  run("layer_norm.comp", {},
      NormPush{.width = 20, .eps = 1e-5f, .x = in->address, .gain = gain->address, .out = out->address}, 3);
  const auto rows = from_device(out);
  for (size_t i = 0; i < rows.size(); ++i) QCOMPARE(std::isnan(rows[i]), i >= 20 && i < 40);
}

void TestOps::record_and_gather() {
  NEED_DEVICE();
  auto backend = *make_vulkan_backend(test_device());
  const uint32_t width = 7, n = 45;
  PagedRows rows(backend->arena(), width * sizeof(float));
  const auto numbers = random_numbers(n * width, 15);
  for (uint32_t first : {0u, 20u}) {  // two passes: the second begins inside a page
    const uint32_t last = first == 0 ? 20 : n;
    QVERIFY(rows.grow(last - first));
    const BufferPtr dense =
        to_device(std::vector<float>(numbers.begin() + first * width, numbers.begin() + last * width));
    Uploads uploads(*test_device());
    run("record.comp", {},
        RowsPush{.width = width,
                 .row = first,
                 .n = (last - first) * width,
                 .dense = dense->address,
                 .table = uploads.table(rows)},
        groups_of((last - first) * width));
  }
  std::vector<float> back(17 * width);
  const size_t before = backend->bytes_read_back();
  QVERIFY(backend->read(rows, 11, 28, back.data()));
  QVERIFY(std::equal(back.begin(), back.end(), numbers.begin() + 11 * width));
  QCOMPARE(backend->bytes_read_back() - before, back.size() * sizeof(float));
}

void TestOps::mean_and_unit_length() {
  NEED_DEVICE();
  const uint32_t rows = 11, width = 75;
  const auto x = random_numbers(rows * width, 16);
  std::vector<double> mean(width, 0), unit(width);
  double squares = 0;
  for (uint32_t c = 0; c < width; ++c) {
    for (uint32_t r = 0; r < rows; ++r) mean[c] += static_cast<double>(x[r * width + c]) / rows;
    squares += mean[c] * mean[c];
  }
  for (uint32_t c = 0; c < width; ++c) unit[c] = mean[c] / std::sqrt(squares);
  const BufferPtr in = to_device(x), middle = space_on_device(width), out = space_on_device(width);
  run("mean_rows.comp", {}, MeanPush{.width = width, .rows = rows, .x = in->address, .out = middle->address},
      groups_of(width));
  run("unit_length.comp", {}, UnitPush{.width = width, .x = middle->address, .out = out->address}, 1);
  WITHIN(from_device(middle), mean, 1e-6);
  WITHIN(from_device(out), unit, 1e-6);
}

/// A dispatch said to be long is submitted in pieces; every group runs once.
void TestOps::long_dispatch_is_cut() {
  NEED_DEVICE();
  const uint32_t n = 64 * 300 + 5;
  const auto a = random_numbers(n, 17);
  const BufferPtr x = to_device(a), out = space_on_device(n);
  WorkLease work(*test_device());
  work->begin(nullptr);
  work->dispatch("add.comp", {}, AddPush{.n = n, .a = x->address, .b = x->address, .out = out->address}, groups_of(n),
                 1e9, 3);
  QVERIFY(work->finish());
  const auto got = from_device(out);
  for (size_t i = 0; i < got.size(); ++i) QCOMPARE(got[i], 2 * a[i]);
  QVERIFY(work->node_ms().at(3) > 0);
}

void TestOps::cancelled() {
  NEED_DEVICE();
  Progress progress;
  progress.cancelled = true;
  const BufferPtr x = space_on_device(64);
  WorkLease work(*test_device());
  work->begin(&progress);
  work->dispatch("add.comp", {}, AddPush{.n = 64, .a = x->address, .b = x->address, .out = x->address}, 1, 1);
  const auto done = work->finish();
  QVERIFY(!done);
  QCOMPARE(done.error().text, std::string("cancelled"));
  QCOMPARE(done.error().fault, Fault::Ours);
}

QTEST_APPLESS_MAIN(TestOps)
#include "test_ops.moc"
