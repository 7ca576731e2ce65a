// Pages are shared and never overwritten where somebody can see them; live bytes are counted, not computed.
#include <QtTest>

#include "engine/paged.h"

using namespace cutaway;

namespace {

void append(PagedRows& rows, float value) {
  QVERIFY(rows.grow(1));
  float* row = rows.row(rows.rows() - 1);
  row[0] = value, row[1] = -value;
}

}  // namespace

class TestPaged : public QObject {
  Q_OBJECT
 private slots:
  void a_fork_keeps_the_older_way() {
    const auto arena = make_host_arena();
    PagedRows first(arena, 2 * sizeof(float));
    for (int i = 0; i < 20; ++i) append(first, static_cast<float>(i));
    PagedRows other = first;  // a snapshot
    other.truncate(18);       // a step back by two
    append(other, 100);       // another way
    for (int i = 0; i < 20; ++i) QCOMPARE(first.row(i)[0], static_cast<float>(i));
    for (int i = 0; i < 18; ++i) QCOMPARE(other.row(i)[1], -static_cast<float>(i));
    QCOMPARE(other.row(18)[0], 100.f);
    QCOMPARE(first.pages()[0], other.pages()[0]);  // the full page is one page
    QVERIFY(first.pages()[1] != other.pages()[1]);
  }

  void going_on_without_a_rival_copies_nothing() {
    const auto arena = make_host_arena();
    PagedRows rows(arena, 2 * sizeof(float));
    append(rows, 1);
    const PagedRows snapshot = rows;
    append(rows, 2);
    QCOMPARE(rows.pages()[0], snapshot.pages()[0]);
    QCOMPARE(snapshot.rows(), 1);
    QCOMPARE(snapshot.row(0)[0], 1.f);
  }

  void live_bytes() {
    const auto arena = make_host_arena();
    const size_t page = page_rows * 2 * sizeof(float);
    {
      PagedRows rows(arena, 2 * sizeof(float));
      QCOMPARE(arena->live_bytes(), size_t{0});
      QVERIFY(rows.grow(1));
      QCOMPARE(arena->live_bytes(), page);
      QVERIFY(rows.grow(page_rows));
      QCOMPARE(arena->live_bytes(), 2 * page);
      QCOMPARE(rows.allocated_bytes(), arena->live_bytes());
      const PagedRows snapshot = rows;
      rows.clear();
      QCOMPARE(arena->live_bytes(), 2 * page);  // the snapshot still holds them
    }
    QCOMPARE(arena->live_bytes(), size_t{0});
  }

  void rows_across_pages() {
    const auto arena = make_host_arena();
    PagedRows rows(arena, 3 * sizeof(float));
    std::vector<float> in(3 * 37), out(in.size());
    for (size_t i = 0; i < in.size(); ++i) in[i] = static_cast<float>(i);
    QVERIFY(rows.grow(37));
    rows.scatter(0, 37, in.data());
    rows.gather(0, 37, out.data());
    QCOMPARE(out, in);
    std::vector<float> column(20);
    rows.gather(10, 30, 1, 1, column.data());
    for (int i = 0; i < 20; ++i) QCOMPARE(column[static_cast<size_t>(i)], static_cast<float>(3 * (10 + i) + 1));
    for (const auto& page : rows.pages()) QCOMPARE(reinterpret_cast<uintptr_t>(page->host) % 64, uintptr_t{0});
  }
};

QTEST_APPLESS_MAIN(TestPaged)
#include "test_paged.moc"
