// Tiles rebuilt from Q, K and the row log-sum-exp against the dense softmax in double.
#include <QtTest>
#include <cmath>
#include <random>

#include "engine/architecture.h"
#include "engine/snapshot.h"

using namespace cutaway;

namespace {

constexpr int64_t T = 61, H = 4, Dh = 16;
using Map = std::vector<double>;  // (H, T, T); -1 where masked

/// A snapshot with random q and k, the lse that the dense softmax gives, and that softmax itself.
std::pair<SnapshotPtr, Map> random_step(const MaskRule& mask) {
  auto model = std::make_shared<Model>();
  model->spec = architecture_named("gpt2").corners()[0];
  model->graph = std::make_shared<const Graph>(build_graph(model->spec));
  const auto arena = make_host_arena();
  auto step = std::make_shared<Snapshot>();
  step->model = model;
  step->ids.resize(T);
  step->masks = {mask};
  step->state = empty_state(*model->graph, arena);
  step->recording = empty_recording(*model->graph, default_taps(*model->graph), arena);
  const Node& probs = (*model->graph)[model->graph->with(Role::Probs)[0]];
  PagedRows &q = step->recording.at(probs.inputs[0]), &k = step->state.at(probs.inputs[1]),
            &lse = step->recording.at(probs.inputs[2]);
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0, 1.5f);
  for (PagedRows* rows : {&q, &k, &lse}) (void)rows->grow(T);
  for (int64_t t = 0; t < T; ++t)
    for (int64_t d = 0; d < H * Dh; ++d) q.row(t)[d] = normal(random), k.row(t)[d] = normal(random);
  Map map(H * T * T, -1);
  for (int64_t h = 0; h < H; ++h)
    for (int64_t i = 0; i < T; ++i) {
      double sum = 0;
      for (int64_t j = 0; j < T; ++j) {
        if (!mask.allowed(i, j)) continue;
        double dot = 0;
        for (int64_t d = 0; d < Dh; ++d) dot += double(q.row(i)[h * Dh + d]) * k.row(j)[h * Dh + d];
        sum += map[static_cast<size_t>((h * T + i) * T + j)] = std::exp(probs.params.scale * dot);
      }
      for (int64_t j = 0; j < T; ++j)
        if (double& p = map[static_cast<size_t>((h * T + i) * T + j)]; p >= 0) p /= sum;
      lse.row(i)[h] = static_cast<float>(std::log(sum));
    }
  return {step, map};
}

}  // namespace

class TestTile : public QObject {
  Q_OBJECT
 private slots:
  void a_thousand_random_tiles() {
    std::mt19937 random(1);
    const auto pick = [&](int64_t low, int64_t high) {
      return std::uniform_int_distribution<int64_t>(low, high)(random);
    };
    for (const MaskRule& mask :
         {MaskRule{}, MaskRule{MaskRule::Kind::Bidirectional}, MaskRule{MaskRule::Kind::Window, 7},
          MaskRule{MaskRule::Kind::Prefix, 9}, MaskRule{}.with_cell(T, 3, 50, true)}) {
      const auto [step, map] = random_step(mask);
      for (int i = 0; i < 200; ++i) {
        TileRequest request{.step = step, .probs = step->graph().with(Role::Probs)[0], .head = pick(0, H - 1)};
        request.queries.begin = pick(0, T - 1), request.queries.end = pick(request.queries.begin + 1, T);
        request.keys.begin = pick(0, T - 1), request.keys.end = pick(request.keys.begin + 1, T);
        request.rows = request.queries.size(), request.columns = request.keys.size();
        const auto tile = host_tile(request);
        QVERIFY(tile);
        for (int64_t r = 0; r < request.rows; ++r)
          for (int64_t c = 0; c < request.columns; ++c) {
            const double want =
                map[static_cast<size_t>((request.head * T + request.queries.begin + r) * T + request.keys.begin + c)];
            QVERIFY(std::abs(tile->values[static_cast<size_t>(r * request.columns + c)] - want) <= 1e-6);
          }
      }
    }
  }

  void reductions_and_heads() {
    const auto [step, map] = random_step({});
    const auto dense = [&, &map = map](int64_t h, int64_t i, int64_t j) {
      return map[static_cast<size_t>((h * T + i) * T + j)];
    };
    TileRequest request{.step = step,
                        .probs = step->graph().with(Role::Probs)[0],
                        .head = 2,
                        .queries = {0, T},
                        .keys = {0, T},
                        .rows = 10,
                        .columns = 7};
    const auto largest = host_tile(request);
    request.reduce = Reduce::Mean;
    const auto mean = host_tile(request);
    for (int64_t r = 0; r < 10; ++r)
      for (int64_t c = 0; c < 7; ++c) {
        double top = -1, sum = 0;
        int n = 0;
        for (int64_t i = r * T / 10; i < (r + 1) * T / 10; ++i)
          for (int64_t j = c * T / 7; j < (c + 1) * T / 7; ++j)
            if (dense(2, i, j) >= 0) top = std::max(top, dense(2, i, j)), sum += dense(2, i, j), ++n;
        QVERIFY(std::abs(largest->values[static_cast<size_t>(r * 7 + c)] - top) <= 1e-6);
        QVERIFY(std::abs(mean->values[static_cast<size_t>(r * 7 + c)] - (n ? sum / n : -1)) <= 1e-6);
      }
    request = {.step = step,
               .probs = request.probs,
               .heads = Heads::Mean,
               .queries = {20, 21},
               .keys = {0, T},
               .rows = 1,
               .columns = T};
    const auto over_heads = host_tile(request);
    for (int64_t j = 0; j <= 20; ++j) {
      double sum = 0;
      for (int64_t h = 0; h < H; ++h) sum += dense(h, 20, j);
      QVERIFY(std::abs(over_heads->values[static_cast<size_t>(j)] - sum / H) <= 1e-6);
    }
  }

  void without_the_sink_the_rest_sums_to_one() {
    const auto [step, map] = random_step({});
    const TileRequest request{.step = step,
                              .probs = step->graph().with(Role::Probs)[0],
                              .queries = {0, T},
                              .keys = {0, T},
                              .rows = T,
                              .columns = T,
                              .without_sink = true};
    const auto tile = host_tile(request);
    for (int64_t r = 0; r < T; ++r) {
      QCOMPARE(tile->values[static_cast<size_t>(r * T)], not_computed_cell);
      double sum = 0;
      for (int64_t c = 1; c < T; ++c) sum += std::max(0.f, tile->values[static_cast<size_t>(r * T + c)]);
      QVERIFY(std::abs(sum - (r == 0 ? 0 : 1)) < 1e-5);
    }
  }
};

QTEST_APPLESS_MAIN(TestTile)
#include "test_tile.moc"
