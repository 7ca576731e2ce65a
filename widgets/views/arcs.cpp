// Two columns of tokens, queries left and keys right, and an arc for every weight above a threshold: colour is the
// head, thickness the weight. What the threshold hides is said as a share of the weight.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "widgets/fonts.h"
#include "widgets/views/parts.h"

namespace cutaway {
namespace {

constexpr float row_most = 24, row_least = 14, legend_height = 48, most_width = 7;
constexpr size_t most_arcs = 4000;

struct Arc {
  int64_t head = 0, query = 0, key = 0;
  float weight = 0;
};

class Arcs final : public View {
 public:
  std::string_view id() const override { return "arcs"; }
  Word name() const override { return Word::ViewArcs; }
  std::string refusal(const Snapshot& s) const override {
    return s.graph().with(Role::Probs).empty() ? std::string(say(Word::NoMaps)) : std::string();
  }

  void draw(Canvas& c, const Scene& s) override;
  void hover(Point p, const Scene& s, Selection& at) override {
    at.cursor.reset();
    const auto map = map_of(s);
    if (!map) return;
    const int64_t row = row_at(p);
    if (row >= 0 && row < map->queries && p.x <= left_) {
      at.cursor = Cell{row, strongest(row)};
    } else if (row >= 0 && row < map->keys && p.x >= right_) {
      at.cursor = Cell{std::min(map->queries - 1, std::max(row, first_)), row};
      for (const Arc& arc : arcs_)
        if (arc.key == row) at.cursor->query = arc.query;
    } else if (const Arc* arc = arc_at(p)) {
      at.cursor = Cell{arc->query, arc->key};
    }
  }
  Gesture click(Point p, const Scene& s) override {
    const auto map = map_of(s);
    const int64_t row = row_at(p);
    if (map && row >= 0 && row < map->queries && p.x <= left_) return SelectToken{row};
    if (const Arc* arc = arc_at(p)) return Pin{{arc->query, arc->key}};
    return {};
  }
  void drag(Point from, Point to, const Scene&) override { first_ += shift(from.y - to.y); }
  void wheel(Point, float notches, const Scene&) override { first_ -= static_cast<int64_t>(std::lround(notches * 3)); }
  void fit() override { first_ = 0; }

  std::vector<Readout> readout(const Scene&, TileSource&) const override;
  Table table(const Scene&, TileSource&) const override;
  std::vector<Array> arrays(const Scene& s, TileSource& tiles) const override;

 private:
  static std::vector<int64_t> heads_of(const Scene& s, const MapOf& map) {
    if (s.at.heads != Heads::One || s.at.arc_heads.empty()) return {map.head};
    std::vector<int64_t> heads;
    for (const int64_t head : s.at.arc_heads)
      if (head >= 0 && head < map.heads) heads.push_back(head);
    return heads;
  }
  void gather(TileSource&, const Scene&, const MapOf&, Range rows);
  void draw_arc(Canvas&, const Arc&, Color) const;
  void draw_legend(Canvas&, Rect, const Scene&, const MapOf&);
  float y_of(int64_t row) const { return top_ + (static_cast<float>(row - first_) + 0.5f) * pitch_; }
  int64_t row_at(Point p) const {
    return pitch_ > 0 && p.y >= top_ && p.y < bottom_ ? first_ + static_cast<int64_t>((p.y - top_) / pitch_) : -1;
  }
  int64_t shift(float px) const { return pitch_ > 0 ? static_cast<int64_t>(std::lround(px / pitch_)) : 0; }
  int64_t strongest(int64_t query) const {
    int64_t key = query;
    float most = -1;
    for (const Arc& arc : arcs_)
      if (arc.query == query && arc.weight > most) most = arc.weight, key = arc.key;
    return key;
  }
  const Arc* arc_at(Point) const;

  int64_t first_ = 0;
  float left_ = 0, right_ = 0, top_ = 0, bottom_ = 0, pitch_ = 0;
  std::vector<Arc> arcs_;
  double hidden_ = 0, outside_ = 0, whole_ = 0;  // weight below the threshold, to keys out of sight, in all
  bool pending_ = false;
};

/// Arcs among the rows in sight, and what they leave out.
void Arcs::gather(TileSource& tiles, const Scene& s, const MapOf& map, Range rows) {
  arcs_.clear();
  hidden_ = outside_ = whole_ = 0;
  pending_ = false;
  for (const int64_t head : heads_of(s, map)) {
    TileRequest request = request_of(s, map, rows, rows, rows.size(), rows.size());
    if (s.at.heads == Heads::One) request.head = head;
    const auto tile = tiles.best(request);
    if (!tile || !(tile->request == request)) {
      pending_ = true;
      continue;
    }
    for (int64_t q = rows.begin; q < rows.end; ++q) {
      double seen = 0;
      for (int64_t k = rows.begin; k < rows.end; ++k) {
        const float w = tile->values[static_cast<size_t>((q - rows.begin) * rows.size() + k - rows.begin)];
        if (!(w > 0)) continue;
        seen += w;
        if (w >= s.at.threshold)
          arcs_.push_back({head, q, k, w});
        else
          hidden_ += w;
      }
      whole_ += 1;
      outside_ += std::max(0., 1 - seen);
    }
  }
  const auto stronger = [](const Arc& a, const Arc& b) { return a.weight > b.weight; };
  std::stable_sort(arcs_.begin(), arcs_.end(), stronger);
  for (size_t i = most_arcs; i < arcs_.size(); ++i) hidden_ += arcs_[i].weight;
  arcs_.resize(std::min(arcs_.size(), most_arcs));
}

void Arcs::draw_arc(Canvas& c, const Arc& arc, Color color) const {
  const float bend = (right_ - left_) * 0.45f, from = y_of(arc.query), to = y_of(arc.key);
  c.curve({left_, from}, {left_ + bend, from}, {right_ - bend, to}, {right_, to}, color,
          std::max(0.6f, most_width * arc.weight));
}

void Arcs::draw(Canvas& c, const Scene& s) {
  const Theme& t = c.theme();
  const Rect area = c.area();
  const auto map = map_of(s);
  pitch_ = 0;
  if (!map || map->queries == 0) {
    put_title(c, area, say(Word::ViewArcs));
    for (float y = area.y + title_height + 20; y < area.bottom() - 30; y += 24) {
      c.outline({area.x + 40.5f, y + 0.5f, 90, 16}, t.hairline, 1);
      c.outline({area.right() - 130.5f, y + 0.5f, 90, 16}, t.hairline, 1);
    }
    return put_notice(c, area,
                      s.step && !refusal(*s.step).empty() ? refusal(*s.step) : std::string(say(Word::PressSpace)));
  }
  put_title(
      c, area,
      s.at.arc_heads.size() > 1 ? say(Word::LayerHeads, {std::to_string(map->layer)}) : say_head(*map, s.at.heads),
      say(Word::ArcsSub));
  top_ = area.y + title_height + 24;
  bottom_ = area.bottom() - legend_height;
  const int64_t longest = std::max(map->queries, map->keys);  // the texts of the two sides may differ
  pitch_ = std::clamp((bottom_ - top_) / static_cast<float>(longest), row_least, row_most);
  const auto fitting = std::max<int64_t>(1, static_cast<int64_t>((bottom_ - top_) / pitch_));
  first_ = std::clamp<int64_t>(first_, 0, std::max<int64_t>(0, longest - fitting));
  const Range rows{first_, std::min(longest, first_ + fitting)};
  const Range queries{std::min(rows.begin, map->queries), std::min(rows.end, map->queries)},
      keys{std::min(rows.begin, map->keys), std::min(rows.end, map->keys)};
  float label = 24;
  for (int64_t i = queries.begin; i < queries.end; ++i)
    label = std::max(label, c.text_width(token_on_axis(*s.step, i, map->query_text), Face::Mono, 11));
  for (int64_t i = keys.begin; i < keys.end; ++i)
    label = std::max(label, c.text_width(token_on_axis(*s.step, i, map->key_text), Face::Mono, 11));
  label = std::min(label, std::min(140.f, area.w * 0.2f));
  const float breadth = std::min(area.w - 2 * (label + 40), 720.f);
  left_ = std::round(area.x + (area.w - breadth) / 2);
  right_ = left_ + breadth;
  gather(c.tiles(), s, *map, queries);

  const std::optional<int64_t> row = s.at.cursor ? std::optional(s.at.cursor->query) : s.at.token;
  put(c, left_ - 10, top_ - 10, say(Word::Query), {Face::Sans, 10, t.dim, Align::Right});
  put(c, right_ + 10, top_ - 10, say(Word::Key), {Face::Sans, 10, t.dim});
  c.push_clip({left_, top_, breadth, bottom_ - top_});
  const bool by_head = heads_of(s, *map).size() > 1;
  for (const int64_t head : heads_of(s, *map)) {
    c.begin_group("L" + std::to_string(map->layer) + "H" + std::to_string(head));
    for (const bool lit : {false, true})  // the row in view lies above the others
      for (auto arc = arcs_.rbegin(); arc != arcs_.rend(); ++arc)
        if (arc->head == head && (!row || arc->query == *row) == lit)
          draw_arc(c, *arc, (by_head ? head_color(t, head) : t.bar).alpha(lit ? row ? 230 : 150 : 36));
    c.end_group();
  }
  if (s.at.cursor)
    for (const Arc& arc : arcs_)
      if (arc.query == s.at.cursor->query && arc.key == s.at.cursor->key) draw_arc(c, arc, t.accent);
  c.pop_clip();
  const auto token = [&](int64_t i, Counts text) {
    return fitted(token_on_axis(*s.step, i, text), Face::Mono, 11, label + 4);
  };
  for (int64_t i = queries.begin; i < queries.end; ++i)
    put(c, left_ - 10, y_of(i), token(i, map->query_text),
        {Face::Mono, 11, row && *row == i ? t.accent : t.secondary, Align::Right});
  for (int64_t i = keys.begin; i < keys.end; ++i)
    put(c, right_ + 10, y_of(i), token(i, map->key_text),
        {Face::Mono, 11, s.at.cursor && s.at.cursor->key == i ? t.accent : t.secondary});
  draw_legend(c, area, s, *map);
}

void Arcs::draw_legend(Canvas& c, Rect area, const Scene& s, const MapOf& map) {
  const Theme& t = c.theme();
  const float y = bottom_ + 16;
  float x = area.x + 16;
  const auto heads = heads_of(s, map);
  if (heads.size() > 1)
    for (const int64_t head : heads) {
      c.fill({x, y - 5, 10, 10}, head_color(t, head));
      const std::string label = "H" + std::to_string(head);
      put(c, x + 14, y, label, {Face::Sans, 11, t.secondary});
      x += 14 + c.text_width(label, Face::Sans, 11) + 12;
    }
  for (const float w : {0.1f, 0.5f, 1.f}) {
    c.line({x, y}, {x + 24, y}, t.bar, std::max(0.6f, most_width * w), false);
    const std::string label = say_number(w);
    put(c, x + 30, y, label, {Face::Sans, 11, t.dim});
    x += 30 + c.text_width(label, Face::Sans, 11) + 14;
  }
  std::string line =
      say(Word::ArcsHidden, {say_percent(whole_ > 0 ? hidden_ / whole_ : 0), say_number(s.at.threshold)});
  if (outside_ > 0.005 * whole_ && map.keys > static_cast<int64_t>((bottom_ - top_) / pitch_))
    line += " · " + say(Word::ArcsOutside, {say_percent(outside_ / whole_)});
  if (s.at.without_sink) line += " · " + say(Word::SinkOut, {token_on_axis(*s.step, 0, map.key_text)});
  if (pending_) line = say(Word::Computing);
  put(c, area.right() - 16, y + (c.text_width(line, Face::Sans, 11) > area.right() - 24 - x ? 18.f : 0.f),
      fitted(line, Face::Sans, 11, area.w - 32), {Face::Sans, 11, t.dim, Align::Right});
}

const Arc* Arcs::arc_at(Point p) const {
  if (p.x <= left_ || p.x >= right_ || right_ <= left_) return nullptr;
  // Along the curve x grows from left to right; find y at this x by bisection of the curve's parameter.
  const float u = (p.x - left_) / (right_ - left_);
  float low = 0, high = 1;
  for (int i = 0; i < 20; ++i) {
    const float m = (low + high) / 2, n = 1 - m;
    const float x = 3 * n * n * m * 0.45f + 3 * n * m * m * 0.55f + m * m * m;
    (x < u ? low : high) = m;
  }
  const float share = low * low * (3 - 2 * low);
  const Arc* best = nullptr;
  float nearest = 5;
  for (const Arc& arc : arcs_) {
    const float y = y_of(arc.query) + (y_of(arc.key) - y_of(arc.query)) * share;
    if (const float d = std::abs(p.y - y); d < nearest) nearest = d, best = &arc;
  }
  return best;
}

std::vector<Readout> Arcs::readout(const Scene& s, TileSource& tiles) const {
  const auto map = map_of(s);
  if (!map || map->queries == 0) return {};
  std::vector<Readout> lines{{std::string(say(Word::HeadLabel)), say_head(*map, s.at.heads)}};
  const int64_t q = row_in_view(s, *map);
  lines.push_back(
      {std::string(say(Word::Query)), token_in_text(*s.step, q, map->query_text) + " " + std::to_string(q)});
  const auto row = row_of(tiles, s, *map, q);
  if (!row) return lines;
  double hidden = 0;
  for (const float w : row->values)
    if (w > 0 && w < s.at.threshold) hidden += w;
  if (s.at.cursor && s.at.cursor->key < map->keys) {
    lines.push_back({std::string(say(Word::Key)),
                     token_in_text(*s.step, s.at.cursor->key, map->key_text) + " " + std::to_string(s.at.cursor->key)});
    const float w = row->values[static_cast<size_t>(s.at.cursor->key)];
    lines.push_back({std::string(say(Word::AttentionWeight)), w >= 0 ? say_number(w) : std::string(say(Word::Masked))});
  }
  lines.push_back({std::string(say(Word::HiddenInRow)), say_percent(hidden)});
  return lines;
}

Table Arcs::table(const Scene& s, TileSource& tiles) const {
  Table table{{"layer", "head", "query", "key", "query_token", "key_token", "weight"}, {}};
  const auto map = map_of(s);
  if (!map) return table;
  for (const int64_t head : heads_of(s, *map)) {
    Scene one = s;
    one.at.head = head;
    auto of = *map;
    of.head = head;
    for (int64_t q = 0; q < map->queries; ++q) {
      const auto row = row_of(tiles, one, of, q);
      if (!row) continue;
      for (int64_t k = 0; k < map->keys; ++k)
        if (const float w = row->values[static_cast<size_t>(k)]; w >= s.at.threshold && w > 0)
          table.rows.push_back({std::to_string(map->layer), std::to_string(head), std::to_string(q), std::to_string(k),
                                s.step->pieces_of(map->query_text)[static_cast<size_t>(q)],
                                s.step->pieces_of(map->key_text)[static_cast<size_t>(k)], digits(w)});
    }
  }
  return table;
}

std::vector<Array> Arcs::arrays(const Scene& s, TileSource& tiles) const {
  Array index{"arcs", {0, 3}, {}}, weight{"weight", {0}, {}};
  for (const auto& row : table(s, tiles).rows) {
    for (const size_t column : {size_t{1}, size_t{2}, size_t{3}}) index.values.push_back(std::stof(row[column]));
    weight.values.push_back(std::stof(row[6]));
  }
  index.shape[0] = weight.shape[0] = static_cast<int64_t>(weight.values.size());
  return {index, weight};
}

}  // namespace

std::unique_ptr<View> make_Arcs() { return std::make_unique<Arcs>(); }

}  // namespace cutaway
