// Each shader against its plain twin in double precision, on odd sizes, with the validation layer on.
#include "tests/gpu/gpu_test.h"

#include <cmath>

#include "gpu/vulkan/pushes.h"

using namespace cutaway;

namespace {

/// One dispatch, waited for.
template <class Push>
void run(std::string_view shader, std::initializer_list<uint32_t> constants, const Push& push, uint64_t groups) {
  WorkLease work(*test_device());
  work->begin(nullptr);
  work->dispatch(shader, constants, push, groups, 1e3);
  const auto done = work->finish();
  QVERIFY2(done, done ? "" : done.error().text.c_str());
}

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
  void add();
  void activations_data();
  void activations();
  void layer_norm_data();
  void layer_norm();
  void linear_data();
  void linear();
  void linear_rows_stand_alone();
  void attend_data();
  void attend();
  void attend_custom_mask_keeps_bits();
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

void TestOps::add() {
  NEED_DEVICE();
  const auto a = random_numbers(1001, 2), b = random_numbers(1001, 3);
  const BufferPtr x = to_device(a), y = to_device(b), out = space_on_device(1001);
  run("add.comp", {}, AddPush{.n = 1001, .a = x->address, .b = y->address, .out = out->address}, groups_of(1001));
  std::vector<float> want(1001);
  for (size_t i = 0; i < want.size(); ++i) want[i] = a[i] + b[i];
  QCOMPARE(worst(from_device(out), want), 0.);
}

void TestOps::activations_data() {
  QTest::addColumn<QString>("shader");
  for (const char* name : {"gelu_erf", "gelu_tanh", "relu", "tanh"}) QTest::addRow("%s", name) << QString(name);
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

namespace {

struct Attention {
  uint32_t rows, past, heads, kv_heads, head_dim;
  MaskRule mask;
  std::vector<float> q, k, v, context, lse;
  uint32_t keys() const { return past + rows; }
};

Attention make_attention(uint32_t rows, uint32_t past, uint32_t heads, uint32_t kv_heads, uint32_t head_dim,
                         MaskRule mask) {
  Attention a{rows, past, heads, kv_heads, head_dim, std::move(mask), {}, {}, {}, {}, {}};
  a.q = random_numbers(rows * heads * head_dim, 12);
  a.k = random_numbers(a.keys() * kv_heads * head_dim, 13);
  a.v = random_numbers(a.keys() * kv_heads * head_dim, 14);
  return a;
}

/// With one group a query and head, or with one invocation for four queries.
void attend_on_device(Attention& a, bool by_rows) {
  Uploads uploads(*test_device());
  const BufferPtr q = to_device(a.q), k = to_device(a.k), v = to_device(a.v), context = space_on_device(a.q.size()),
                  lse = space_on_device(a.rows * a.heads);
  const size_t row_bytes = a.kv_heads * a.head_dim * sizeof(float);
  const uint64_t bits = a.mask.bits ? uploads.put(a.mask.bits->words.data(), a.mask.bits->words.size() * 4) : 0;
  const AttendPush push{.rows = a.rows,
                        .past = a.past,
                        .keys = a.keys(),
                        .heads = a.heads,
                        .kv_heads = a.kv_heads,
                        .head_dim = a.head_dim,
                        .scale = 0.25f,
                        .has_lse = 1,
                        .mask = mask_push(a.mask),
                        .q = q->address,
                        .k = uploads.table(k->address, a.keys(), row_bytes),
                        .v = uploads.table(v->address, a.keys(), row_bytes),
                        .context = context->address,
                        .lse = lse->address,
                        .bits = bits};
  const uint32_t fours = a.head_dim % 4 == 0;
  if (by_rows)
    run("attend_rows.comp", {fours, (a.head_dim + 3) / 4}, push, ((a.rows + 3) / 4 * a.heads + 7) / 8);
  else
    run("attend.comp", {fours}, push, a.rows * a.heads);
  a.context = from_device(context);
  a.lse = from_device(lse);
}

MaskRule painted(uint32_t positions) {
  auto bits = std::make_shared<MaskBits>(positions, positions);
  for (uint32_t q = 0; q < positions; ++q)
    for (uint32_t k = 0; k < positions; ++k) bits->set(q, k, q != 3 && (q * 7 + k * 3) % 5 < 2);  // row 3 sees nothing
  return {MaskRule::Kind::Custom, 0, bits};
}

}  // namespace

void TestOps::attend_data() {
  QTest::addColumn<int>("rows");
  QTest::addColumn<int>("past");
  QTest::addColumn<int>("heads");
  QTest::addColumn<int>("kv_heads");
  QTest::addColumn<int>("head_dim");
  QTest::addColumn<int>("kind");
  QTest::addColumn<int>("n");
  QTest::addRow("causal") << 33 << 0 << 3 << 3 << 16 << 0 << 0;
  QTest::addRow("one token") << 1 << 0 << 1 << 1 << 5 << 0 << 0;
  QTest::addRow("decode over blocks") << 1 << 200 << 2 << 2 << 32 << 0 << 0;
  QTest::addRow("bidirectional, odd head") << 70 << 0 << 2 << 2 << 13 << 1 << 0;
  QTest::addRow("prefix") << 40 << 0 << 2 << 2 << 8 << 2 << 9;
  QTest::addRow("window") << 90 << 20 << 2 << 2 << 8 << 3 << 6;
  QTest::addRow("custom, an empty row") << 30 << 0 << 2 << 2 << 8 << 4 << 0;
  QTest::addRow("grouped queries") << 20 << 3 << 6 << 2 << 12 << 0 << 0;
  QTest::addRow("wide head") << 5 << 70 << 1 << 1 << 256 << 0 << 0;
}

void TestOps::attend() {
  NEED_DEVICE();
  QFETCH(int, rows);
  QFETCH(int, past);
  QFETCH(int, heads);
  QFETCH(int, kv_heads);
  QFETCH(int, head_dim);
  QFETCH(int, kind);
  QFETCH(int, n);
  const auto u = [](int x) { return static_cast<uint32_t>(x); };
  const MaskRule mask = kind == 4 ? painted(20) : MaskRule{static_cast<MaskRule::Kind>(kind), n, nullptr};
  Attention a = make_attention(u(rows), u(past), u(heads), u(kv_heads), u(head_dim), mask);
  std::vector<double> context, lse;
  for (int r = 0; r < rows; ++r)
    for (int h = 0; h < heads; ++h) {
      std::vector<double> scores;
      double top = -INFINITY, sum = 0;
      for (int j = 0; j < past + rows; ++j) {
        double s = 0;
        for (int d = 0; d < head_dim; ++d)
          s += static_cast<double>(a.q[u((r * heads + h) * head_dim + d)]) *
               a.k[u((j * kv_heads + h / (heads / kv_heads)) * head_dim + d)];
        scores.push_back(mask.allowed(past + r, j) ? 0.25 * s : -INFINITY);
        top = std::max(top, scores.back());
      }
      for (double& s : scores) s = top == -INFINITY ? 0 : std::exp(s - top), sum += s;
      lse.push_back(top + std::log(sum));
      for (int d = 0; d < head_dim; ++d) {
        double c = 0;
        for (int j = 0; j < past + rows && sum > 0; ++j)
          c += scores[u(j)] / sum * a.v[u((j * kv_heads + h / (heads / kv_heads)) * head_dim + d)];
        context.push_back(c);
      }
    }
  for (double& value : lse)
    if (std::isnan(value)) value = -INFINITY;
  for (bool by_rows : {false, true}) {
    attend_on_device(a, by_rows);
    WITHIN(a.context, context, 2e-6);
    WITHIN(a.lse, lse, 2e-6);
  }
}

void TestOps::attend_custom_mask_keeps_bits() {
  NEED_DEVICE();
  const std::pair<MaskRule, MaskRule> pairs[] = {
      {MaskRule{}, MaskRule{}.painted(70)},
      {{MaskRule::Kind::Window, 9, nullptr}, MaskRule{MaskRule::Kind::Window, 9, nullptr}.painted(70)},
      {{MaskRule::Kind::Prefix, 5, nullptr}, MaskRule{MaskRule::Kind::Prefix, 5, nullptr}.painted(70)}};
  for (bool by_rows : {false, true})
    for (const auto& [one, other] : pairs) {
      Attention rule = make_attention(70, 0, 2, 2, 24, one), bits = make_attention(70, 0, 2, 2, 24, other);
      attend_on_device(rule, by_rows);
      attend_on_device(bits, by_rows);
      QCOMPARE(std::memcmp(rule.context.data(), bits.context.data(), rule.context.size() * sizeof(float)), 0);
      QCOMPARE(std::memcmp(rule.lse.data(), bits.lse.data(), rule.lse.size() * sizeof(float)), 0);
    }
}

/// A NaN in the weights reaches the logits, where the session refuses it.
void TestOps::nothing_swallows_nan() {
  NEED_DEVICE();
  for (const char* shader : {"gelu_erf.comp", "gelu_tanh.comp", "relu.comp", "tanh.comp"}) {
    const BufferPtr in = to_device(std::vector<float>(8, NAN)), out = space_on_device(8);
    run(shader, {}, ActivationPush{.n = 8, .x = in->address, .out = out->address}, 1);
    for (float y : from_device(out)) QVERIFY2(std::isnan(y), shader);
  }
  for (bool by_rows : {false, true})
    for (int which : {0, 1, 2, 3}) {  // q, k, v; and a k in the middle, with good scores on both sides
      Attention a = make_attention(5, 90, 1, 1, 8, MaskRule{});
      if (which == 0) a.q.assign(a.q.size(), NAN);
      if (which == 1) a.k.assign(a.k.size(), NAN);
      if (which == 2) a.v.assign(a.v.size(), NAN);
      if (which == 3) a.k[40 * 8] = NAN;
      attend_on_device(a, by_rows);
      for (float c : a.context) QVERIFY2(std::isnan(c), qPrintable(QString("%1 by rows %2").arg(which).arg(by_rows)));
      if (which != 2)
        for (float l : a.lse) QVERIFY(std::isnan(l));
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
