// Pictures drawn by the device, pixel by pixel: heat maps from a device buffer, and textured triangles.
#include "tests/gpu/gpu_test.h"

#include <array>
#include <cmath>

#include "gpu/vulkan/surface.h"

using namespace cutaway;

namespace {

constexpr uint32_t rgba(uint32_t r, uint32_t g, uint32_t b, uint32_t a = 255) { return r | g << 8 | b << 16 | a << 24; }
constexpr uint32_t background = rgba(10, 20, 30), hatch = rgba(200, 0, 0), dots = rgba(0, 200, 0),
                   broken = rgba(0, 0, 200);

/// A palette whose red grows by 20 a stop, so that red / 200 is the place on it.
std::array<uint32_t, 11> ramp() {
  std::array<uint32_t, 11> stops{};
  for (uint32_t i = 0; i < 11; ++i) stops[i] = rgba(i * 20, 0, 50);
  return stops;
}

/// values, row_max, map_max in one buffer, as tiles lie on the device.
DeviceTilePtr tile_of(int64_t rows, int64_t columns, std::vector<float> numbers) {
  const BufferPtr buffer = to_device(numbers);
  auto tile = std::make_shared<DeviceTile>();
  tile->request.rows = rows, tile->request.columns = columns;
  tile->buffer = buffer;
  tile->values = buffer->address;
  tile->row_max = tile->values + static_cast<uint64_t>(rows * columns) * 4;
  tile->map_max = tile->row_max + static_cast<uint64_t>(rows) * 4;
  return tile;
}

uint32_t at(const Picture& p, int x, int y) {
  const uint8_t* bgra = p.pixels + y * p.stride + x * 4;
  return rgba(bgra[2], bgra[1], bgra[0], bgra[3]);
}

HeatLook look_at(PixelRect where, HeatScale scale = HeatScale::Row) {
  HeatLook look;
  look.at = where;
  look.clip = where;
  look.scale = scale;
  look.palette = ramp();
  look.hatch = hatch, look.dots = dots, look.error = broken;
  look.hatch_pitch = 6;
  return look;
}

}  // namespace

class TestSurface : public QObject {
  Q_OBJECT

 private slots:
  void colors_of_cells_data();
  void colors_of_cells();
  void marks();
  void gaps_and_clip();
  void triangles_in_order();
  void resized();
  void refused();
  void cleanup() { QVERIFY2(complaints().isEmpty(), complaints()); }
  void cleanupTestCase() { test_device_slot().reset(); }
};

void TestSurface::colors_of_cells_data() {
  QTest::addColumn<int>("scale");
  QTest::addColumn<double>("place");  // of cell (1, 2), 0.2 in a row whose maximum is 0.4 on a map whose maximum is 0.8
  QTest::addRow("row") << 0 << 0.5;
  QTest::addRow("global") << 1 << 0.25;
  QTest::addRow("log") << 2 << (std::log10(0.2) + 6) / 6;
}

void TestSurface::colors_of_cells() {
  NEED_DEVICE();
  QFETCH(int, scale);
  QFETCH(double, place);
  auto surface = Surface::make(test_device(), 64, 48);
  QVERIFY(surface);
  const auto tile = tile_of(2, 4, {0.f, 0.8f, 0.1f, 0.f, 0.1f, 0.4f, 0.2f, 1e-7f, 0.8f, 0.4f, 0.8f});
  QVERIFY((*surface)->begin(background));
  (*surface)->heat_map(tile, look_at({10, 5, 35, 20}, static_cast<HeatScale>(scale)));
  QVERIFY((*surface)->end());
  const auto picture = (*surface)->picture();
  QVERIFY(picture);
  QCOMPARE(at(*picture, 0, 0), background);
  QCOMPARE(at(*picture, 9, 10), background);
  QCOMPARE(at(*picture, 45, 10), background);
  QCOMPARE(at(*picture, 10, 5), rgba(0, 0, 50));  // a true zero is the lowest colour
  QCOMPARE(at(*picture, 44, 24), rgba(0, 0, 50));
  // Cells are 8.75 wide: pixel 18 has its centre at 18.5 and belongs to cell 0 (10 .. 18.75), 19 to cell 1.
  QCOMPARE(at(*picture, 18, 5), rgba(0, 0, 50));
  QCOMPARE(at(*picture, 19, 5) & 255,
           scale == 2 ? static_cast<uint32_t>(std::lround(200 * (std::log10(0.8) + 6) / 6)) : 200u);
  const int red = static_cast<int>(at(*picture, 32, 20) & 255);
  QVERIFY2(std::abs(red - 200 * place) <= 1, qPrintable(QString("red is %1, should be %2").arg(red).arg(200 * place)));
}

void TestSurface::marks() {
  NEED_DEVICE();
  auto surface = Surface::make(test_device(), 60, 20);
  QVERIFY(surface);
  const auto tile = tile_of(1, 4, {masked_cell, not_computed_cell, NAN, INFINITY, 1.f, 1.f});
  QVERIFY((*surface)->begin(background));
  (*surface)->heat_map(tile, look_at({0, 0, 60, 20}));
  QVERIFY((*surface)->end());
  const auto picture = *(*surface)->picture();
  for (int y = 0; y < 20; ++y)
    for (int x = 0; x < 60; ++x) {
      const uint32_t want = x < 15   ? ((x + y) % 6 == 0 ? hatch : background)
                            : x < 30 ? (x % 6 == 0 && y % 6 == 0 ? dots : background)
                                     : broken;
      QVERIFY2(at(picture, x, y) == want, qPrintable(QString("pixel %1, %2").arg(x).arg(y)));
    }
}

void TestSurface::gaps_and_clip() {
  NEED_DEVICE();
  auto surface = Surface::make(test_device(), 40, 40);
  QVERIFY(surface);
  HeatLook look = look_at({0, 0, 40, 40});
  look.gap = 1;
  look.clip = {0, 0, 30, 40};
  QVERIFY((*surface)->begin(background));
  (*surface)->heat_map(tile_of(2, 2, {1, 1, 1, 1, 1, 1, 1}), look);
  QVERIFY((*surface)->end());
  const auto picture = *(*surface)->picture();
  const uint32_t full = rgba(200, 0, 50);
  QCOMPARE(at(picture, 18, 18), full);
  QCOMPARE(at(picture, 19, 18), background);  // the gap right of a cell
  QCOMPARE(at(picture, 18, 19), background);  // and below it
  QCOMPARE(at(picture, 20, 20), full);
  QCOMPARE(at(picture, 29, 20), full);
  QCOMPARE(at(picture, 30, 20), background);  // clipped
  QCOMPARE(at(picture, 10, 39), background);
}

void TestSurface::triangles_in_order() {
  NEED_DEVICE();
  auto surface = Surface::make(test_device(), 32, 32);
  QVERIFY(surface);
  const std::vector<uint8_t> texels{0, 255, 0, 255};  // left column clear, right column full
  const auto texture = (*surface)->texture(2, 2, texels);
  QVERIFY(texture);
  const uint32_t white = rgba(255, 255, 255), half = rgba(255, 0, 0, 128);
  std::vector<Vertex> corners;
  for (float y : {0.f, 16.f})
    for (float x : {0.f, 16.f}) corners.push_back({x, y, 1, 0.5f, white});  // all in the full texel
  for (float y : {0.f, 32.f})
    for (float x : {0.f, 32.f}) corners.push_back({x, y, 1, 0.5f, half});
  for (float y : {0.f, 32.f})
    for (float x : {0.f, 32.f}) corners.push_back({x, y, 0, 0.5f, white});  // in the clear texel: nothing
  const std::vector<uint16_t> indices{0, 1, 2, 1, 3, 2};
  QVERIFY((*surface)->begin(rgba(0, 0, 0)));
  QVERIFY((*surface)->mesh(corners, indices));
  (*surface)->triangles(0, 6, 0, {0, 0, 32, 32}, *texture);
  (*surface)->heat_map(tile_of(1, 1, {1, 1, 1}), look_at({8, 0, 8, 8}));
  (*surface)->triangles(0, 6, 4, {0, 0, 16, 16}, *texture);  // half red over both, clipped to a quarter
  (*surface)->triangles(0, 6, 8, {0, 0, 32, 32}, *texture);
  QVERIFY((*surface)->end());
  const auto picture = *(*surface)->picture();
  QCOMPARE(at(picture, 2, 2) & 0xffffff, rgba(255, 127, 127) & 0xffffff);
  QCOMPARE(at(picture, 10, 2) & 255, 228u);  // 200 * 127/255 + 255 * 128/255
  QCOMPARE(at(picture, 20, 20), rgba(0, 0, 0));
  QCOMPARE(at(picture, 20, 2), rgba(0, 0, 0));
}

void TestSurface::resized() {
  NEED_DEVICE();
  auto surface = Surface::make(test_device(), 8, 8);
  QVERIFY(surface);
  for (const auto& [w, h] : {std::pair{100, 3}, {7, 200}, {1, 1}}) {
    QVERIFY((*surface)->resize(w, h));
    QVERIFY((*surface)->begin(background));
    QVERIFY((*surface)->end());
    const auto picture = *(*surface)->picture();
    QCOMPARE(picture.width, w);
    QCOMPARE(picture.height, h);
    QCOMPARE(at(picture, w - 1, h - 1), background);
  }
}

void TestSurface::refused() {
  NEED_DEVICE();
  const auto none = Surface::make(test_device(), 0, 10);
  QVERIFY(!none);
  QCOMPARE(none.error().fault, Fault::Machine);
  const auto huge = Surface::make(test_device(), 1 << 20, 10);
  QVERIFY(!huge);
  const auto device = open_device({.name = "no such device"});
  QVERIFY(!device);
  QCOMPARE(device.error().fault, Fault::Machine);
  QVERIFY(device.error().text.find("no such device") != std::string::npos);
}

QTEST_APPLESS_MAIN(TestSurface)
#include "test_surface.moc"
