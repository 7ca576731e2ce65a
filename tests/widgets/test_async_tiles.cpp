// Tiles for the screen: best() never waits, what comes is exact, the newest wish wins, bands are the whole.
#include <QtTest>

#include <atomic>

#include "tests/widgets/scenes.h"
#include "widgets/async_tiles.h"

using namespace cutaway;
using namespace cutaway::tests;

namespace {

/// Counts tiles, and can be held back.
class SlowBackend final : public Backend {
 public:
  explicit SlowBackend(std::shared_ptr<Backend> real) : real_(std::move(real)) {}
  BackendInfo info() const override { return real_->info(); }
  std::shared_ptr<PageArena> arena() override { return real_->arena(); }
  Result<std::unique_ptr<Plan>> compile(ModelPtr m, const Taps& t) override { return real_->compile(std::move(m), t); }
  Result<Tile> tile(const TileRequest& r) override {
    ++tiles;
    while (held) QThread::msleep(1);
    if (broken) return error("no such tile");
    return real_->tile(r);
  }
  Result<void> read(const PagedRows& rows, int64_t begin, int64_t end, float* out) override {
    return real_->read(rows, begin, end, out);
  }
  size_t bytes_read_back() const override { return 0; }

  std::atomic<int> tiles{0};
  std::atomic<bool> held{false}, broken{false};

 private:
  std::shared_ptr<Backend> real_;
};

bool wait_until(const std::function<bool()>& done) { return QTest::qWaitFor(done, 5000); }

}  // namespace

class TestAsyncTiles : public QObject {
  Q_OBJECT
 private slots:
  void initTestCase() {
    const SnapshotPtr ran = words_step(false, 2, 2);
    QVERIFY(ran);
    auto step = std::make_shared<Snapshot>(*ran);
    backend_ = std::make_shared<SlowBackend>(ran->backend);
    step->backend = backend_;
    step_ = step;
  }
  void init() { backend_->tiles = 0, backend_->held = false, backend_->broken = false; }

  void the_exact_tile_comes() {
    std::atomic<int> calls{0};
    AsyncTiles tiles([&] { ++calls; });
    const TileRequest r = request(0, {0, 24}, 24);
    backend_->held = true;
    QVERIFY(!tiles.best(r));  // at once, though the backend stands still
    QVERIFY(!tiles.idle());
    backend_->held = false;
    QVERIFY(wait_until([&] { return tiles.idle(); }));
    QVERIFY(calls > 0);
    const auto got = tiles.best(r);
    QVERIFY(got && got->request == r);
    const auto want = compute_tile(r);
    QVERIFY(want && want->values == got->values && want->row_max == got->row_max);
    const int before = backend_->tiles;
    QVERIFY(tiles.best(r) == got);  // kept
    QVERIFY(tiles.idle() && backend_->tiles == before);
  }
  void an_older_tile_stands_in() {
    AsyncTiles tiles({});
    const TileRequest whole = request(1, {0, 24}, 24), part = request(1, {4, 12}, 8);
    tiles.best(whole);
    QVERIFY(wait_until([&] { return tiles.idle(); }));
    backend_->held = true;
    const auto older = tiles.best(part);
    QVERIFY(older && older->request == whole);
    TileRequest other = part;
    other.head = 0;
    QVERIFY(!tiles.best(other));  // another head's tile would be a lie
    auto changed = std::make_shared<Snapshot>(*step_);
    changed->ids[3] = 50;
    TileRequest edited = part;
    edited.step = changed;
    QVERIFY(!tiles.best(edited));  // and so would another text's
    backend_->held = false;
  }
  void the_newest_wish_is_served_first_and_old_ones_are_dropped() {
    AsyncTiles tiles({});
    backend_->held = true;
    tiles.begin_frame();
    tiles.best(request(0, {0, 20}, 20));
    QVERIFY(wait_until([&] { return backend_->tiles == 1; }));
    for (int64_t i = 1; i < 20; ++i) tiles.best(request(0, {0, i}, i));  // forgotten by the frames that follow
    for (int frame = 0; frame < 4; ++frame) {
      tiles.begin_frame();
      tiles.best(request(0, {2, 20}, 18));
    }
    backend_->held = false;
    QVERIFY(wait_until([&] { return tiles.idle(); }));
    QVERIFY2(backend_->tiles <= 3, qPrintable(QString::number(backend_->tiles)));
    QVERIFY(tiles.best(request(0, {2, 20}, 18)));
  }
  void a_tile_that_fails_is_not_asked_for_again() {
    AsyncTiles tiles({});
    backend_->broken = true;
    const TileRequest r = request(0, {0, 24}, 24);
    tiles.best(r);
    QVERIFY(wait_until([&] { return tiles.idle(); }));
    const auto got = tiles.best(r);
    QVERIFY(got && got->values.front() == not_computed_cell);
    QCOMPARE(backend_->tiles.load(), 1);
    tiles.clear();
    backend_->broken = false;
    QVERIFY(!tiles.best(r));
    QVERIFY(wait_until([&] { return tiles.idle(); }));
    QVERIFY(tiles.best(r)->values.front() >= 0);
  }
  void a_long_tile_made_in_bands_is_the_whole() {
    auto session = Session::start(words_model(false, 1, 2), make_cpu_backend(1));
    QVERIFY(session);
    std::vector<int32_t> ids(500);
    for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>(i * 7 % 90);
    auto step = (*session)->read_ids(ids);
    QVERIFY(step);
    for (const int64_t rows : {500, 333, 70, 1}) {
      TileRequest r;
      r.step = *step, r.probs = (*step)->graph().with(Role::Probs)[0], r.heads = Heads::Mean;
      r.queries = r.keys = {0, 500}, r.rows = rows, r.columns = 37;
      std::atomic<int> calls{0};
      AsyncTiles tiles([&] { ++calls; });
      tiles.best(r);
      QVERIFY(wait_until([&] { return tiles.idle(); }));
      const auto got = tiles.best(r);
      const auto want = compute_tile(r);
      QVERIFY(got && want && got->values == want->values && got->row_max == want->row_max);
    }
  }
  void many_threads_may_ask() {
    AsyncTiles tiles({}, 20000);  // small: tiles are thrown out all the time
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t)
      threads.emplace_back([&, t] {
        for (int64_t i = 0; i < 300; ++i) {
          const auto tile = tiles.best(request(t % 2, {i % 5, 24}, 24 - i % 5));
          if (tile && tile->values.size() != static_cast<size_t>(tile->request.rows * tile->request.columns))
            qFatal("torn tile");
          if (i % 10 == 0) tiles.begin_frame();
        }
      });
    for (std::thread& thread : threads) thread.join();
    QVERIFY(wait_until([&] { return tiles.idle(); }));
  }

 private:
  TileRequest request(int64_t head, Range range, int64_t cells) const {
    TileRequest r;
    r.step = step_, r.probs = step_->graph().with(Role::Probs)[1], r.head = head;
    r.queries = r.keys = range, r.rows = r.columns = cells;
    return r;
  }
  std::shared_ptr<SlowBackend> backend_;
  SnapshotPtr step_;
};

QTEST_GUILESS_MAIN(TestAsyncTiles)
#include "test_async_tiles.moc"
