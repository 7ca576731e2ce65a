// One map, queries x keys: a head's weights, or the mean or largest over the heads of a layer. Asks for roles, never
// for an architecture. Where there is room, every head of the model and the row in view stand beside it.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "widgets/fonts.h"
#include "widgets/heat.h"
#include "widgets/views/head_grid.h"
#include "widgets/views/parts.h"

namespace cutaway {
namespace {

constexpr float label_px = 11, tick_px = 10, labels_from = 9, legend_height = 48;
constexpr float beside_from = 940;  // px of width at which heads and row profile stand beside the map
constexpr int64_t most_file_cells = int64_t{1} << 24;

class AttentionMap final : public View {
 public:
  std::string_view id() const override { return "attention"; }
  Word name() const override { return Word::ViewAttention; }
  std::string refusal(const Snapshot& s) const override {
    return s.graph().with(Role::Probs).empty() ? std::string(say(Word::NoMaps)) : std::string();
  }

  void draw(Canvas& c, const Scene& s) override {
    Rect area = c.area();
    map_ = {};
    grid_shown_ = false;
    const auto map = map_of(s);
    if (!map || map->queries == 0) return draw_empty(c, area, s);
    if (area.w >= beside_from && area.w > 1.25f * area.h) {
      const float right = std::clamp(std::round(area.w * 0.4f), 360.f, 560.f);
      const float split = std::round(area.h * 0.66f);
      grid_shown_ = true;
      grid_area_ = {area.right() - right, area.y, right, split};
      c.begin_group("heads");
      grid_.draw_in(c, grid_area_, s);
      c.end_group();
      c.begin_group("row");
      draw_profile(c, {area.right() - right, area.y + split, right, area.h - split}, s, *map);
      c.end_group();
      area.w -= right;
    }
    c.begin_group("map");
    draw_map(c, area, s, *map);
    c.end_group();
  }

  void hover(Point p, const Scene& s, Selection& at) override {
    grid_.hover(p, s, at);  // outside of it, so that its last thumbnail is let go
    if (grid_shown_ && grid_area_.contains(p)) return;
    const auto map = map_of(s);
    at.cursor = map ? zoom_.cell(map_, p, map->queries, map->keys) : std::nullopt;
  }
  Gesture click(Point p, const Scene& s) override {
    if (grid_shown_ && grid_area_.contains(p)) return grid_.click(p, s);
    const auto map = map_of(s);
    if (!map) return {};
    if (const auto cell = zoom_.cell(map_, p, map->queries, map->keys)) return Pin{*cell};
    return {};
  }
  Gesture double_click(Point p, const Scene& s) override {
    if (grid_shown_ && grid_area_.contains(p)) return grid_.double_click(p, s);
    const auto map = map_of(s);
    if (map && map_.contains(p)) return SelectHead{map->block, map->head, true};
    return {};
  }
  void drag(Point from, Point to, const Scene& s) override {
    if (const auto map = map_of(s)) zoom_.pan(map_, to.x - from.x, to.y - from.y, map->queries, map->keys);
  }
  void wheel(Point p, float notches, const Scene& s) override {
    if (const auto map = map_of(s)) zoom_.wheel(map_, p, notches, map->queries, map->keys);
  }
  void fit() override { zoom_.fit(); }
  void move_cursor(int dq, int dk, const Scene& s, Selection& at) override {
    const auto map = map_of(s);
    if (!map || map->queries == 0) return;
    const Cell from = at.cursor.value_or(at.pins.empty() ? Cell{row_in_view(s, *map), 0} : at.pins.back());
    at.cursor = Cell{std::clamp<int64_t>(from.query + dq, 0, map->queries - 1),
                     std::clamp<int64_t>(from.key + dk, 0, map->keys - 1)};
  }

  std::vector<Readout> readout(const Scene&, TileSource&) const override;
  Table table(const Scene&, TileSource&) const override;
  std::vector<Array> arrays(const Scene&, TileSource&) const override;

 private:
  void draw_empty(Canvas&, Rect, const Scene&);
  void draw_map(Canvas&, Rect, const Scene&, const MapOf&);
  void place_map(Canvas&, Rect, const Scene&, const MapOf&);
  void draw_labels(Canvas&, const Scene&, const MapOf&);
  void draw_ticks(Canvas&, const Scene&, const MapOf&);
  void draw_cursor(Canvas&, const Scene&, const MapOf&);
  void draw_legend(Canvas&, Rect, const Scene&, const MapOf&, const TileRequest&);
  void draw_profile(Canvas&, Rect, const Scene&, const MapOf&);

  Zoom zoom_;
  Rect map_, grid_area_;
  bool grid_shown_ = false, predictions_shown_ = false, labelled_ = true;
  HeadGrid grid_;
};

void AttentionMap::draw_empty(Canvas& c, Rect area, const Scene& s) {
  put_title(c, area, say(Word::ViewAttention));
  const Rect inside{area.x + 16, area.y + title_height + 12, area.w - 32, area.h - title_height - 28};
  put_grid(c, inside, 16);
  put_notice(c, inside,
             s.step ? refusal(*s.step).empty() ? std::string(say(Word::PressSpace)) : refusal(*s.step)
                    : std::string(say(Word::PressSpace)));
}

/// Finds room for a square map: with labels around it where its cells are then large enough for them, else with ticks.
/// Cells stand on whole or half pixels where they are large enough.
void AttentionMap::place_map(Canvas& c, Rect area, const Scene& s, const MapOf& map) {
  float label = 0;
  const int64_t looked_at = std::min<int64_t>(map.queries, 256);  // a longer text gets ticks until it is zoomed
  for (int64_t i = 0; i < looked_at; ++i)
    label = std::max(label, c.text_width(token_on_axis(*s.step, i, map.query_text), Face::Mono, label_px));
  for (int64_t i = 0; i < std::min<int64_t>(map.keys, 256); ++i)
    label = std::max(label, c.text_width(token_on_axis(*s.step, i, map.key_text), Face::Mono, label_px));
  label = std::clamp(label, 24.f, std::min(96.f, area.w * 0.16f));
  predictions_shown_ =
      s.step->model->spec.objective == Objective::CausalLm && map.query_text == Counts::DecoderTokens && area.w >= 480;
  const auto cells = static_cast<float>(std::max(map.queries, map.keys));
  const auto side_in = [&](float left, float right, float top) {
    const float side = std::min(area.w - left - right, area.h - top - legend_height - 8);
    return std::max(40.f, std::min(side, 56 * cells));  // a short text doesn't fill the page with giant cells
  };
  float left = 24 + label, top = title_height + label * 0.82f + 16;
  float side = side_in(left, predictions_shown_ ? label + 24 : 24, top);
  const double in_sight = zoom_.span(std::max(map.queries, map.keys));
  labelled_ = side / in_sight >= labels_from;
  if (!labelled_) {
    predictions_shown_ = false;
    left = 64, top = title_height + 28;
    side = side_in(left, 24, top);
  }
  if (side / cells >= 6) side = std::floor(side / cells * 2) / 2 * cells;
  map_ = {std::round(area.x + left), std::round(area.y + top), side * static_cast<float>(map.keys) / cells,
          side * static_cast<float>(map.queries) / cells};
}

void AttentionMap::draw_map(Canvas& c, Rect area, const Scene& s, const MapOf& map) {
  place_map(c, area, s, map);
  std::string rest(say(Word::RowsAttend));
  if (s.at.cursor) {
    const int64_t q = std::clamp<int64_t>(s.at.cursor->query, 0, map.queries - 1);
    const std::string next = predicted_at(*s.step, q, map.query_text);
    if (!next.empty()) rest = say(Word::AtPredicts, {token_on_axis(*s.step, q, map.query_text), next});
  }
  put_title(c, area, say_head(map, s.at.heads), rest);

  // Whole cells around what is in sight; the clip cuts them at the edge of the map.
  const double span_q = zoom_.span(map.queries), span_k = zoom_.span(map.keys);
  const Range queries{
      static_cast<int64_t>(std::floor(zoom_.first_query(map.queries))),
      std::min(map.queries, static_cast<int64_t>(std::ceil(zoom_.first_query(map.queries) + span_q - 1e-6)))};
  const Range keys{static_cast<int64_t>(std::floor(zoom_.first_key(map.keys))),
                   std::min(map.keys, static_cast<int64_t>(std::ceil(zoom_.first_key(map.keys) + span_k - 1e-6)))};
  const Rect first = zoom_.rect(map_, {queries.begin, keys.begin}, map.queries, map.keys);
  const Rect last = zoom_.rect(map_, {queries.end - 1, keys.end - 1}, map.queries, map.keys);
  const Rect covered{first.x, first.y, last.right() - first.x, last.bottom() - first.y};
  const auto side_limit = static_cast<int64_t>(std::sqrt(static_cast<double>(c.most_cells())));
  const TileRequest request = request_of(s, map, queries, keys, std::min<int64_t>(std::lround(map_.h), side_limit),
                                         std::min<int64_t>(std::lround(map_.w), side_limit));
  c.push_clip(map_);
  c.heat_map(covered, request, s.at.scale);
  c.pop_clip();
  c.outline({map_.x - 0.5f, map_.y - 0.5f, map_.w + 1, map_.h + 1}, c.theme().hairline, 1);

  if (labelled_)
    draw_labels(c, s, map);
  else
    draw_ticks(c, s, map);
  draw_cursor(c, s, map);
  draw_legend(c, area, s, map, request);
}

/// A token at every row and column in sight; the ones under the cursor or pinned in the accent colour.
void AttentionMap::draw_labels(Canvas& c, const Scene& s, const MapOf& map) {
  const Theme& t = c.theme();
  const auto marked = [&](auto position_of, int64_t i) {
    return (s.at.cursor && position_of(*s.at.cursor) == i) ||
           std::any_of(s.at.pins.begin(), s.at.pins.end(), [&](const Cell& pin) { return position_of(pin) == i; });
  };
  const auto query_of = [](const Cell& cell) { return cell.query; };
  const auto key_of = [](const Cell& cell) { return cell.key; };
  const float px = std::min(label_px, std::max(10.f, map_.h / static_cast<float>(zoom_.span(map.queries)) - 1));
  const float room = map_.x - c.area().x - 20;
  const auto first_q = static_cast<int64_t>(zoom_.first_query(map.queries)),
             first_k = static_cast<int64_t>(zoom_.first_key(map.keys));
  const float cell_h = map_.h / static_cast<float>(zoom_.span(map.queries)),
              cell_w = map_.w / static_cast<float>(zoom_.span(map.keys));
  for (int64_t q = first_q; q < map.queries; ++q) {
    const float y = zoom_.y(map_, static_cast<double>(q) + 0.5, map.queries);
    if (y > map_.bottom() - cell_h * 0.4f) break;
    if (y < map_.y + cell_h * 0.4f) continue;
    const bool on = marked(query_of, q);
    put(c, map_.x - 8, y, fitted(token_on_axis(*s.step, q, map.query_text), Face::Mono, px, room),
        {Face::Mono, px, on ? t.accent : t.secondary, Align::Right});
    if (!predictions_shown_) continue;
    put(c, map_.right() + 8, y, fitted(predicted_at(*s.step, q, map.query_text), Face::Mono, px, room),
        {Face::Mono, px, on ? t.accent : t.dim});
  }
  for (int64_t k = first_k; k < map.keys; ++k) {
    const float x = zoom_.x(map_, static_cast<double>(k) + 0.5, map.keys);
    if (x > map_.right() - cell_w * 0.4f) break;
    if (x < map_.x + cell_w * 0.4f) continue;
    c.text({x + 3, map_.y - 6}, fitted(token_on_axis(*s.step, k, map.key_text), Face::Mono, px, room),
           {Face::Mono, px, marked(key_of, k) ? t.accent : t.secondary, Align::Left, 55});
  }
  if (!predictions_shown_) return;
  const float y = map_.y - 8;
  put(c, map_.x - 8, y, say(Word::At), {Face::Sans, 10, t.dim, Align::Right});
  // The header of the right column would meet the turned labels of the last keys; it stands below the column.
  put(c, map_.right() + 8, map_.bottom() + 10,
      fitted(say(Word::Predicts), Face::Sans, 10, c.area().right() - map_.right() - 8), {Face::Sans, 10, t.dim});
}

/// Positions at round steps where cells are too small for tokens.
void AttentionMap::draw_ticks(Canvas& c, const Scene& s, const MapOf& map) {
  const Theme& t = c.theme();
  const float per_query = map_.h / static_cast<float>(zoom_.span(map.queries)),
              per_key = map_.w / static_cast<float>(zoom_.span(map.keys));
  const int64_t step = tick_step(std::min(per_query, per_key), 48);
  const auto first = [&](double begin) {
    return static_cast<int64_t>(std::ceil(begin / static_cast<double>(step))) * step;
  };
  for (int64_t q = first(zoom_.first_query(map.queries)); q < map.queries; q += step) {
    const float y = zoom_.y(map_, static_cast<double>(q) + 0.5, map.queries);
    if (y > map_.bottom()) break;
    c.line({map_.x - 4, y}, {map_.x, y}, t.dim, 1, false);
    put(c, map_.x - 8, y, say_integer(q), {Face::Sans, tick_px, t.dim, Align::Right});
  }
  for (int64_t k = first(zoom_.first_key(map.keys)); k < map.keys; k += step) {
    const float x = zoom_.x(map_, static_cast<double>(k) + 0.5, map.keys);
    if (x > map_.right()) break;
    c.line({x, map_.y - 4}, {x, map_.y}, t.dim, 1, false);
    put(c, x, map_.y - 12, say_integer(k), {Face::Sans, tick_px, t.dim, Align::Center});
  }
  if (!s.at.cursor) return;
  // The token under the cursor takes the place of the ticks beside it.
  const auto label = [&](float x, float y, int64_t position, Align align) {
    const Counts text = align == Align::Right ? map.query_text : map.key_text;
    const std::string token = fitted(token_on_axis(*s.step, position, text), Face::Mono, label_px,
                                     align == Align::Right ? map_.x - c.area().x - 16 : 120.f);
    const float w = c.text_width(token, Face::Mono, label_px), left = align == Align::Right ? x - w : x - w / 2;
    c.fill({left - 4, y - 8, w + 8, 16}, t.canvas);
    put(c, left, y, token, {Face::Mono, label_px, t.accent});
  };
  const Cell at{std::min(s.at.cursor->query, map.queries - 1), std::min(s.at.cursor->key, map.keys - 1)};
  const float y = zoom_.y(map_, static_cast<double>(at.query) + 0.5, map.queries),
              x = zoom_.x(map_, static_cast<double>(at.key) + 0.5, map.keys);
  if (y >= map_.y && y <= map_.bottom()) label(map_.x - 8, y, at.query, Align::Right);
  if (x >= map_.x && x <= map_.right())
    label(std::clamp(x, c.area().x + 64, c.area().right() - 64), map_.y - 12, at.key, Align::Center);
}

/// Row and column of the cell under the cursor, and the pins: you are here.
void AttentionMap::draw_cursor(Canvas& c, const Scene& s, const MapOf& map) {
  const Color accent = c.theme().accent;
  const auto outline = [&](Cell from, Cell to, Color color, float width) {
    const Rect a = zoom_.rect(map_, from, map.queries, map.keys), b = zoom_.rect(map_, to, map.queries, map.keys);
    c.outline({a.x, a.y, b.right() - a.x, b.bottom() - a.y}, color, width);
  };
  const auto inside = [&](Cell cell) { return cell.query < map.queries && cell.key < map.keys; };
  c.push_clip(map_.inset(-1));
  const MaskRule* rule = s.step->masks.empty() ? nullptr : &s.step->mask_of(map.probs);
  const auto cross = [&](Cell cell) {
    const auto [begin, end] = rule ? rule->span(cell.query, map.keys) : std::pair<int64_t, int64_t>{0, map.keys};
    if (end > begin) outline({cell.query, begin}, {cell.query, end - 1}, accent.alpha(140), 1);
    const bool causal = rule && rule->kind == MaskRule::Kind::Causal;
    outline({causal ? std::min(cell.key, map.queries - 1) : 0, cell.key}, {map.queries - 1, cell.key},
            accent.alpha(140), 1);
  };
  for (const Cell& pin : s.at.pins) {
    if (!inside(pin)) continue;
    if (!s.at.cursor && &pin == &s.at.pins.back()) cross(pin);
    outline(pin, pin, accent, 2);
  }
  if (s.at.cursor && inside(*s.at.cursor)) {
    cross(*s.at.cursor);
    outline(*s.at.cursor, *s.at.cursor, accent, 2);
  }
  c.pop_clip();
}

/// The scale with its mode and range, what the marks mean, what was done to the rows.
void AttentionMap::draw_legend(Canvas& c, Rect area, const Scene& s, const MapOf& map, const TileRequest& request) {
  const Theme& t = c.theme();
  const float y = map_.bottom() + 14 + (predictions_shown_ ? 6 : 0);
  const float x0 = map_.w >= 300 ? map_.x : area.x + 16, bar = 160;
  const float end = std::min(area.right() - 16, std::max(map_.right(), x0 + 420));
  put_palette(c, {x0, y, bar, 10});
  const TextStyle small{Face::Sans, 10, t.dim};
  std::string low = "0", high(say(Word::RowMax)), mode(say(Word::Weight));
  if (s.at.scale == ScaleMode::Global) {
    const auto tile = c.tiles().best(request);
    high = tile ? say_number(largest_weight(*tile)) : "…";
  } else if (s.at.scale == ScaleMode::Log) {
    low = "≤ 1e-6", high = "1", mode = say(Word::WeightLog);
  }
  put(c, x0, y + 18, low, small);
  put(c, x0 + bar / 2, y + 18, mode, {Face::Sans, 10, t.dim, Align::Center});
  put(c, x0 + bar, y + 18, high, {Face::Sans, 10, t.dim, Align::Right});

  float x = x0 + bar + 24;
  const MaskRule* rule = s.step->masks.empty() ? nullptr : &s.step->mask_of(map.probs);
  if (!rule || rule->kind != MaskRule::Kind::Bidirectional) x = put_mark(c, x, y + 5, true, {}, say(Word::Masked));
  if (!s.at.pins.empty()) x = put_mark(c, x, y + 5, false, t.accent, say(Word::Pinned));

  std::vector<std::string> notes;
  if (s.at.without_sink)
    notes.push_back(say(Word::SinkOut, {token_on_axis(*s.step, 0, map.key_text)}));
  else
    notes.push_back(std::string(say(s.at.heads == Heads::Max ? Word::RowsMaxNote : Word::RowsSum)));
  if (request.rows < request.queries.size() || request.columns < request.keys.size())
    notes.push_back(
        say(Word::PooledMax, {fmt::format("{} × {}", (request.queries.size() + request.rows - 1) / request.rows,
                                          (request.keys.size() + request.columns - 1) / request.columns)}));
  if (s.step->model->random_weights) notes.push_back(std::string(say(Word::RandomWeights)));
  std::string line;
  for (const std::string& note : notes) line += (line.empty() ? "" : " · ") + note;
  const float width = c.text_width(line, Face::Sans, 11);
  if (width <= end - x)
    put(c, end, y + 5, line, {Face::Sans, 11, t.dim, Align::Right});
  else
    put(c, x0 + bar + 24, y + 20, fitted(line, Face::Sans, 11, area.right() - x0 - bar - 32), {Face::Sans, 11, t.dim});
}

/// Bars of the row in view, key by key; where keys are more than pixels, the largest of each column of pixels.
void AttentionMap::draw_profile(Canvas& c, Rect area, const Scene& s, const MapOf& map) {
  const Theme& t = c.theme();
  const int64_t q = row_in_view(s, map);
  const std::string token = fitted(token_in_text(*s.step, q, map.query_text), Face::Mono, 12.5f, 120);
  const std::string of(say(Word::RowOf));
  float x = area.x + 16;
  put(c, x, area.y + 12, of, {Face::SansSemibold, 12.5f, t.text});
  x += c.text_width(of, Face::SansSemibold, 12.5f) + 6;
  put(c, x, area.y + 12, token, {Face::Mono, 12.5f, t.accent});
  x += c.text_width(token, Face::Mono, 12.5f) + 12;

  const Rect plot{area.x + 44, area.y + 36, area.w - 60, area.h - 36 - 64};
  if (plot.h < 30 || plot.w < 60) return;
  const auto columns = std::min<int64_t>(map.keys, std::max<int64_t>(1, std::lround(plot.w / 2)));
  const TileRequest request = request_of(s, map, {q, q + 1}, {0, map.keys}, 1, columns);
  const auto tile = c.tiles().best(request);
  if (!tile || !(tile->request == request)) return;
  const int64_t visible = std::count_if(tile->values.begin(), tile->values.end(), [](float v) { return v >= 0; });
  if (columns == map.keys)
    put(c, x, area.y + 12,
        fitted(say(Word::SoftmaxOver, {say_count(visible, Word::KeyOne, Word::KeyFew, Word::KeyMany)}), Face::Sans, 12,
               std::max(0.f, area.right() - x - 8)),
        {Face::Sans, 12, t.dim});
  const float most = *std::max_element(tile->values.begin(), tile->values.end());
  if (!(most > 0)) return;
  const double ten = std::pow(10., std::floor(std::log10(most)));
  const double tick = ten * (most / ten > 5 ? 2 : most / ten > 2 ? 1 : 0.5);
  for (double v = 0; v <= most * 1.0001; v += tick) {
    const float y = std::round(plot.bottom() - static_cast<float>(v / most) * plot.h);
    c.fill({plot.x, y, plot.w, 1}, t.hairline.alpha(150));
    put(c, plot.x - 6, y,
        v == 0       ? "0"
        : v >= 0.001 ? say_fixed(v, std::max(0, static_cast<int>(std::ceil(-std::log10(tick) - 1e-6))))
                     : say_number(v),
        {Face::Sans, 10, t.dim, Align::Right});
  }
  const float w = plot.w / static_cast<float>(columns), gap = w >= 8 ? 4.f : w >= 4 ? 1.f : 0.f;
  const int64_t on = s.at.cursor ? s.at.cursor->key : s.at.pins.empty() ? -1 : s.at.pins.back().key;
  float hatch_from = -1;
  for (int64_t i = 0; i <= columns; ++i) {
    const float left = plot.x + w * static_cast<float>(i);
    const float v = i < columns ? tile->values[static_cast<size_t>(i)] : 0;
    const bool masked = i < columns && v == masked_cell;
    if (masked && hatch_from < 0) hatch_from = left;
    if (!masked && hatch_from >= 0)
      c.hatch({hatch_from, plot.y, left - hatch_from, plot.h}, Hatch::Masked, 6), hatch_from = -1;
    if (i == columns) break;
    const bool here = columns == map.keys && i == on;
    if (v > 0)
      c.fill({left + gap / 2, plot.bottom() - v / most * plot.h, std::max(1.f, w - gap), v / most * plot.h},
             here ? t.accent : t.bar);
    if (w >= 10 && columns == map.keys)
      c.text({left + w / 2 + 4, plot.bottom() + 12},
             fitted(token_on_axis(*s.step, i, map.key_text), Face::Mono, 10, 64),
             {Face::Mono, 10,
              here     ? t.accent
              : masked ? t.dim.alpha(150)
                       : t.secondary,
              Align::Right, 68});
  }
}

std::vector<Readout> AttentionMap::readout(const Scene& s, TileSource& tiles) const {
  const auto map = map_of(s);
  if (!map || map->queries == 0) return {};
  std::vector<Readout> lines;
  const auto add = [&](Word label, std::string value) { lines.push_back({std::string(say(label)), std::move(value)}); };
  const Cell* at = s.at.cursor ? &*s.at.cursor : s.at.pins.empty() ? nullptr : &s.at.pins.back();
  const int64_t q = row_in_view(s, *map);
  const auto row = row_of(tiles, s, *map, q);
  const auto place = [&](int64_t p, Counts text) { return token_in_text(*s.step, p, text) + " " + std::to_string(p); };
  if (at && at->key < map->keys) {
    add(Word::QueryKey, place(q, map->query_text) + " ← " + place(at->key, map->key_text));
    if (row) {
      const float weight = row->values[static_cast<size_t>(at->key)];
      add(Word::AttentionWeight, weight == masked_cell         ? std::string(say(Word::Masked))
                                 : weight == not_computed_cell ? std::string(say(Word::NotComputed))
                                                               : say_number(weight));
      if (weight >= 0) {
        const RowFacts facts = facts_of(*row);
        add(Word::RankInRow, say(Word::RankOf, {say_integer(rank_in(*row, at->key)),
                                                say_count(facts.allowed, Word::KeyOne, Word::KeyFew, Word::KeyMany)}));
      }
    }
    add(Word::Distance, say_count(std::abs(q - at->key), Word::TokenOne, Word::TokenFew, Word::TokenMany));
  } else {
    add(Word::Query, place(q, map->query_text));
  }
  if (const std::string next = predicted_at(*s.step, q, map->query_text); !next.empty())
    add(Word::Reads, say(Word::AtPredicts, {token_on_axis(*s.step, q, map->query_text), next}));
  if (row) {
    const RowFacts facts = facts_of(*row);
    add(Word::RowSum, say_fixed(facts.sum, 6));
    add(Word::RowEntropy, say_number(facts.entropy_bits) + " " + std::string(say(Word::UnitBit)));
    add(Word::Row80, say_count(facts.keys_for_80, Word::KeyOne, Word::KeyFew, Word::KeyMany));
    std::string best;
    for (const int64_t k : facts.best)
      best += (best.empty() ? "" : ", ") + token_in_text(*s.step, k, map->key_text) + " " +
              say_number(row->values[static_cast<size_t>(k)]);
    add(Word::StrongestKeys, best);
  }
  add(Word::HeadLabel, say_head(*map, s.at.heads));
  add(Word::TensorLabel,
      s.step->graph()[map->probs].path +
          (s.at.heads == Heads::One && at ? fmt::format("[{},{},{}]", map->head, q, at->key) : std::string()));
  if (s.at.without_sink) add(Word::Note, say(Word::SinkOut, {token_on_axis(*s.step, 0, map->key_text)}));
  return lines;
}

Table AttentionMap::table(const Scene& s, TileSource& tiles) const {
  Table table{{"layer", "head", "query", "key", "query_token", "key_token", "weight", "masked"}, {}};
  const auto map = map_of(s);
  if (!map) return table;
  const std::string head = s.at.heads == Heads::One    ? std::to_string(map->head)
                           : s.at.heads == Heads::Mean ? "mean"
                                                       : "max";
  const int64_t rows = std::min(map->queries, std::max<int64_t>(1, most_file_cells / std::max<int64_t>(1, map->keys)));
  for (int64_t q = 0; q < rows; ++q) {
    const auto row = row_of(tiles, s, *map, q);
    if (!row) continue;
    for (int64_t k = 0; k < map->keys; ++k) {
      const float weight = row->values[static_cast<size_t>(k)];
      table.rows.push_back({std::to_string(map->layer), head, std::to_string(q), std::to_string(k),
                            s.step->pieces_of(map->query_text)[static_cast<size_t>(q)],
                            s.step->pieces_of(map->key_text)[static_cast<size_t>(k)],
                            weight >= 0             ? digits(weight)
                            : weight == masked_cell ? ""
                                                    : "nan",
                            weight == masked_cell ? "1" : "0"});
    }
  }
  return table;
}

std::vector<Array> AttentionMap::arrays(const Scene& s, TileSource& tiles) const {
  const auto map = map_of(s);
  if (!map) return {};
  Array array{"probs", {map->queries, map->keys}, {}};
  for (int64_t q = 0; q < map->queries; ++q) {
    const auto row = row_of(tiles, s, *map, q);
    for (int64_t k = 0; k < map->keys; ++k) {
      const float weight = row ? row->values[static_cast<size_t>(k)] : not_computed_cell;
      array.values.push_back(weight < 0 ? NAN : weight);
    }
  }
  return {array};
}

}  // namespace

std::unique_ptr<View> make_AttentionMap() { return std::make_unique<AttentionMap>(); }

}  // namespace cutaway
