// Views over steps that a model really ran: every size, theme and language, hit-testing, tables against tiles, long
// texts.
#include <QXmlStreamReader>
#include <QtTest>

#include <cmath>

#include "tests/widgets/scenes.h"
#include "widgets/svg_canvas.h"
#include "widgets/views/head_grid.h"
#include "widgets/views/strips.h"

using namespace cutaway;
using namespace cutaway::tests;

namespace {

std::vector<std::pair<std::string, std::unique_ptr<View>>> all_views() {
  std::vector<std::pair<std::string, std::unique_ptr<View>>> views;
  for (const ViewKind& kind : view_kinds()) views.emplace_back(kind.id, kind.make());
  views.emplace_back("strip", make_token_strip());
  views.emplace_back("timeline", make_timeline());
  return views;
}

Rect area_for(std::string_view view, float w, float h) {
  if (view == "strip") return {0, 0, w, 64};
  if (view == "timeline") return {0, 0, w, 108};
  return {0, 0, w, h};
}

/// Ends of a text's base line and its height, turned as the text is.
std::pair<Point, Point> corners(const RememberingCanvas::Text& t) {
  const float w = text_width(t.text, t.style.face, t.style.px);
  const float from = t.style.align == Align::Left ? 0 : t.style.align == Align::Right ? -w : -w / 2;
  const float a = t.style.degrees * 3.14159265f / 180;
  return {{t.at.x + from * std::cos(a), t.at.y - from * std::sin(a)},
          {t.at.x + (from + w) * std::cos(a), t.at.y - (from + w) * std::sin(a)}};
}

}  // namespace

class TestViews : public QObject {
  Q_OBJECT
 private slots:
  void initTestCase() {
    gpt_ = words_step(false);
    bert_ = words_step(true);
    QVERIFY(gpt_ && bert_);
  }
  void cleanup() { set_language(Language::English); }

  void the_list_is_the_contract() {
    std::vector<std::string> ids;
    for (const ViewKind& kind : view_kinds()) {
      ids.emplace_back(kind.id);
      const auto view = make_view(kind.id);
      QVERIFY(view && view->id() == kind.id && view->name() == kind.name);
    }
    for (const char* name :
         {"attention", "heads", "arcs", "mask", "cache", "logits", "log"})  // what CONTRACT.md and UX.md name
      QVERIFY2(std::count(ids.begin(), ids.end(), name) == 1, name);
    QVERIFY(!make_view("nonsense"));
  }

  void drawn_in_every_size_data() {
    QTest::addColumn<float>("w");
    QTest::addColumn<float>("h");
    QTest::newRow("1600 window") << 1084.f << 686.f;
    QTest::newRow("1280 window") << 764.f << 520.f;
    QTest::newRow("1120 window") << 604.f << 386.f;
    QTest::newRow("figure") << 640.f << 640.f;
    QTest::newRow("wide") << 1900.f << 700.f;
  }
  /// No text leaves the area or is smaller than 10 px; clips are balanced; the picture is well-formed SVG.
  void drawn_in_every_size() {
    QFETCH(float, w);
    QFETCH(float, h);
    for (const SnapshotPtr& step : {gpt_, bert_, SnapshotPtr()})
      for (const Theme* theme : {&dark_theme(), &light_theme()})
        for (const Language l : {Language::English, Language::Russian})
          for (auto& [id, view] : all_views()) {
            set_language(l);
            Scene scene{step, {}};
            scene.at.cursor = Cell{9, 3};
            scene.at.pins = {{18, 1}};
            WaitingTiles tiles;
            const Rect area = area_for(id, w, h);
            RememberingCanvas canvas(area, *theme, tiles);
            view->draw(canvas, scene);
            QCOMPARE(canvas.clips, 0);
            QVERIFY2(canvas.count > 3, id.c_str());
            for (const auto& t : canvas.texts) {
              const auto [a, b] = corners(t);
              const QString what = QString("%1 %2x%3: '%4' at %5,%6 to %7,%8")
                                       .arg(id.c_str())
                                       .arg(w)
                                       .arg(h)
                                       .arg(t.text.c_str())
                                       .arg(a.x)
                                       .arg(a.y)
                                       .arg(b.x)
                                       .arg(b.y);
              QVERIFY2(t.style.px >= 10, qPrintable(what));
              if (id == "strip" && t.style.face == Face::Mono) continue;  // scrolls under its clip
              const float slack = 4;
              QVERIFY2(std::min(a.x, b.x) >= area.x - slack && std::max(a.x, b.x) <= area.right() + slack &&
                           std::min(a.y, b.y) >= area.y && std::max(a.y, b.y) <= area.bottom() + slack,
                       qPrintable(what));
            }
            SvgCanvas svg({.width = area.w, .height = area.h, .title = id}, *theme, tiles);
            view->draw(svg, scene);
            const std::string file = svg.finish();
            QXmlStreamReader xml(QByteArray::fromStdString(file));
            while (!xml.atEnd()) xml.readNext();
            QVERIFY2(!xml.hasError(), qPrintable(xml.errorString()));
            keep_picture(QString("%1-%2-%3-%4-%5")
                             .arg(id.c_str(),
                                  !step          ? "empty"
                                  : step == gpt_ ? "gpt"
                                                 : "bert",
                                  theme->dark ? "dark" : "light", l == Language::English ? "en" : "ru")
                             .arg(w),
                         file);
          }
  }

  /// A click at the middle of a cell that the canvas was told to paint gives that very cell.
  void a_click_finds_its_cell() {
    WaitingTiles tiles;
    const auto view = make_view("attention");
    Scene scene{gpt_, {}};
    for (const int notches : {0, 3, 5}) {
      view->fit();
      if (notches > 0) view->wheel({300, 400}, static_cast<float>(notches), scene);
      RememberingCanvas canvas({0, 0, 650, 686}, dark_theme(), tiles);
      view->draw(canvas, scene);
      if (notches > 0) {  // the first drawing gave the view its place
        view->wheel({300, 400}, static_cast<float>(notches), scene);
        canvas.maps.clear();
        view->draw(canvas, scene);
      }
      QCOMPARE(canvas.maps.size(), size_t{1});
      const auto [place, request] = canvas.maps.front();
      QCOMPARE(request.rows, request.queries.size());
      int found = 0;
      for (int64_t q = request.queries.begin; q < request.queries.end; ++q)
        for (int64_t k = request.keys.begin; k < request.keys.end; ++k) {
          const Point middle{place.x + (static_cast<float>(k - request.keys.begin) + 0.5f) * place.w /
                                           static_cast<float>(request.keys.size()),
                             place.y + (static_cast<float>(q - request.queries.begin) + 0.5f) * place.h /
                                           static_cast<float>(request.queries.size())};
          const Gesture gesture = view->click(middle, scene);
          const Pin* pin = std::get_if<Pin>(&gesture);
          if (!pin) continue;  // zoomed: that cell lies outside the map's frame
          ++found;
          QVERIFY(pin->cell == (Cell{q, k}));
        }
      QVERIFY(found >= 9);
      if (notches == 0) QCOMPARE(found, 24 * 24);
    }
  }
  void zoom_keeps_the_cell_under_the_cursor() {
    WaitingTiles tiles;
    const auto view = make_view("attention");
    Scene scene{gpt_, {}};
    RememberingCanvas canvas({0, 0, 650, 686}, dark_theme(), tiles);
    view->draw(canvas, scene);
    const Rect map = canvas.maps.front().place;
    const Point p{map.x + 0.3f * map.w, map.y + 0.7f * map.h};
    Selection before, after;
    view->hover(p, scene, before);
    view->wheel(p, 4, scene);
    view->hover(p, scene, after);
    QVERIFY(before.cursor && before.cursor == after.cursor);
    canvas.maps.clear();
    view->draw(canvas, scene);
    QVERIFY(canvas.maps.front().request.keys.size() < 24);
    view->fit();
    canvas.maps.clear();
    view->draw(canvas, scene);
    QCOMPARE(canvas.maps.front().request.keys.size(), int64_t{24});
  }
  void a_thumbnail_selects_its_head() {
    WaitingTiles tiles;
    const auto view = make_view("heads");
    Scene scene{gpt_, {}};
    RememberingCanvas canvas({0, 0, 434, 440}, dark_theme(), tiles);
    view->draw(canvas, scene);
    QCOMPARE(canvas.maps.size(), size_t{36});
    for (const auto& [place, request] : canvas.maps) {
      const Gesture gesture = view->click({place.x + place.w / 2, place.y + place.h / 2}, scene);
      const SelectHead* select = std::get_if<SelectHead>(&gesture);
      QVERIFY(select && select->head == request.head && select->block == gpt_->graph()[request.probs].block);
    }
  }
  void a_mask_cell_is_flipped() {
    WaitingTiles tiles;
    const auto view = make_view("mask");
    Scene scene{gpt_, {}};
    scene.at.edit_mask = true;
    RememberingCanvas canvas({0, 0, 650, 686}, dark_theme(), tiles);
    view->draw(canvas, scene);
    int allowed = 0, masked = 0;
    for (float y = 0; y < 686; y += 3)
      for (float x = 0; x < 650; x += 3) {
        const Gesture gesture = view->click({x, y}, scene);
        if (const auto* flip = std::get_if<ToggleMaskCell>(&gesture)) {
          QCOMPARE(flip->allow, flip->cell.key > flip->cell.query);  // the rule is causal
          ++(flip->allow ? masked : allowed);
        }
      }
    QVERIFY(allowed > 1000 && masked > 1000);
  }
  /// The counts that the view says, against cells asked one by one.
  void masks_are_counted() {
    auto bits = std::make_shared<MaskBits>(20, 40);
    for (int64_t q = 0; q < 20; ++q)
      for (int64_t k = 0; k < 40; ++k) bits->set(q, k, (q * 7 + k * 5) % 3 == 0 && q != 4);
    MaskRule painted{MaskRule::Kind::Custom, 0, bits};
    for (const MaskRule& rule : {MaskRule{}, *MaskRule::parse("bidirectional"), *MaskRule::parse("prefix:9"),
                                 *MaskRule::parse("window:5"), painted}) {
      auto step = std::make_shared<Snapshot>(*gpt_);
      step->masks = {rule};
      int64_t allowed = 0;
      for (int64_t q = 0; q < 24; ++q)
        for (int64_t k = 0; k < 24; ++k) allowed += rule.allowed(q, k);
      WaitingTiles tiles;
      const auto view = make_view("mask");
      const std::string said = view->readout({step, {}}, tiles)[1].value;
      QCOMPARE(said, std::to_string(allowed) + " of 576 pairs allowed");
      const Array array = view->arrays({step, {}}, tiles)[0];
      QCOMPARE(std::count(array.values.begin(), array.values.end(), 1.f), allowed);
      RememberingCanvas canvas({0, 0, 650, 686}, dark_theme(), tiles);
      view->draw(canvas, {step, {}});
      double filled = 0;  // painted area over that of a cell: what is drawn is what is counted
      const float cell = [&] {
        float w = 0;
        for (const Rect& r : canvas.fills) w = std::max(w, r.h);
        return w;
      }();
      for (const Rect& r : canvas.fills)
        if (r.h >= cell - 0.01f && r.h > 12) filled += r.w * r.h / (cell * cell);
      QVERIFY2(std::abs(filled - static_cast<double>(allowed)) < 0.6,
               qPrintable(QString("%1 %2 %3").arg(rule.text().c_str()).arg(filled).arg(allowed)));
    }
  }
  void a_listed_token_can_be_taken() {
    WaitingTiles tiles;
    const auto view = make_view("logits");
    Scene scene{gpt_, {}};
    RememberingCanvas canvas({0, 0, 400, 500}, dark_theme(), tiles);
    view->draw(canvas, scene);
    const Gesture gesture = view->click({120, 40 + 11}, scene);
    const auto* choose = std::get_if<ChooseToken>(&gesture);
    QVERIFY(choose && choose->position == 24 && choose->id == gpt_->best.front().id);
    scene.step = bert_;
    view->draw(canvas, scene);
    const Gesture fill = view->click({120, 36 + 24 + 11}, scene);
    choose = std::get_if<ChooseToken>(&fill);
    QVERIFY(choose && choose->position == 6 && choose->id == bert_->fills.front().best.front().id);
  }
  void a_token_of_the_strip_is_selected() {
    NoTiles tiles;
    const auto strip = make_token_strip();
    Scene scene{gpt_, {}};
    RememberingCanvas canvas({0, 0, 2400, 64}, dark_theme(), tiles);
    strip->draw(canvas, scene);
    int64_t expected = 0;
    for (const auto& t : canvas.texts) {
      if (t.style.face != Face::Mono || t.style.px != 12) continue;
      const Gesture gesture = strip->click({t.at.x, 28}, scene);
      const auto* select = std::get_if<SelectToken>(&gesture);
      QVERIFY(select && select->position == expected++);
    }
    QCOMPARE(expected, int64_t{24});
  }

  void tables_equal_tiles_data() {
    QTest::addColumn<bool>("masked_model");
    QTest::addColumn<bool>("without_sink");
    QTest::newRow("gpt") << false << false;
    QTest::newRow("gpt without sink") << false << true;
    QTest::newRow("bert") << true << false;
  }
  void tables_equal_tiles() {
    QFETCH(bool, masked_model);
    QFETCH(bool, without_sink);
    const SnapshotPtr step = masked_model ? bert_ : gpt_;
    Scene scene{step, {}};
    scene.at.block = "layers.2.attn", scene.at.head = 3, scene.at.without_sink = without_sink;
    WaitingTiles tiles;
    const auto view = make_view("attention");
    const Table table = view->table(scene, tiles);
    const auto arrays = view->arrays(scene, tiles);
    QCOMPARE(table.rows.size(), size_t{24 * 24});
    TileRequest r;
    r.step = step, r.probs = step->graph().in("layers.2.attn", Role::Probs), r.head = 3;
    r.queries = r.keys = {0, 24}, r.rows = r.columns = 24, r.without_sink = without_sink;
    const auto tile = step->backend->tile(r);
    QVERIFY(tile);
    for (size_t i = 0; i < table.rows.size(); ++i) {
      const float want = tile->values[i], in_array = arrays[0].values[i];
      const std::string& said = table.rows[i][6];
      QCOMPARE(table.rows[i][7] == "1", want == masked_cell);
      QCOMPARE(std::isnan(in_array), want < 0);
      if (want < 0) continue;
      QCOMPARE(std::stof(said), want);
      QCOMPARE(in_array, want);
    }
    double sum = 0;
    for (size_t k = 0; k < 24; ++k)
      if (tile->values[23 * 24 + k] >= 0) sum += std::stof(table.rows[23 * 24 + k][6]);
    QVERIFY(std::abs(sum - 1) < 1e-5);
  }
  void every_view_has_data() {
    WaitingTiles tiles;
    for (auto& [id, view] : all_views()) {
      const Scene scene{gpt_, {}};
      const Table table = view->table(scene, tiles);
      QVERIFY2(!table.rows.empty(), id.c_str());
      for (const auto& row : table.rows) QCOMPARE(row.size(), table.columns.size());
      for (const Array& array : view->arrays(scene, tiles)) {
        int64_t n = 1;
        for (const int64_t size : array.shape) n *= size;
        QCOMPARE(n, static_cast<int64_t>(array.values.size()));
      }
      QVERIFY2(!view->readout(scene, tiles).empty(), id.c_str());
      QVERIFY(view->table({}, tiles).rows.empty());
      QVERIFY(view->readout({}, tiles).empty());
    }
  }
  void the_cache_view_measures() {
    WaitingTiles tiles;
    const Table table = make_view("cache")->table({gpt_, {}}, tiles);
    QCOMPARE(table.rows.size(), size_t{6});
    size_t used = 0;
    for (const auto& row : table.rows) {
      QCOMPARE(row[2],
               std::to_string(2 * 96 * 4 * gpt_->state.begin()->second.rows()));  // K and V, 96 floats a position
      QCOMPARE(row[2], row[4]);
      used += std::stoull(row[2]);
    }
    QCOMPARE(used, gpt_->cache_used_bytes());
    QVERIFY(!make_view("cache")->refusal(*bert_).empty() || !bert_->state.empty());
  }
  /// The mouse over a cell says the head of keys and values, the query heads that share it, its bytes and the saving.
  void the_cache_view_tells_what_is_shared_data() {
    QTest::addColumn<QString>("config");
    QTest::addColumn<QString>("heads");
    QTest::addColumn<QString>("bytes");
    QTest::addColumn<QString>("saved");
    QTest::newRow("mha") << R"("model_type":"llama","num_attention_heads":4)"
                         << "3"
                         << "64 B"
                         << "";
    QTest::newRow("gqa") << R"("model_type":"llama","num_attention_heads":4,"num_key_value_heads":2)"
                         << "2–3"
                         << "64 B"
                         << "64 B, 50.0 %";
    QTest::newRow("mqa") << R"("model_type":"llama","num_attention_heads":4,"num_key_value_heads":1)"
                         << "0–3"
                         << "64 B"
                         << "192 B, 75.0 %";
    QTest::newRow("mla") << R"("model_type":"deepseek_v3","num_attention_heads":4,"n_routed_experts":null,
      "q_lora_rank":null,"kv_lora_rank":12,"qk_nope_head_dim":8,"qk_rope_head_dim":4,"v_head_dim":8)"
                         << "0–3"
                         << "64 B"
                         << "256 B, 80.0 %";  // 16 values against 4 * (12 + 8)
    QTest::newRow("window") << R"("model_type":"mistral","num_attention_heads":4,"num_key_value_heads":4,
      "sliding_window":5)"
                            << "3"
                            << "forgotten"
                            << "";
  }
  void the_cache_view_tells_what_is_shared() {
    QFETCH(QString, config);
    QFETCH(QString, heads);
    QFETCH(QString, bytes);
    QFETCH(QString, saved);
    const std::string text = "{" + config.toStdString() + R"(,"num_hidden_layers":2,"hidden_size":32,
      "intermediate_size":32,"vocab_size":40,"max_position_embeddings":96})";
    const auto parsed = Config::parse("config.json", text);
    const auto spec = architecture_for(*parsed->text("model_type", ""))->read_config(*parsed);
    QVERIFY(spec);
    auto session = Session::start(random_model(*spec), make_cpu_backend(1));
    const SnapshotPtr step = *(*session)->read_ids(random_ids(*spec, 20));
    const auto view = make_view("cache");
    WaitingTiles tiles;
    RememberingCanvas canvas({0, 0, 1084, 686}, dark_theme(), tiles);
    Scene scene{step, {}};
    view->draw(canvas, scene);
    // Two bands between the title and the axis, 32 positions wide: the lower end of the second is its last head.
    const Rect cells{84, 64, 1084 - 340 - 68 - 76, 144};
    const Point over{cells.x + cells.w / 32 * 3.5f, cells.bottom() - 8};
    view->hover(over, scene, scene.at);
    QCOMPARE(scene.at.cursor, std::optional<Cell>(Cell{3, 3}));
    const std::vector<Readout> lines = view->readout(scene, tiles);
    const QString kv = config.contains("deepseek") || heads == "0–3" ? "0" : heads == "2–3" ? "1" : "3";
    QCOMPARE(QString::fromStdString(lines[0].label), "L1, KV " + kv);
    QCOMPARE(QString::fromStdString(lines[0].value), QString("position 3"));
    QCOMPARE(QString::fromStdString(lines[1].value), heads);
    QCOMPARE(QString::fromStdString(lines[2].value), bytes);
    QCOMPARE(lines[3].label == say(Word::SavedAgainstMha), !saved.isEmpty());
    if (!saved.isEmpty()) QCOMPARE(QString::fromStdString(lines[3].value), saved);
    const Gesture gesture = view->click(over, scene);
    QVERIFY(std::holds_alternative<SelectToken>(gesture));
    QCOMPARE(std::get<SelectToken>(gesture).position, 3);
    view->hover({1080, 680}, scene, scene.at);
    QVERIFY(!scene.at.cursor);
  }
  void the_receipt_adds_up() {
    WaitingTiles tiles;
    const Table table = make_view("receipt")->table({gpt_, {}}, tiles);
    QCOMPARE(table.rows[0][0], std::string("self"));
    QCOMPARE(table.rows[0][1], std::string("0 1 2 3 4 5"));
    QCOMPARE(table.rows[0][2], std::string("6 L × 2 × 6 × 16 × 4 B × T"));
    QCOMPARE(table.rows[1][0], std::string("total"));
    for (int column : {3, 4}) QCOMPARE(table.rows[1][column], std::to_string(gpt_->cache_used_bytes()));
    QCOMPARE(table.rows[1][5], std::to_string(gpt_->cache_allocated_bytes()));
    for (size_t i = 2; i < table.rows.size() - 1; ++i) QCOMPARE(table.rows[i][8], std::string("0"));  // all heads alike
    QCOMPARE(table.rows.back()[2], std::string("2 B × parameters"));
  }
  void scores_find_a_previous_token_head() {
    Snapshot step = *gpt_;
    Tile tile;
    tile.request.rows = tile.request.columns = 24;
    tile.request.probs = gpt_->graph().with(Role::Probs).front();
    tile.values.assign(24 * 24, 0.f);
    tile.values[0] = 1;
    for (size_t q = 1; q < 24; ++q) tile.values[q * 24 + q - 1] = 1;
    const HeadScores scores = scores_of(step, tile);
    QCOMPARE(scores.previous, 1.);
    QVERIFY(head_type(scores) && head_type(scores)->first == Word::TypePrevious);
    // An induction head: "the" (4) comes again at 12 and 21, " it" at 18, " to" at 20; each looks behind its earlier
    // copy.
    tile.values.assign(24 * 24, 0.f);
    for (size_t q = 0; q < 24; ++q) {
      size_t key = 0;
      for (size_t k = 0; k < q; ++k)
        if (step.ids[k] == step.ids[q]) key = k + 1;
      tile.values[q * 24 + key] = 1;
    }
    QVERIFY(scores_of(step, tile).induction > 0.99);
  }

  void a_long_text_is_drawn_in_bounds_data() {
    QTest::addColumn<int>("tokens");
    for (const int n : {1, 2, 3, 100, 1000, 20000, 100000}) QTest::addRow("%d", n) << n;
  }
  void a_long_text_is_drawn_in_bounds() {
    QFETCH(int, tokens);
    auto step = std::make_shared<Snapshot>(*gpt_);
    step->backend = nullptr;
    step->state.clear();
    step->recording.clear();
    for (int i = 0; static_cast<int>(step->ids.size()) < tokens; ++i) step->ids.push_back(i % 30);
    step->ids.resize(static_cast<size_t>(tokens));
    step->pieces.clear();
    for (const int32_t id : step->ids) step->pieces.push_back(step->model->tokenizer->piece(id));
    step->n_prompt = std::min(step->n_prompt, step->positions());
    step->surprisal_bits.assign(step->ids.size(), 3.f);
    for (const char* rule : {"causal", "window:64", "bidirectional", "prefix:5"}) {
      step->masks = {*MaskRule::parse(rule)};
      step->serial += 1000;
      for (auto& [id, view] : all_views()) {
        NoTiles tiles;
        RememberingCanvas canvas(area_for(id, 1084, 686), dark_theme(), tiles);
        QElapsedTimer timer;
        timer.start();
        view->draw(canvas, {step, {}});
        QVERIFY2(canvas.count < 8000, qPrintable(QString("%1 %2").arg(id.c_str()).arg(canvas.count)));
        QVERIFY2(timer.elapsed() < 500, qPrintable(QString("%1 %2 ms").arg(id.c_str()).arg(timer.elapsed())));
        for (const auto& [place, request] : canvas.maps) QVERIFY(request.rows <= 700 && request.columns <= 1100);
      }
    }
  }

 private:
  /// Writes the pictures for a person to look at when CUTAWAY_PICTURES names a folder.
  static void keep_picture(const QString& name, const std::string& svg) {
    const QString folder = qEnvironmentVariable("CUTAWAY_PICTURES");
    if (folder.isEmpty()) return;
    QFile file(folder + "/" + name + ".svg");
    if (file.open(QFile::WriteOnly)) file.write(svg.data(), static_cast<qint64>(svg.size()));
  }
  SnapshotPtr gpt_, bert_;
};

QTEST_APPLESS_MAIN(TestViews)
#include "test_views.moc"
