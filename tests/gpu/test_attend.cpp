// The two attention shaders against their plain twin in double precision, with the validation layer on.
#include "tests/gpu/gpu_test.h"

#include <cmath>

#include "gpu/vulkan/pushes.h"

using namespace cutaway;

namespace {

struct Attention {
  uint32_t rows, past, heads, kv_heads, head_dim;
  MaskRule mask;
  std::vector<float> q, k, v, context, lse;
  uint32_t value_dim = 0, v_stride = 0;  // the first value_dim of v_stride are summed
  float softcap = 0;
  std::vector<float> bias;     // (heads, rows + keys - 1), or empty
  size_t forgotten_pages = 0;  // the first ones
  uint32_t keys() const { return past + rows; }
  size_t distances() const { return rows + keys() - 1; }
};

Attention make_attention(uint32_t rows, uint32_t past, uint32_t heads, uint32_t kv_heads, uint32_t head_dim,
                         MaskRule mask) {
  Attention a{.rows = rows,
              .past = past,
              .heads = heads,
              .kv_heads = kv_heads,
              .head_dim = head_dim,
              .mask = std::move(mask),
              .value_dim = head_dim,
              .v_stride = head_dim};
  a.q = random_numbers(rows * heads * head_dim, 12);
  a.k = random_numbers(a.keys() * kv_heads * head_dim, 13);
  a.v = random_numbers(a.keys() * kv_heads * head_dim, 14);
  return a;
}

/// With one group a query and head, or with one invocation for four queries.
void attend_on_device(Attention& a, bool by_rows) {
  Uploads uploads(*test_device());
  const BufferPtr q = to_device(a.q), k = to_device(a.k), v = to_device(a.v), bias = to_device(a.bias),
                  context = space_on_device(a.rows * a.heads * a.value_dim), lse = space_on_device(a.rows * a.heads);
  const auto table = [&](const BufferPtr& rows, size_t row_bytes) {
    std::vector<uint64_t> pages;
    for (size_t first = 0; first < a.keys(); first += page_rows)
      pages.push_back(first / page_rows < a.forgotten_pages ? 0 : rows->address + first * row_bytes);
    return uploads.put(pages.data(), pages.size() * sizeof(uint64_t));
  };
  const size_t k_bytes = a.kv_heads * a.head_dim * sizeof(float), v_bytes = a.kv_heads * a.v_stride * sizeof(float);
  const uint64_t bits = a.mask.bits ? uploads.put(a.mask.bits->words.data(), a.mask.bits->words.size() * 4) : 0;
  const AttendPush push{.rows = a.rows,
                        .past = a.past,
                        .keys = a.keys(),
                        .heads = a.heads,
                        .kv_heads = a.kv_heads,
                        .head_dim = a.head_dim,
                        .value_dim = a.value_dim,
                        .v_stride = a.v_stride,
                        .scale = 0.25f,
                        .softcap = a.softcap,
                        .has_lse = 1,
                        .bias_stride = a.bias.empty() ? 0 : static_cast<uint32_t>(a.distances()),
                        .bias_zero = a.past + a.rows - 1,
                        .mask = mask_push(a.mask),
                        .q = q->address,
                        .k = table(k, k_bytes),
                        .v = table(v, v_bytes),
                        .context = context->address,
                        .lse = lse->address,
                        .bits = bits,
                        .bias = bias->address};
  const uint32_t fours = a.head_dim % 4 == 0 && a.value_dim % 4 == 0 && a.v_stride % 4 == 0;
  if (by_rows)
    run("attend_rows.comp", {fours, (a.head_dim + 3) / 4, (a.value_dim + 3) / 4}, push,
        ((a.rows + 3) / 4 * a.heads + 7) / 8);
  else
    run("attend.comp", {fours, (a.value_dim + 63) / 64}, push, a.rows * a.heads);
  a.context = from_device(context);
  a.lse = from_device(lse);
}

/// Both shaders against softmax(softcap(0.25 q k^T) + bias | mask) v in double precision.
void hold_attention(Attention a) {
  std::vector<double> context, lse;
  for (size_t r = 0; r < a.rows; ++r)
    for (size_t h = 0; h < a.heads; ++h) {
      const size_t kv_head = h / (a.heads / a.kv_heads);
      std::vector<double> scores;
      double top = -INFINITY, sum = 0;
      for (size_t j = 0; j < a.keys(); ++j) {
        double s = 0;
        for (size_t d = 0; d < a.head_dim; ++d)
          s += 0.25 * static_cast<double>(a.q[(r * a.heads + h) * a.head_dim + d]) *
               a.k[(j * a.kv_heads + kv_head) * a.head_dim + d];
        if (a.softcap != 0) s = a.softcap * std::tanh(s / a.softcap);
        if (!a.bias.empty()) s += a.bias[h * a.distances() + j + a.rows - 1 - r];
        const auto query = static_cast<int64_t>(a.past + r), key = static_cast<int64_t>(j);
        scores.push_back(a.mask.allowed(query, key) ? s : -INFINITY);
        top = std::max(top, scores.back());
      }
      for (double& s : scores) s = top == -INFINITY ? 0 : std::exp(s - top), sum += s;
      lse.push_back(sum > 0 ? top + std::log(sum) : -INFINITY);
      for (size_t d = 0; d < a.value_dim; ++d) {
        double c = 0;
        for (size_t j = 0; j < a.keys() && sum > 0; ++j)
          c += scores[j] / sum * a.v[(j * a.kv_heads + kv_head) * a.v_stride + d];
        context.push_back(c);
      }
    }
  for (bool by_rows : {false, true}) {
    attend_on_device(a, by_rows);
    WITHIN(a.context, context, 2e-6);
    WITHIN(a.lse, lse, 2e-6);
  }
}

MaskRule painted(uint32_t positions) {
  auto bits = std::make_shared<MaskBits>(positions, positions);
  for (uint32_t q = 0; q < positions; ++q)
    for (uint32_t k = 0; k < positions; ++k) bits->set(q, k, q != 3 && (q * 7 + k * 3) % 5 < 2);  // row 3 sees nothing
  return {MaskRule::Kind::Custom, 0, bits};
}

}  // namespace

class TestAttend : public QObject {
  Q_OBJECT

 private slots:
  void twin_data();
  void twin();
  void shaped();
  void forgotten_pages();
  void custom_mask_keeps_bits();
  void nothing_swallows_nan();
  void cleanup() { QVERIFY2(complaints().isEmpty(), complaints()); }
  void cleanupTestCase() { test_device_slot().reset(); }
};

void TestAttend::twin_data() {
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

void TestAttend::twin() {
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
  hold_attention(a);
}

/// Softcap, bias by distance, values of another width than keys, and keys that are their own values.
void TestAttend::shaped() {
  NEED_DEVICE();
  for (const auto& [rows, past, head_dim, value_dim] :
       {std::tuple{21u, 0u, 12u, 12u}, {7u, 30u, 13u, 6u}, {1u, 70u, 20u, 16u}, {6u, 0u, 580u, 512u}}) {
    Attention a = make_attention(rows, past, 6, 2, head_dim, MaskRule{});
    a.value_dim = value_dim;
    a.v = a.k;  // the first value_dim of each key
    a.softcap = 1.5f;
    hold_attention(a);
    a.bias = random_numbers(a.heads * a.distances(), 26);
    hold_attention(a);
    a.softcap = 0;
    a.mask = {MaskRule::Kind::Bidirectional, 0, nullptr};
    hold_attention(a);
    a.v_stride = value_dim + 4;
    a.v = random_numbers(a.keys() * a.kv_heads * a.v_stride, 27);
    hold_attention(a);
    if (QTest::currentTestFailed()) return;
  }
}

/// Pages that lie before the window are gone, and nothing reads them.
void TestAttend::forgotten_pages() {
  NEED_DEVICE();
  Attention whole = make_attention(3, 90, 2, 1, 8, {MaskRule::Kind::Window, 9, nullptr}), cut = whole;
  cut.forgotten_pages = 5;  // the first query sees keys 82 and later, page 5 begins at 80
  for (bool by_rows : {false, true}) {
    attend_on_device(whole, by_rows);
    attend_on_device(cut, by_rows);
    QCOMPARE(cut.context, whole.context);
    QCOMPARE(cut.lse, whole.lse);
  }
}

void TestAttend::custom_mask_keeps_bits() {
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
void TestAttend::nothing_swallows_nan() {
  NEED_DEVICE();
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
}

QTEST_APPLESS_MAIN(TestAttend)
#include "test_attend.moc"
