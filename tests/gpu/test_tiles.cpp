// Attention tiles made on the device against those of the host, and drawing them without reading a byte back.
#include "tests/gpu/gpu_test.h"

#include <thread>

#include "engine/session.h"
#include "gpu/vulkan/surface.h"
#include "tests/support/run.h"

using namespace cutaway;

namespace {

constexpr int64_t T = 45;

ModelPtr model_of(const char* architecture, size_t corner) {
  return tests::random_model(architecture_named(architecture).corners()[corner]);
}

SnapshotPtr snapshot_on(const std::shared_ptr<Backend>& backend, const ModelPtr& model, const MaskRule& mask,
                        int64_t n = T) {
  const auto ran = tests::run(backend, model, default_taps(*model->graph), tests::random_ids(model->spec, n), {mask});
  if (!ran) qFatal("%s", ran.error().text.c_str());
  return ran->step;
}

MaskRule painted(int64_t n) {
  auto bits = std::make_shared<MaskBits>(n, n);
  for (int64_t q = 0; q < n; ++q)
    for (int64_t k = 0; k < n; ++k) bits->set(q, k, q != 5 && (q + 3 * k) % 7 < 4);
  return {MaskRule::Kind::Custom, 0, bits};
}

TileRequest whole_map(const SnapshotPtr& step, int64_t head = 0) {
  const int64_t n = step->positions();
  return {.step = step,
          .probs = step->graph().with(Role::Probs)[0],
          .head = head,
          .queries = {0, n},
          .keys = {0, n},
          .rows = n,
          .columns = n};
}

/// Same marks in the same cells, weights within the tolerance.
void compare(const Tile& got, const Tile& want, double tolerance) {
  QCOMPARE(got.values.size(), want.values.size());
  for (size_t i = 0; i < want.values.size(); ++i) {
    const float a = got.values[i], b = want.values[i];
    if (b < 0)
      QVERIFY2(a == b, qPrintable(QString("cell %1 is %2, should be %3").arg(i).arg(a).arg(b)));
    else
      QVERIFY2(std::abs(a - b) <= tolerance, qPrintable(QString("cell %1 is %2, should be %3").arg(i).arg(a).arg(b)));
  }
  WITHIN(got.row_max, want.row_max, tolerance);
}

}  // namespace

class TestTiles : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase();
  void same_as_the_host_data();
  void same_as_the_host();
  void rows_not_recorded();
  void a_query_row_that_sees_nothing();
  void best_never_blocks_and_comes();
  void older_tile_until_the_exact_one();
  void forgotten();
  void host_snapshots_are_uploaded();
  void six_hundred_frames();
  void any_thread();
  void cleanup() { QVERIFY2(complaints().isEmpty(), complaints()); }
  void cleanupTestCase() {
    device_.reset();
    test_device_slot().reset();
  }

 private:
  std::shared_ptr<Backend> device_, host_ = make_cpu_backend(1);
};

void TestTiles::initTestCase() {
  NEED_DEVICE();
  device_ = *make_vulkan_backend(test_device());
}

void TestTiles::same_as_the_host_data() {
  QTest::addColumn<int>("corner");
  QTest::addColumn<int>("mask");  // 0 causal, 1 bidirectional, 2 window, 3 prefix, 4 painted
  QTest::addColumn<int>("heads");
  QTest::addColumn<QList<int>>("where");  // queries, keys, rows, columns
  QTest::addColumn<bool>("mean");
  QTest::addColumn<bool>("without_sink");
  const int n = T;
  for (int heads : {0, 1, 2})
    for (bool sink : {false, true})
      QTest::addRow("whole, heads %d, sink out %d", heads, sink)
          << 2 << 0 << heads << QList<int>{0, n, 0, n, n, n} << false << sink;
  for (int mask : {1, 2, 3, 4})
    QTest::addRow("whole, mask %d", mask) << 0 << mask << 0 << QList<int>{0, n, 0, n, n, n} << false << false;
  QTest::addRow("reduced by maximum") << 0 << 0 << 0 << QList<int>{0, n, 0, n, 7, 11} << false << false;
  QTest::addRow("reduced by mean") << 0 << 0 << 1 << QList<int>{0, n, 0, n, 7, 11} << true << false;
  QTest::addRow("reduced, sink out") << 0 << 2 << 2 << QList<int>{0, n, 0, n, 4, 5} << true << true;
  QTest::addRow("a piece") << 2 << 4 << 1 << QList<int>{13, 40, 3, 31, 27, 28} << false << false;
  QTest::addRow("a piece, reduced") << 2 << 4 << 1 << QList<int>{13, 40, 3, 31, 9, 10} << false << true;
  QTest::addRow("one cell") << 1 << 0 << 0 << QList<int>{20, 21, 3, 4, 1, 1} << false << false;
  QTest::addRow("keys past the end") << 2 << 1 << 0 << QList<int>{0, n, 30, 60, 12, 15} << false << false;
}

void TestTiles::same_as_the_host() {
  NEED_DEVICE();
  QFETCH(int, corner);
  QFETCH(int, mask);
  QFETCH(int, heads);
  QFETCH(QList<int>, where);
  QFETCH(bool, mean);
  QFETCH(bool, without_sink);
  const MaskRule rules[] = {{},
                            {MaskRule::Kind::Bidirectional, 0, nullptr},
                            {MaskRule::Kind::Window, 6, nullptr},
                            {MaskRule::Kind::Prefix, 4, nullptr},
                            painted(T)};
  const ModelPtr model = model_of("gpt2", static_cast<size_t>(corner));
  const int64_t n = std::min(T, model->spec.n_ctx);
  const auto there = snapshot_on(device_, model, rules[mask], n), here = snapshot_on(host_, model, rules[mask], n);
  TileRequest request = whole_map(there, model->spec.layers[0].attention.n_heads - 1);
  request.probs = there->graph().with(Role::Probs).back();
  request.heads = static_cast<Heads>(heads);
  request.queries = {where[0], std::min<int64_t>(n, where[1])}, request.keys = {where[2], where[3]};
  request.rows = std::min<int64_t>(request.queries.size(), where[4]), request.columns = where[5];
  request.reduce = mean ? Reduce::Mean : Reduce::Max;
  request.without_sink = without_sink;
  const auto got = device_->tile(request);
  QVERIFY2(got, got ? "" : got.error().text.c_str());
  request.step = here;
  const auto want = host_tile(request);
  QVERIFY(want);
  compare(*got, *want, 1e-5);
}

/// A recording that began late: its rows have no queries yet.
void TestTiles::rows_not_recorded() {
  NEED_DEVICE();
  const ModelPtr model = model_of("gpt2", 0);
  Snapshot cut = *snapshot_on(device_, model, MaskRule{});
  const NodeId probs = model->graph->with(Role::Probs)[0];
  cut.recording.at((*model->graph)[probs].inputs[0]).truncate(30);
  const auto step = std::make_shared<const Snapshot>(std::move(cut));
  const auto tile = device_->tile(whole_map(step));
  QVERIFY(tile);
  QVERIFY(tile->values[29 * T] >= 0);
  for (int64_t key = 0; key < T; ++key) QCOMPARE(tile->values[static_cast<size_t>(30 * T + key)], not_computed_cell);
  Snapshot bare = *step;
  bare.recording.clear();
  const auto none = device_->tile(whole_map(std::make_shared<const Snapshot>(std::move(bare))));
  QVERIFY(!none);
  QVERIFY(none.error().text.find("was not recorded") != std::string::npos);
}

void TestTiles::a_query_row_that_sees_nothing() {
  NEED_DEVICE();
  const auto step = snapshot_on(device_, model_of("gpt2", 2), painted(T));
  const auto tile = device_->tile(whole_map(step));
  QVERIFY(tile);
  for (int64_t key = 0; key < T; ++key) QCOMPARE(tile->values[static_cast<size_t>(5 * T + key)], masked_cell);
  QCOMPARE(tile->row_max[5], 0.f);
}

void TestTiles::best_never_blocks_and_comes() {
  NEED_DEVICE();
  std::atomic<int> arrivals{0};
  DeviceTiles tiles(test_device(), [&] { ++arrivals; });
  const auto step = snapshot_on(device_, model_of("gpt2", 0), MaskRule{});
  const TileRequest request = whole_map(step);
  QVERIFY(!tiles.best(request));
  QTRY_VERIFY_WITH_TIMEOUT(arrivals == 1, 5000);
  const auto tile = tiles.best(request);
  QVERIFY(tile && tile->request == request);
  QVERIFY(tiles.idle());
  QCOMPARE(tiles.failure(), std::string());
}

void TestTiles::older_tile_until_the_exact_one() {
  NEED_DEVICE();
  DeviceTiles tiles(test_device(), {});
  const ModelPtr model = model_of("gpt2", 0);
  const auto first = snapshot_on(device_, model, MaskRule{}, 20), second = snapshot_on(device_, model, MaskRule{}, 30);
  QVERIFY(tiles.exact(whole_map(first)));
  const auto older = tiles.best(whole_map(second));
  QVERIFY(older && older->request.step == first);
  QVERIFY(!tiles.best(whole_map(second, 1)));  // another head: another map
  QTRY_VERIFY_WITH_TIMEOUT(tiles.best(whole_map(second))->request.step == second, 5000);
}

/// A cleared source holds no snapshot, and what nobody asks for any more is not made.
void TestTiles::forgotten() {
  NEED_DEVICE();
  std::atomic<int> arrivals{0};
  DeviceTiles tiles(test_device(), [&] { ++arrivals; });
  auto step = snapshot_on(device_, model_of("gpt2", 0), MaskRule{});
  const std::weak_ptr<const Snapshot> seen = step;
  QVERIFY(tiles.exact(whole_map(step)));
  tiles.begin_frame();
  (void)tiles.best(whole_map(step, 1));
  QTRY_VERIFY_WITH_TIMEOUT(tiles.idle(), 5000);
  step.reset();
  QVERIFY(!seen.expired());
  tiles.clear();
  QTRY_VERIFY_WITH_TIMEOUT(seen.expired(), 5000);
}

void TestTiles::host_snapshots_are_uploaded() {
  NEED_DEVICE();
  DeviceTiles tiles(test_device(), {});
  const ModelPtr model = model_of("gpt2", 0);
  const auto here = snapshot_on(host_, model, MaskRule{});
  const auto tile = tiles.exact(whole_map(here));
  QVERIFY(tile);
  const auto want = *host_tile(whole_map(here));
  const auto* got = reinterpret_cast<const float*>((*tile)->buffer->host);
  QVERIFY(std::equal(want.values.begin(), want.values.end(), got));
}

/// The promise of the design: a map is drawn from the buffer in which it was made. Only the picture leaves the device.
void TestTiles::six_hundred_frames() {
  NEED_DEVICE();
  const auto step = snapshot_on(device_, model_of("gpt2", 0), MaskRule{});
  DeviceTiles tiles(test_device(), {});
  auto surface = Surface::make(test_device(), 320, 240);
  QVERIFY(surface);
  HeatLook look;
  for (uint32_t i = 0; i < 11; ++i) look.palette[i] = 0xff000000u | i * 25;
  look.hatch = 0xff00ff00u;
  const size_t before = device_->bytes_read_back();
  int drawn = 0;
  for (int frame = 0; frame < 600; ++frame) {
    QVERIFY((*surface)->begin(0xff102030u));
    for (int map = 0; map < 4; ++map) {
      TileRequest request = whole_map(step, map);
      request.queries.begin = frame / 20, request.rows = request.queries.size();  // somebody zooms meanwhile
      const auto tile = tiles.best(request);
      if (!tile) continue;
      look.at = look.clip = {static_cast<float>(map % 2 * 160), static_cast<float>(map / 2 * 120), 150, 110};
      (*surface)->heat_map(tile, look);
      ++drawn;
    }
    QVERIFY((*surface)->end());
    const auto picture = (*surface)->picture();
    QVERIFY(picture);
  }
  QVERIFY2(drawn > 600, qPrintable(QString("only %1 maps were drawn").arg(drawn)));
  QCOMPARE(device_->bytes_read_back(), before);
  QVERIFY(device_->tile(whole_map(step)));  // and the counter does count
  QCOMPARE(device_->bytes_read_back() - before, (45 * 45 + 45) * sizeof(float));
}

void TestTiles::any_thread() {
  NEED_DEVICE();
  const auto step = snapshot_on(device_, model_of("gpt2", 2), MaskRule{});
  const auto want = *device_->tile(whole_map(step));
  std::atomic<int> same{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int round = 0; round < 5; ++round) {
        const auto got = device_->tile(whole_map(step));
        if (got && got->values == want.values) ++same;
      }
    });
  for (std::thread& thread : threads) thread.join();
  QCOMPARE(same.load(), 20);
}

QTEST_GUILESS_MAIN(TestTiles)
#include "test_tiles.moc"
