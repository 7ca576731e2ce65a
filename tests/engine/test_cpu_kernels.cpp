// Every kernel of every instruction level that this machine can run, against plain fp64 twins written here: odd sizes,
// memory that isn't aligned, every weight type, every kind of mask, empty rows.
#include <QtTest>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "engine/blocks.h"
#include "engine/cpu/levels.h"
#include "tests/engine/attention_problem.h"

using namespace cutaway;

namespace {

constexpr float masked = -1;

/// max|a - b| / max(1, max|b|)
template <class A>
double difference(const A& got, const Doubles& want) {
  double worst = 0, scale = 1;
  for (size_t i = 0; i < want.size(); ++i) {
    const double a = got[i], b = want[i];
    if (std::isinf(b) && a == b) continue;
    if (!std::isfinite(a)) return INFINITY;
    worst = std::max(worst, std::abs(a - b));
    scale = std::max(scale, std::abs(b));
  }
  return worst / scale;
}

constexpr DType cache_types[] = {DType::F16, DType::BF16, DType::F8_E4M3, DType::Q8_0, DType::Q4_0};
constexpr std::pair<WeightType, DType> block_types[] = {{WeightType::Q8_0, DType::Q8_0},
                                                        {WeightType::Q4_0, DType::Q4_0},
                                                        {WeightType::Q4_K, DType::Q4_K},
                                                        {WeightType::Q6_K, DType::Q6_K}};

/// A weight matrix in a storage type, and the values that this type keeps.
struct Stored {
  std::vector<uint16_t> halves;
  std::vector<std::byte> blocks;  // from byte 2 on: aligned to no more than in a file
  Floats floats;                  // what the matrix says, exactly
  WeightMatrix matrix;

  Stored(WeightType type, int64_t rows, int64_t cols, float deviation = 1)
      : floats(random_floats(rows * cols, deviation)) {
    for (const auto& [weights, dtype] : block_types)
      if (weights == type) fill_blocks(type, dtype, rows, cols);
    if (matrix.data) return;
    if (type != WeightType::F32) {
      for (float& value : floats) {
        halves.push_back(type == WeightType::F16 ? float_to_half(value) : float_to_bf16(value));
        value = type == WeightType::F16 ? half_to_float(halves.back()) : bf16_to_float(halves.back());
      }
    }
    matrix = {type == WeightType::F32 ? static_cast<const void*>(floats.data()) : halves.data(), type, rows, cols};
  }

 private:
  void fill_blocks(WeightType type, DType dtype, int64_t rows, int64_t cols) {
    blocks.resize(2 + bytes_of(dtype, rows * cols));
    std::byte* data = blocks.data() + 2;
    if (dtype == DType::Q8_0 || dtype == DType::Q4_0) {
      blocks_from_float(dtype, floats.data(), rows * cols, data);
    } else {  // any bits but the scales', which are small numbers of either sign
      for (std::byte& byte : blocks) byte = static_cast<std::byte>(generator());
      for (size_t at = 0; at + 2 < blocks.size(); at += bytes_of(dtype))
        for (size_t half : dtype == DType::Q6_K ? std::vector<size_t>{208} : std::vector<size_t>{0, 2}) {
          const uint16_t bits = float_to_half(dtype == DType::Q6_K ? -1e-4f : half == 0 ? 2e-3f : -1e-3f);
          std::memcpy(data + at + half, &bits, 2);
        }
    }
    blocks_to_float(dtype, data, rows * cols, floats.data());
    matrix = {data, type, rows, cols};
  }
};

Doubles linear_twin(const Floats& x, int64_t rows, const Stored& w, const Floats& bias) {
  const int64_t in = w.matrix.cols, out = w.matrix.rows;
  Doubles y;
  for (int64_t t = 0; t < rows; ++t)
    for (int64_t o = 0; o < out; ++o) {
      double sum = bias.empty() ? 0 : bias[static_cast<size_t>(o)];
      for (int64_t i = 0; i < in; ++i)
        sum += static_cast<double>(x[static_cast<size_t>(t * in + i)]) * w.floats[static_cast<size_t>(o * in + i)];
      y.push_back(sum);
    }
  return y;
}

}  // namespace

class TestCpuKernels : public QObject {
  Q_OBJECT

 private:
  void levels() {
    QTest::addColumn<const KernelTable*>("kernels");
    for (const KernelTable* table : runnable_kernels()) QTest::newRow(table->level) << table;
  }

  void linears(const KernelTable& kernels, WeightType type, const std::vector<int64_t>& ins,
               const std::vector<int64_t>& all_outs) {
    for (int64_t in : ins)
      for (int64_t out : all_outs)
        for (int64_t rows : {1, 2, 3, 4, 5, 8, 9, 33}) {
          const Stored w(type, out, in, 0.3f);
          const Floats x = random_floats(rows * in), bias = rows % 2 ? Floats() : random_floats(out);
          const Doubles want = linear_twin(x, rows, w, bias);
          const float* b = bias.empty() ? nullptr : bias.data();
          Floats y(want.size()), scratch(static_cast<size_t>(linear_scratch(type, out, in)) + 1);
          const int64_t cut = out / 3;  // pieces as the plan makes them
          kernels.linear_few(x.data(), rows, w.matrix, b, 0, cut, y.data());
          kernels.linear_few(x.data(), rows, w.matrix, b, cut, out, y.data());
          QVERIFY2(difference(y, want) < 2e-6,
                   qPrintable(QString("few %1x%2x%3 %4").arg(rows).arg(in).arg(out).arg(difference(y, want))));
          std::ranges::fill(y, 7.f);
          kernels.linear_many(x.data(), rows, w.matrix, b, 0, cut, y.data(), scratch.data());
          kernels.linear_many(x.data(), rows, w.matrix, b, cut, out, y.data(), scratch.data());
          QVERIFY2(difference(y, want) < 2e-6,
                   qPrintable(QString("many %1x%2x%3 %4").arg(rows).arg(in).arg(out).arg(difference(y, want))));
        }
  }

 private slots:
  void exp_data() { levels(); }
  void exp() {
    QFETCH(const KernelTable*, kernels);
    Floats x, y;
    for (float v = -87.2f; v < 88; v += 0.0013f) x.push_back(v);
    y.resize(x.size());
    kernels->exp(x.data(), static_cast<int64_t>(x.size()), y.data());
    double worst = 0;
    for (size_t i = 0; i < x.size(); ++i)
      worst = std::max(worst, std::abs(y[i] / std::exp(static_cast<double>(x[i])) - 1));
    QVERIFY2(worst < 2e-7, qPrintable(QString::number(worst)));
    const float ends[] = {-INFINITY, -1000.f, -88.f, 0.f, 100.f};
    float out[5];
    kernels->exp(ends, 5, out);
    QCOMPARE(out[0], 0.f);
    QCOMPARE(out[1], 0.f);
    QCOMPARE(out[2], 0.f);
    QCOMPARE(out[3], 1.f);
    QVERIFY(std::isfinite(out[4]));
  }

  void activations_data() { levels(); }
  void activations() {
    QFETCH(const KernelTable*, kernels);
    Floats x;
    for (float v = -30; v < 30; v += 0.00171f) x.push_back(v);
    for (float v : {0.f, -0.f, 1e-30f, 100.f, -100.f, 3e4f, -3e4f}) x.push_back(v);
    using Kernel = void (*)(const float*, int64_t, float*);
    const auto check = [&](Kernel kernel, auto twin, const char* name) {
      Floats y(x.size());
      kernel(x.data(), static_cast<int64_t>(x.size()), y.data());
      for (size_t i = 0; i < x.size(); ++i) {
        const double want = twin(static_cast<double>(x[i]));
        const double error = std::abs(y[i] - want) / std::max(1., std::abs(want));
        QVERIFY2(error < 3e-7, qPrintable(QString("%1(%2) is %3, not %4").arg(name).arg(x[i]).arg(y[i]).arg(want)));
      }
      Floats in_place = x;  // and off by one float, in place, each value alone: the same bits
      kernel(in_place.data() + 1, static_cast<int64_t>(x.size()) - 1, in_place.data() + 1);
      QVERIFY(std::memcmp(in_place.data() + 1, y.data() + 1, (x.size() - 1) * sizeof(float)) == 0);
    };
    check(
        kernels->gelu_erf, [](double z) { return z / 2 * std::erfc(-z / std::sqrt(2.)); }, "gelu_erf");
    check(
        kernels->gelu_tanh,
        [](double z) { return z / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (z + 0.044715 * z * z * z))); },
        "gelu_tanh");
    check(
        kernels->relu, [](double z) { return std::max(z, 0.); }, "relu");
    check(
        kernels->tanh, [](double z) { return std::tanh(z); }, "tanh");
  }

  void rows_data() { levels(); }
  void rows() {
    QFETCH(const KernelTable*, kernels);
    for (int64_t width : {1, 3, 7, 16, 33, 64, 129, 768}) {
      const int64_t n = 5;
      const Floats x = random_floats(n * width + 1), gain = random_floats(width), bias = random_floats(width);
      const float* at = x.data() + 1;  // not aligned
      Doubles norm, norm_plain, unit, mean(static_cast<size_t>(width), 0.), sum;
      for (int64_t r = 0; r < n; ++r) {
        const float* row = at + r * width;
        const double m = std::accumulate(row, row + width, 0.) / static_cast<double>(width);
        double variance = 0, square = 0;
        for (int64_t i = 0; i < width; ++i)
          variance += (row[i] - m) * (row[i] - m) / static_cast<double>(width),
              square += row[i] * static_cast<double>(row[i]);
        for (int64_t i = 0; i < width; ++i) {
          const auto k = static_cast<size_t>(i);
          norm_plain.push_back((row[i] - m) / std::sqrt(variance + 1e-5) * gain[k]);
          norm.push_back(norm_plain.back() + bias[k]);
          unit.push_back(row[i] / std::sqrt(square));
          mean[k] += row[i] / static_cast<double>(n);
          sum.push_back(2. * row[i]);
        }
      }
      Floats y(static_cast<size_t>(n * width));
      kernels->layer_norm(at, gain.data(), bias.data(), 1e-5f, n, width, y.data());
      QVERIFY(difference(y, norm) < 2e-6);
      kernels->layer_norm(at, gain.data(), nullptr, 1e-5f, n, width, y.data());
      QVERIFY(difference(y, norm_plain) < 2e-6);
      kernels->unit_length(at, n, width, y.data());
      QVERIFY(difference(y, unit) < 1e-6);
      kernels->mean_rows(at, n, width, y.data());
      QVERIFY(difference(y, mean) < 1e-6);
      kernels->add(at, at, n * width, y.data());
      QVERIFY(difference(y, sum) == 0);
    }
    const Floats zero(5, 0.f);
    Floats y(5, 1.f);
    kernels->unit_length(zero.data(), 1, 5, y.data());
    QVERIFY(y == zero);
  }

  void embedding_data() { levels(); }
  void embedding() {
    QFETCH(const KernelTable*, kernels);
    for (WeightType type : {WeightType::F32, WeightType::F16, WeightType::BF16})
      for (int64_t width : {1, 5, 16, 37}) {
        const Stored table(type, 9, width);
        const std::vector<int32_t> ids = {8, 0, 3, 3};
        Floats y(ids.size() * static_cast<size_t>(width));
        kernels->embedding(table.matrix, ids.data(), 4, y.data());
        for (size_t t = 0; t < ids.size(); ++t)
          for (int64_t i = 0; i < width; ++i)
            QCOMPARE(y[t * static_cast<size_t>(width) + static_cast<size_t>(i)],
                     table.floats[static_cast<size_t>(ids[t] * width + i)]);
      }
  }

  void blocks_data() { levels(); }
  void blocks() {  // exactly what the reader of files says they are; and through a head's product
    QFETCH(const KernelTable*, kernels);
    for (const auto& [type, dtype] : block_types) {
      const Stored table(type, 9, 512);
      const std::vector<int32_t> ids = {8, 0, 3};
      Floats y(3 * 512);
      kernels->embedding(table.matrix, ids.data(), 3, y.data());
      for (size_t i = 0; i < y.size(); ++i) {
        const float want = table.floats[static_cast<size_t>(ids[i / 512]) * 512 + i % 512];
        QVERIFY2(y[i] == want,
                 qPrintable(QString("type %1, %2: %3, not %4").arg(int(type)).arg(i).arg(y[i]).arg(want)));
      }
      const Floats x = random_floats(2 * 512);
      Floats heads(2 * 4), scratch(4 * 512);
      kernels->head_product(x.data(), 512, 2, table.matrix, 3, 4, false, heads.data(), 4, scratch.data());
      Doubles want;
      for (size_t t = 0; t < 2; ++t)
        for (size_t o = 3; o < 7; ++o)
          want.push_back(std::inner_product(&x[t * 512], &x[t * 512] + 512, &table.floats[o * 512], 0.));
      QVERIFY2(difference(heads, want) < 2e-6, qPrintable(QString::number(difference(heads, want))));
    }
  }

  void halves_data() { levels(); }
  void halves() {  // every half that is a number, infinity included, and every bfloat16
    QFETCH(const KernelTable*, kernels);
    for (WeightType type : {WeightType::F16, WeightType::BF16}) {
      std::vector<uint16_t> all(65536);
      std::iota(all.begin(), all.end(), uint16_t{0});
      Floats y(all.size());
      const int32_t id = 0;
      kernels->embedding({all.data(), type, 1, 65536}, &id, 1, y.data());
      for (uint16_t bits : all) {
        const float want = type == WeightType::F16 ? half_to_float(bits) : bf16_to_float(bits);
        if (std::isnan(want))
          QVERIFY(std::isnan(y[bits]));
        else
          QVERIFY2(std::memcmp(&y[bits], &want, 4) == 0,
                   qPrintable(QString("bits %1: %2, not %3").arg(bits).arg(y[bits]).arg(want)));
      }
    }
  }

  void linear_data() { levels(); }
  void linear() {
    QFETCH(const KernelTable*, kernels);
    for (WeightType type : {WeightType::F32, WeightType::F16, WeightType::BF16})
      linears(*kernels, type, {1, 3, 17, 32, 65, 192}, {1, 5, 16, 50, 101});
    for (WeightType type : {WeightType::Q8_0, WeightType::Q4_0}) linears(*kernels, type, {32, 96, 512}, {1, 5, 16, 50});
    for (WeightType type : {WeightType::Q4_K, WeightType::Q6_K}) linears(*kernels, type, {256, 768}, {1, 5, 16, 50});
  }

  void attend_data() { levels(); }
  void attend() {
    QFETCH(const KernelTable*, kernels);
    using Kind = MaskRule::Kind;
    std::vector<Problem> problems;
    for (int64_t queries : {1, 2, 5, 33, 64, 150})
      for (const MaskRule& rule : {MaskRule{Kind::Causal}, MaskRule{Kind::Bidirectional}, MaskRule{Kind::Prefix, 9},
                                   MaskRule{Kind::Window, 3}, MaskRule{Kind::Window, 1}, painted(queries, queries),
                                   painted(std::max<int64_t>(1, queries / 2), queries + 4)})
        problems.emplace_back(0, queries, 2, 2, 16, rule);
    for (int64_t past : {1, 15, 16, 140, 300})
      for (int64_t queries : {1, 7, 70})
        for (const MaskRule& rule :
             {MaskRule{Kind::Causal}, MaskRule{Kind::Window, 40}, painted(past + queries, past + queries)})
          problems.emplace_back(past, queries, 3, 1, 13, rule);
    for (int64_t dim : {1, 8, 32, 64, 100, 128})
      problems.emplace_back(20, 50, 4, 2, dim, MaskRule{Kind::Causal}),
          problems.emplace_back(200, 1, 4, 2, dim, MaskRule{Kind::Causal});
    for (DType cache : cache_types)  // the same sums over what the cache keeps
      for (int64_t queries : {1, 3, 70}) {
        problems.emplace_back(37, queries, 4, 2, 64, MaskRule{Kind::Causal}, cache);
        problems.emplace_back(0, queries, 2, 1, 96, MaskRule{Kind::Window, 5}, cache);
        problems.emplace_back(20, queries, 4, 1, 80, MaskRule{Kind::Causal}, cache, 16);  // as a latent's row
      }
    for (Problem& p : problems) {
      Doubles context, lse;
      p.twin(context, lse);
      for (int64_t block : {attend_queries, int64_t{1}}) {
        p.run(*kernels, block);
        const QString what = QString("past %1 queries %2 dim %3 mask %4")
                                 .arg(p.past)
                                 .arg(p.queries)
                                 .arg(p.dim)
                                 .arg(p.rule.text().c_str());
        QVERIFY2(difference(p.context, context) < 5e-6,
                 qPrintable(what + QString(" context %1").arg(difference(p.context, context))));
        QVERIFY2(difference(p.lse, lse) < 5e-6, qPrintable(what + QString(" lse %1").arg(difference(p.lse, lse))));
      }
    }
  }

  void attention_weights_data() { levels(); }
  void attention_weights() {  // rebuilt from q, k and lse, they are the softmax
    QFETCH(const KernelTable*, kernels);
    using Kind = MaskRule::Kind;
    for (int64_t keys : {1, 5, 64, 150})
      for (int64_t dim : {1, 33, 64})
        for (const auto& [rule, cache] :
             {std::pair(MaskRule{Kind::Causal}, DType::F32), std::pair(MaskRule{Kind::Bidirectional}, DType::F16),
              std::pair(MaskRule{Kind::Window, 7}, DType::F8_E4M3), std::pair(painted(keys, keys), DType::Q8_0)}) {
          const int64_t heads = 4, kv_heads = 2;
          Problem p(0, keys, heads, kv_heads, dim, rule, is_block(cache) && dim % 32 ? DType::F32 : cache);
          p.q.resize(static_cast<size_t>((keys + 15) * heads * dim));
          Doubles context, lse;
          p.twin(context, lse);
          const Floats lse_rows(lse.begin(), lse.end());
          std::vector<const float*> q_pages, lse_pages;
          for (int64_t row = 0; row < keys; row += attend_page) {
            q_pages.push_back(&p.q[static_cast<size_t>(row * heads * dim)]);
            lse_pages.push_back(&lse_rows[static_cast<size_t>(row * heads)]);
          }
          const int64_t first = keys / 3, last = std::min(keys, first + attend_queries);
          AttentionWeights a{.q_pages = q_pages.data(),
                             .lse_pages = lse_pages.data(),
                             .k = cached_rows_of(p.k_rows, p.k_pages),
                             .keys = keys,
                             .heads = heads,
                             .kv_heads = kv_heads,
                             .head_dim = dim,
                             .scale = 0.3f,
                             .allowed = {p.begin.data() + first, p.end.data() + first},
                             .masked = masked};
          if (rule.bits)
            a.allowed.bits = rule.bits->words.data(), a.allowed.words_per_row = rule.bits->words_per_row(),
            a.allowed.bit_queries = rule.bits->queries, a.allowed.bit_keys = rule.bits->keys;
          Floats out(static_cast<size_t>((last - first) * keys));
          Doubles scratch(static_cast<size_t>(weights_scratch(dim)), std::nan(""));
          for (int64_t head = 0; head < heads; ++head) {
            kernels->attention_weights(a, head, first, last, out.data(), scratch.data());
            for (int64_t i = first; i < last; ++i)
              for (int64_t j = 0; j < keys; ++j) {
                double dot = 0;
                for (int64_t d = 0; d < dim; ++d)
                  dot += static_cast<double>(p.q[static_cast<size_t>((i * heads + head) * dim + d)]) *
                         p.k[static_cast<size_t>((j * kv_heads + head / 2) * dim + d)];
                const double want =
                    rule.allowed(i, j) ? std::exp(0.3f * dot - lse[static_cast<size_t>(i * heads + head)]) : masked;
                const float got = out[static_cast<size_t>((i - first) * keys + j)];
                QVERIFY2(std::abs(got - want) < 2e-6,
                         qPrintable(QString("%1 %2: %3, not %4").arg(i).arg(j).arg(got).arg(want)));
              }
          }
        }
  }

  /// A NaN in the weights has to reach the logits, where the session finds and refuses it.
  void no_kernel_swallows_nan_data() { levels(); }
  void no_kernel_swallows_nan() {
    QFETCH(const KernelTable*, kernels);
    const float nan = std::nanf("");
    using Kernel = void (*)(const float*, int64_t, float*);
    for (Kernel kernel : {kernels->exp, kernels->gelu_erf, kernels->gelu_tanh, kernels->relu, kernels->tanh}) {
      Floats x(37, 0.5f), y(37);
      x[3] = x[36] = nan;
      kernel(x.data(), 37, y.data());
      for (size_t i = 0; i < x.size(); ++i) QCOMPARE(std::isnan(y[i]), std::isnan(x[i]));
    }
    for (int64_t queries : {2, 150}) {
      for (size_t where : {0, 1}) {
        Problem p(0, queries, 1, 1, 16, {MaskRule::Kind::Causal});
        (where == 0 ? p.q : p.k)[16] = nan;  // query 1, or key 1: seen by all but query 0
        p.k_rows.scatter(0, p.keys, p.k.data());
        p.run(*kernels, attend_queries);
        for (int64_t t = 0; t < queries; ++t) {
          const bool reached = where == 0 ? t == 1 : t >= 1;
          QCOMPARE(std::isnan(p.context[static_cast<size_t>(t * 16 + 5)]), reached);
          QCOMPARE(std::isnan(p.lse[static_cast<size_t>(t)]), reached);
        }
      }
    }
  }

  void attend_survives_large_scores_data() { levels(); }
  void attend_survives_large_scores() {
    QFETCH(const KernelTable*, kernels);
    Problem p(0, 200, 1, 1, 8, {MaskRule::Kind::Causal});
    for (float& value : p.q) value *= 40;
    for (float& value : p.k) value *= 40;
    Doubles context, lse;
    std::vector<double> unused;
    p.run(*kernels, attend_queries);
    for (float value : p.context) QVERIFY(std::isfinite(value) && std::abs(value) < 6);
    for (float value : p.lse) QVERIFY(std::isfinite(value));
  }

  /// Rows before a changed token keep their bits, and a repeated run gives the same bits.
  void rows_keep_their_bits_data() { levels(); }
  void rows_keep_their_bits() {
    QFETCH(const KernelTable*, kernels);
    for (int64_t queries : {3, 90, 200}) {
      Problem p(0, queries, 2, 2, 24, {MaskRule::Kind::Causal});
      p.run(*kernels, attend_queries);
      const Floats before = p.context;
      p.run(*kernels, attend_queries);
      QVERIFY(p.context == before);
      const int64_t changed = queries / 2, width = 48;
      for (int64_t i = changed * width; i < (changed + 1) * width; ++i) {
        const auto at = static_cast<size_t>(i);
        p.q[at] = 3.f - p.q[at], p.k[at] = -2 * p.k[at], p.v[at] += 1;
      }
      p.run(*kernels, attend_queries);
      QVERIFY(std::memcmp(p.context.data(), before.data(), static_cast<size_t>(changed * width) * 4) == 0);
      QVERIFY(std::memcmp(p.context.data(), before.data(), static_cast<size_t>((changed + 1) * width) * 4) != 0);
    }
    for (int64_t rows : {4, 8, 40}) {
      const Stored w(WeightType::F32, 70, 50);
      Floats x = random_floats(rows * 50), y(static_cast<size_t>(rows * 70)), again(y.size());
      const auto run = [&](Floats& out) {
        if (rows <= few_rows)
          kernels->linear_few(x.data(), rows, w.matrix, nullptr, 0, 70, out.data());
        else
          kernels->linear_many(x.data(), rows, w.matrix, nullptr, 0, 70, out.data(), nullptr);
      };
      run(y);
      for (int64_t i = 0; i < 50; ++i) x[static_cast<size_t>((rows - 1) * 50 + i)] += 1;
      run(again);
      QVERIFY(std::memcmp(y.data(), again.data(), static_cast<size_t>((rows - 1) * 70) * 4) == 0);
      QVERIFY(y != again);
    }
  }

  /// The linker keeps one copy of a weak function for the whole program: no two levels may share one.
  void levels_share_no_code() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__OPTIMIZE__)
    QSKIP("only an optimised build is held to this: others don't inline the library's own small functions");
#endif
    const QDir build = QFileInfo(QString::fromLocal8Bit(qgetenv("CUTAWAY_BINARY"))).dir();
    QMap<QString, QString> owner;
    for (const char* level : {"v1", "v3", "v4"}) {
      const QString object =
          build.filePath(QString("CMakeFiles/cutaway_cpu_%1.dir/engine/cpu/kernels.cpp.o").arg(level));
      if (!QFile::exists(object))
        QSKIP(qPrintable("there is no object file " + object + "; run through ctest from a build folder"));
      QProcess nm;
      nm.start("nm", {object});
      if (!nm.waitForFinished()) QSKIP("nm is not installed");
      int symbols = 0;
      for (const QString& line : QString::fromUtf8(nm.readAllStandardOutput()).split('\n', Qt::SkipEmptyParts)) {
        const QString kind = line.section(' ', -2, -2), name = line.section(' ', -1);
        ++symbols;
        if (!QString("WVuiT").contains(kind) || name.startsWith("DW.ref.")) continue;  // DW.ref: a pointer, not code
        QVERIFY2(!owner.contains(name), qPrintable(name + " is in " + owner.value(name) + " and in " + level));
        owner[name] = level;
      }
      QVERIFY(symbols > 10);
    }
  }
};

QTEST_GUILESS_MAIN(TestCpuKernels)
#include "test_cpu_kernels.moc"
