#include "widgets/views/parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "widgets/fonts.h"

namespace cutaway {

std::optional<MapOf> map_of(const Scene& scene) {
  if (!scene.step) return std::nullopt;
  const Graph& graph = scene.step->graph();
  MapOf map;
  map.probs = graph.in(scene.at.block, Role::Probs);
  if (map.probs == no_node) {
    const auto all = graph.with(Role::Probs);
    if (all.empty()) return std::nullopt;
    map.probs = all.front();
  }
  const Node& node = graph[map.probs];
  map.block = node.block;
  map.layer = node.layer;
  map.heads = std::max<int64_t>(1, node.params.heads);
  map.head = std::clamp<int64_t>(scene.at.head, 0, map.heads - 1);
  map.queries = scene.step->axis(map.probs, 0);
  map.keys = scene.step->axis(map.probs, 1);
  map.query_text = scene.step->tokens_of(map.probs, 0);
  map.key_text = scene.step->tokens_of(map.probs, 1);
  return map;
}

std::string say_head(const MapOf& map, Heads heads) {
  std::string layer = std::to_string(map.layer);
  if (map.key_text != map.query_text)
    layer += " " + std::string(say(Word::MapCross));
  else if (map.block.starts_with("encoder."))
    layer += " " + std::string(say(Word::MapEncoder));
  else if (map.block.starts_with("decoder."))
    layer += " " + std::string(say(Word::MapDecoder));
  if (heads == Heads::One) return say(Word::LayerHead, {layer, std::to_string(map.head)});
  const std::string all = std::to_string(map.heads);
  return say(heads == Heads::Mean ? Word::LayerMean : Word::LayerMax, {layer, all});
}

int64_t row_in_view(const Scene& scene, const MapOf& map) {
  int64_t row = map.queries - 1;
  if (scene.at.cursor)
    row = scene.at.cursor->query;
  else if (!scene.at.pins.empty())
    row = scene.at.pins.back().query;
  else if (scene.at.token)
    row = *scene.at.token;
  return std::clamp<int64_t>(row, 0, std::max<int64_t>(0, map.queries - 1));
}

TileRequest request_of(const Scene& scene, const MapOf& map, Range queries, Range keys, int64_t rows, int64_t columns) {
  TileRequest r;
  r.step = scene.step;
  r.probs = map.probs;
  r.head = scene.at.heads == Heads::One ? map.head : 0;
  r.heads = scene.at.heads;
  r.queries = queries;
  r.keys = keys;
  r.rows = std::clamp<int64_t>(rows, 1, std::max<int64_t>(1, queries.size()));
  r.columns = std::clamp<int64_t>(columns, 1, std::max<int64_t>(1, keys.size()));
  r.without_sink = scene.at.without_sink;
  return r;
}

std::shared_ptr<const Tile> row_of(TileSource& tiles, const Scene& scene, const MapOf& map, int64_t query) {
  const TileRequest r = request_of(scene, map, {query, query + 1}, {0, map.keys}, 1, map.keys);
  auto tile = tiles.best(r);
  return tile && tile->request == r ? tile : nullptr;
}

RowFacts facts_of(const Tile& row) {
  RowFacts facts;
  std::vector<int64_t> keys;
  for (size_t k = 0; k < row.values.size(); ++k) {
    const double p = row.values[k];
    if (!(p >= 0)) continue;
    keys.push_back(static_cast<int64_t>(k));
    facts.sum += p;
    if (p > 0) facts.entropy_bits -= p * std::log2(p);
  }
  facts.allowed = static_cast<int64_t>(keys.size());
  const auto weight = [&](int64_t k) { return row.values[static_cast<size_t>(k)]; };
  std::stable_sort(keys.begin(), keys.end(), [&](int64_t a, int64_t b) { return weight(a) > weight(b); });
  double held = 0;
  for (const int64_t key : keys) {
    held += weight(key);
    ++facts.keys_for_80;
    if (held >= 0.8 * facts.sum) break;
  }
  keys.resize(std::min<size_t>(keys.size(), 3));
  facts.best = keys;
  return facts;
}

int64_t rank_in(const Tile& row, int64_t key) {
  const float weight = row.values[static_cast<size_t>(key)];
  return 1 + std::count_if(row.values.begin(), row.values.end(), [weight](float v) { return v > weight; });
}

std::string written(std::string_view piece, bool dot_for_space) {
  std::string text;
  const std::u32string letters = letters_of(piece);
  const bool blank = std::all_of(letters.begin(), letters.end(), [](char32_t c) { return c == U' '; });
  for (size_t i = 0; i < letters.size(); ++i) {
    const char32_t c = letters[i];
    if (c == U' ' && (i == 0 || blank)) {
      if (dot_for_space || blank) text += "·";
    } else if (c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029 || (c >= 0x200B && c <= 0x200F)) {
      text += fmt::format("⟨{:02X}⟩", static_cast<uint32_t>(c));
    } else {
      append_utf8(text, c);
    }
  }
  return text;
}

std::string token_on_axis(const Snapshot& step, int64_t position, Counts text) {
  return written(step.pieces_of(text)[static_cast<size_t>(position)], false);
}
std::string token_in_text(const Snapshot& step, int64_t position, Counts text) {
  return written(step.pieces_of(text)[static_cast<size_t>(position)], true);
}

std::string piece_of(const Snapshot& step, int32_t id) {
  return step.model->tokenizer ? step.model->tokenizer->piece(id) : std::to_string(id);
}

std::string predicted_at(const Snapshot& step, int64_t position, Counts text) {
  if (text == Counts::EncoderTokens) return {};
  if (step.model->spec.objective != Objective::CausalLm) return {};
  if (position + 1 < step.positions()) return token_on_axis(step, position + 1);
  return step.best.empty() ? std::string() : written(piece_of(step, step.best.front().id), false);
}

void put(Canvas& c, float x, float cy, std::string_view text, const TextStyle& style) {
  c.text({x, cy + 0.36f * style.px}, text, style);  // capitals of both families are 0.73 em high
}

void put_title(Canvas& c, Rect area, std::string_view title, std::string_view rest) {
  const Theme& t = c.theme();
  const float room = area.w - 32;
  const std::string shown = fitted(title, Face::SansSemibold, 15, room);
  put(c, area.x + 16, area.y + 20, shown, {Face::SansSemibold, 15, t.text});
  const float used = c.text_width(shown, Face::SansSemibold, 15) + 12;
  if (!rest.empty() && room - used > 60)
    put(c, area.x + 16 + used, area.y + 20.5f, fitted(rest, Face::Sans, 12, room - used), {Face::Sans, 12, t.dim});
}

void put_notice(Canvas& c, Rect area, std::string_view line) {
  put(c, area.x + area.w / 2, area.y + area.h / 2, fitted(line, Face::Sans, 12.5f, std::max(40.f, area.w - 24)),
      {Face::Sans, 12.5f, c.theme().secondary, Align::Center});
}

void put_grid(Canvas& c, Rect area, int cells) {
  const float side = std::min(area.w, area.h);
  const Rect map{area.x + (area.w - side) / 2, area.y + (area.h - side) / 2, side, side};
  for (int i = 0; i <= cells; ++i) {
    const float d = std::round(side * static_cast<float>(i) / static_cast<float>(cells));
    c.fill({map.x + d, map.y, 1, map.h + 1}, c.theme().hairline.alpha(110));
    c.fill({map.x, map.y + d, map.w + 1, 1}, c.theme().hairline.alpha(110));
  }
}

float put_mark(Canvas& c, float x, float cy, bool hatched, Color outline, std::string_view word) {
  const Rect box{x, std::round(cy - 5), hatched ? 16.f : 10.f, 10};
  if (hatched)
    c.hatch(box, Hatch::Masked, 4);
  else
    c.outline({box.x + 0.5f, box.y + 0.5f, box.w, box.h}, outline, 1);
  put(c, box.right() + 6, cy, word, {Face::Sans, 11, c.theme().dim});
  return box.right() + 6 + c.text_width(word, Face::Sans, 11) + 16;
}

void put_palette(Canvas& c, Rect r) {
  constexpr int steps = 80;
  for (int i = 0; i < steps; ++i) {
    const float x0 = std::round(r.w * static_cast<float>(i) / steps),
                x1 = std::round(r.w * static_cast<float>(i + 1) / steps);
    c.fill({r.x + x0, r.y, x1 - x0, r.h}, sequential(c.theme(), (static_cast<float>(i) + 0.5f) / steps));
  }
}

int64_t tick_step(float px_per_cell, float apart) {
  for (int64_t ten = 1;; ten *= 10)
    for (const int64_t step : {ten, 2 * ten, 5 * ten})
      if (static_cast<float>(step) * px_per_cell >= apart || step > int64_t{1} << 40) return step;
}

Color head_color(const Theme& t, int64_t head) {
  return t.categorical[static_cast<size_t>(head) % t.categorical.size()];
}

std::string digits(double value) {
  return std::isfinite(value) ? fmt::format("{}", static_cast<float>(value))
         : std::isnan(value)  ? "nan"
         : value > 0          ? "inf"
                              : "-inf";
}

double Zoom::clamped(double first, int64_t cells) const {
  return std::clamp(first, 0., std::max(0., static_cast<double>(cells) - span(cells)));
}

float Zoom::x(Rect map, double key, int64_t keys) const {
  return static_cast<float>(map.x + (key - first_key(keys)) / span(keys) * map.w);
}
float Zoom::y(Rect map, double query, int64_t queries) const {
  return static_cast<float>(map.y + (query - first_query(queries)) / span(queries) * map.h);
}

void Zoom::wheel(Rect map, Point p, float notches, int64_t queries, int64_t keys) {
  if (map.w <= 0 || map.h <= 0) return;
  const double across = std::clamp((p.x - map.x) / map.w, 0.f, 1.f), down = std::clamp((p.y - map.y) / map.h, 0.f, 1.f);
  const double key = first_key(keys) + across * span(keys), query = first_query(queries) + down * span(queries);
  const double most = std::max(1., static_cast<double>(std::max(queries, keys)) / 4);
  factor_ = std::clamp(factor_ * std::pow(1.25, notches), 1., most);
  key_ = clamped(key - across * span(keys), keys);
  query_ = clamped(query - down * span(queries), queries);
}

void Zoom::pan(Rect map, float dx, float dy, int64_t queries, int64_t keys) {
  if (map.w <= 0 || map.h <= 0) return;
  key_ = clamped(first_key(keys) - dx / map.w * span(keys), keys);
  query_ = clamped(first_query(queries) - dy / map.h * span(queries), queries);
}

std::optional<Cell> Zoom::cell(Rect map, Point p, int64_t queries, int64_t keys) const {
  if (!map.contains(p) || queries <= 0 || keys <= 0) return std::nullopt;
  const auto key = static_cast<int64_t>(first_key(keys) + (p.x - map.x) / map.w * span(keys));
  const auto query = static_cast<int64_t>(first_query(queries) + (p.y - map.y) / map.h * span(queries));
  return Cell{std::clamp<int64_t>(query, 0, queries - 1), std::clamp<int64_t>(key, 0, keys - 1)};
}

Rect Zoom::rect(Rect map, Cell cell, int64_t queries, int64_t keys) const {
  const float left = x(map, static_cast<double>(cell.key), keys),
              top = y(map, static_cast<double>(cell.query), queries);
  return {left, top, x(map, static_cast<double>(cell.key + 1), keys) - left,
          y(map, static_cast<double>(cell.query + 1), queries) - top};
}

}  // namespace cutaway
