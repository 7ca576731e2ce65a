// The canvas on Dear ImGui and Vulkan: the colours that reach the picture are the palette's, the order is the
// drawing's, and 600 frames read nothing back from the device.
#include <QtTest>

#include <cmath>
#include <fstream>

#include "tests/widgets/scenes.h"
#include "widgets/heat.h"
#include "widgets/imgui_renderer.h"

using namespace cutaway;
using namespace cutaway::tests;

namespace {

struct Rgb {
  int r = 0, g = 0, b = 0;
};
Rgb at(const Picture& p, int x, int y) {
  const uint8_t* pixel = p.pixels + y * p.stride + 4 * x;
  return {pixel[2], pixel[1], pixel[0]};
}
int distance(Rgb a, Color b) { return std::max({std::abs(a.r - b.r), std::abs(a.g - b.g), std::abs(a.b - b.b)}); }

void paint_until_idle(ImguiRenderer& renderer, const Theme& theme, const std::function<void(Canvas&)>& draw) {
  for (int i = 0; i < 500; ++i) {
    QVERIFY(renderer.paint(theme, draw));
    if (renderer.idle()) return;
    QTest::qWait(10);
  }
  QFAIL("tiles never came");
}

}  // namespace

class TestRenderer : public QObject {
  Q_OBJECT
 private slots:
  void initTestCase() {
    auto device = open_device({.validate = true});
    if (!device) QSKIP(device.error().text.c_str());
    device_ = *device;
    auto renderer = ImguiRenderer::make(device_, {});
    QVERIFY2(bool(renderer), renderer ? "" : renderer.error().text.c_str());
    renderer_ = std::move(*renderer);
    step_ = words_step(false);
    QVERIFY(step_);
  }
  void cleanupTestCase() {
    renderer_.reset();
    step_.reset();
    if (!device_) return;
    for (const std::string& message : validation_messages(*device_)) QFAIL(message.c_str());
    device_.reset();
  }

  void fills_and_clips() {
    QVERIFY(renderer_->resize(100, 60, 1));
    const Theme& t = light_theme();
    const auto picture = renderer_->paint(t, [&](Canvas& c) {
      c.fill({10, 10, 20, 20}, t.accent);
      c.push_clip({40, 10, 10, 10});
      c.fill({0, 0, 100, 60}, t.bar);
      c.pop_clip();
      c.outline({60.5f, 10.5f, 19, 19}, t.error, 1);
    });
    QVERIFY(picture);
    QCOMPARE(distance(at(*picture, 5, 5), t.canvas), 0);
    QCOMPARE(distance(at(*picture, 10, 10), t.accent), 0);
    QCOMPARE(distance(at(*picture, 29, 29), t.accent), 0);
    QCOMPARE(distance(at(*picture, 30, 30), t.canvas), 0);
    QCOMPARE(distance(at(*picture, 40, 10), t.bar), 0);
    QCOMPARE(distance(at(*picture, 50, 10), t.canvas), 0);
    QCOMPARE(distance(at(*picture, 60, 20), t.error), 0);
    QCOMPARE(distance(at(*picture, 62, 20), t.canvas), 0);
  }

  void text_is_where_it_should_be_data() {
    QTest::addColumn<float>("ratio");
    for (const float ratio : {1.f, 1.5f, 2.f}) QTest::addRow("%g", ratio) << ratio;
  }
  /// A full block of the mono face fills its advance; the columns of its ink are where the anchor and the widths say.
  void text_is_where_it_should_be() {
    QFETCH(float, ratio);
    QVERIFY(renderer_->resize(200, 40, ratio));
    const Theme& t = light_theme();
    for (const Align align : {Align::Left, Align::Center, Align::Right}) {
      const auto picture = renderer_->paint(t, [&](Canvas& c) {
        c.text({100, 25}, "HHHHHH", {Face::Mono, 11, t.text, align});
      });
      QVERIFY(picture);
      int first = -1, last = -1, top = -1, bottom = -1;
      for (int y = 0; y < picture->height; ++y)
        for (int x = 0; x < picture->width; ++x)
          if (distance(at(*picture, x, y), t.canvas) > 100) {
            if (first < 0 || x < first) first = x;
            last = std::max(last, x);
            if (top < 0) top = y;
            bottom = y;
          }
      const float width = text_width("HHHHHH", Face::Mono, 11), left = align == Align::Left     ? 100
                                                                       : align == Align::Center ? 100 - width / 2
                                                                                                : 100 - width;
      QVERIFY2(std::abs(static_cast<float>(first) / ratio - left) < 2.5f, qPrintable(QString::number(first)));
      QVERIFY2(std::abs(static_cast<float>(last + 1) / ratio - left - width) < 2.5f, qPrintable(QString::number(last)));
      QVERIFY2(std::abs(static_cast<float>(bottom + 1) / ratio - 25) <= 1.1f, qPrintable(QString::number(bottom)));
      QVERIFY2(std::abs(static_cast<float>(bottom + 1 - top) / ratio - 0.73f * 11) <= 1.2f,
               qPrintable(QString::number(bottom - top)));
    }
  }

  void a_heat_map_has_the_palettes_colours_data() {
    QTest::addColumn<int>("scale");
    QTest::addColumn<bool>("dark");
    for (const int scale : {0, 1, 2})
      for (const bool dark : {true, false})
        QTest::addRow("scale %d %s", scale, dark ? "dark" : "light") << scale << dark;
  }
  void a_heat_map_has_the_palettes_colours() {
    QFETCH(int, scale);
    QFETCH(bool, dark);
    const Theme& t = dark ? dark_theme() : light_theme();
    QVERIFY(renderer_->resize(480, 480, 1));
    TileRequest r;
    r.step = step_, r.probs = step_->graph().with(Role::Probs)[2], r.head = 1;
    r.queries = r.keys = {0, 24}, r.rows = r.columns = 24;
    const auto draw = [&](Canvas& c) { c.heat_map({0, 0, 480, 480}, r, static_cast<ScaleMode>(scale)); };
    paint_until_idle(*renderer_, t, draw);
    const auto picture = renderer_->paint(t, draw);
    QVERIFY(picture);
    const auto tile = compute_tile(r);
    QVERIFY(tile);
    for (int64_t q = 0; q < 24; ++q)
      for (int64_t k = 0; k < 24; ++k) {
        const float v = tile->values[static_cast<size_t>(q * 24 + k)];
        if (v == masked_cell) {
          bool ground = false, hatch = false;
          for (int i = 0; i < 19; ++i) {
            ground = ground ||
                     distance(at(*picture, static_cast<int>(k) * 20 + i, static_cast<int>(q) * 20 + 5), t.canvas) == 0;
            hatch = hatch ||
                    distance(at(*picture, static_cast<int>(k) * 20 + i, static_cast<int>(q) * 20 + 5), t.hatch) == 0;
          }
          QVERIFY(ground && hatch);
          continue;
        }
        const Color want = sequential(t, heat_place(v, tile->row_max[static_cast<size_t>(q)], largest_weight(*tile),
                                                    static_cast<ScaleMode>(scale)));
        QVERIFY2(distance(at(*picture, static_cast<int>(k) * 20 + 9, static_cast<int>(q) * 20 + 9), want) <= 2,
                 qPrintable(QString("%1 %2").arg(q).arg(k)));
      }
  }

  void a_heat_map_keeps_its_place_in_the_order() {
    QVERIFY(renderer_->resize(100, 100, 1));
    const Theme& t = dark_theme();
    TileRequest r;
    r.step = step_, r.probs = step_->graph().with(Role::Probs)[0];
    r.queries = {0, 1}, r.keys = {0, 1}, r.rows = r.columns = 1;  // one allowed cell of weight 1
    const auto draw = [&](Canvas& c) {
      c.fill({0, 0, 100, 100}, t.error);
      c.heat_map({20, 20, 60, 60}, r, ScaleMode::Global);
      c.fill({40, 40, 20, 20}, t.accent);
    };
    paint_until_idle(*renderer_, t, draw);
    const auto picture = renderer_->paint(t, draw);
    QCOMPARE(distance(at(*picture, 10, 10), t.error), 0);
    QVERIFY(distance(at(*picture, 30, 30), t.sequential.back()) <= 1);
    QCOMPARE(distance(at(*picture, 50, 50), t.accent), 0);
  }

  /// The model runs on the device that draws: its maps never pass through the host.
  void frames_read_nothing_back() {
    auto backend = make_vulkan_backend(device_);
    QVERIFY(backend);
    auto session = Session::start(words_model(false), *backend);
    QVERIFY(session);
    auto step = (*session)->read_ids(sentence());
    QVERIFY(step);
    QVERIFY(renderer_->resize(434, 440, 1));
    const auto view = make_view("heads");
    const size_t before = (*backend)->bytes_read_back();
    Scene scene{*step, {}};
    const auto draw = [&](Canvas& c) { view->draw(c, scene); };
    paint_until_idle(*renderer_, dark_theme(), draw);
    QElapsedTimer timer;
    timer.start();
    for (int i = 0; i < 600; ++i) {
      scene.at.head = i % 6;
      scene.at.scale = static_cast<ScaleMode>(i / 200);
      QVERIFY(renderer_->paint(dark_theme(), draw));
    }
    qInfo("600 frames of 36 maps: %.1f fps", 600e3 / static_cast<double>(std::max<qint64>(1, timer.elapsed())));
    QCOMPARE((*backend)->bytes_read_back(), before);
  }

  void every_view_paints() {
    for (const ViewKind& kind : view_kinds()) {
      QVERIFY(renderer_->resize(1084, 686, 1));
      const auto view = kind.make();
      Scene scene{step_, {}};
      scene.at.cursor = Cell{9, 3};
      const auto draw = [&](Canvas& c) { view->draw(c, scene); };
      paint_until_idle(*renderer_, dark_theme(), draw);
      const auto picture = renderer_->paint(dark_theme(), draw);
      QVERIFY(picture);
      std::set<uint32_t> colors;
      for (int y = 0; y < picture->height; ++y)
        for (int x = 0; x < picture->width; ++x) {
          const Rgb c = at(*picture, x, y);
          colors.insert(static_cast<uint32_t>(c.r << 16 | c.g << 8 | c.b));
        }
      QVERIFY2(colors.size() > 20, kind.id.data());
      if (const QString folder = qEnvironmentVariable("CUTAWAY_PICTURES"); !folder.isEmpty()) {
        std::ofstream file((folder + "/imgui-" + std::string(kind.id).c_str() + ".ppm").toStdString(),
                           std::ios::binary);
        file << "P6 " << picture->width << ' ' << picture->height << " 255\n";
        for (int y = 0; y < picture->height; ++y)
          for (int x = 0; x < picture->width; ++x) {
            const Rgb c = at(*picture, x, y);
            file.put(static_cast<char>(c.r)).put(static_cast<char>(c.g)).put(static_cast<char>(c.b));
          }
      }
    }
  }

 private:
  std::shared_ptr<Device> device_;
  std::unique_ptr<ImguiRenderer> renderer_;
  SnapshotPtr step_;
};

QTEST_GUILESS_MAIN(TestRenderer)
#include "test_renderer.moc"
