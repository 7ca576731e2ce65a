#include "widgets/views/head_grid.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "widgets/fonts.h"

namespace cutaway {
namespace {

constexpr float gap = 3.5f;
constexpr int64_t most_scored_tokens = 512;  // scores need every weight of every head

struct Row {
  std::string block, label;
  NodeId probs;
  int64_t heads;
};

std::vector<Row> rows_of(const Graph& graph) {
  std::vector<Row> rows;
  for (const NodeId id : graph.with(Role::Probs))
    rows.push_back(
        {graph[id].block, "L" + std::to_string(graph[id].layer), id, std::max<int64_t>(1, graph[id].params.heads)});
  return rows;
}

TileRequest whole_of(const Scene& s, const Row& row, int64_t head, int64_t cells) {
  TileRequest r;
  r.step = s.step;
  r.probs = row.probs;
  r.head = head;
  r.queries = {0, s.step->axis(row.probs, 0)};
  r.keys = {0, s.step->axis(row.probs, 1)};
  r.rows = std::min(cells, r.queries.size());
  r.columns = std::min(cells, r.keys.size());
  r.without_sink = s.at.without_sink;
  return r;
}

double entropy_of(const Tile& whole) {
  double bits = 0;
  for (const float p : whole.values)
    if (p > 0) bits -= p * std::log2(static_cast<double>(p));
  return bits / static_cast<double>(std::max<int64_t>(1, whole.request.rows));
}

}  // namespace

HeadScores scores_of(const Snapshot& step, const Tile& whole) {
  HeadScores scores;
  for (const int axis : {0, 1})  // what follows compares a text with itself
    if (whole.request.probs != no_node && step.tokens_of(whole.request.probs, axis) != Counts::DecoderTokens)
      return scores;
  const int64_t n = whole.request.rows;
  int64_t copies = 0;
  const auto at = [&](int64_t q, int64_t k) {
    return std::max(0.f, whole.values[static_cast<size_t>(q * whole.request.columns + k)]);
  };
  for (int64_t q = 0; q < n; ++q) {
    scores.self += at(q, q);
    if (q == 0) continue;
    scores.first += at(q, 0);
    scores.previous += at(q, q - 1);
    for (int64_t k = std::max<int64_t>(0, q - 3); k < q; ++k) scores.local += at(q, k);
    double after_copies = 0;
    bool any = false;
    for (int64_t k = 0; k + 1 <= q; ++k)
      if (step.ids[static_cast<size_t>(k)] == step.ids[static_cast<size_t>(q)])
        any = true, after_copies += at(q, k + 1);
    if (any) ++copies, scores.induction += after_copies;
  }
  const double rows = static_cast<double>(std::max<int64_t>(1, n - 1));
  scores.self /= static_cast<double>(std::max<int64_t>(1, n));
  scores.first /= rows, scores.previous /= rows, scores.local /= rows;
  scores.induction = copies > 0 ? scores.induction / static_cast<double>(copies) : 0;
  return scores;
}

std::optional<std::pair<Word, double>> head_type(const HeadScores& s) {
  std::pair<Word, double> best{Word::TypePrevious, s.previous};
  for (const auto& other : {std::pair{Word::TypeInduction, s.induction}, std::pair{Word::TypeFirst, s.first},
                            std::pair{Word::TypeSelf, s.self}})
    if (other.second > best.second) best = other;
  if (best.second < 0.4 && s.local >= 0.5) best = {Word::TypeLocal, s.local};
  return best.second >= 0.4 ? std::optional(best) : std::nullopt;
}

std::string HeadGrid::refusal(const Snapshot& s) const {
  return s.graph().with(Role::Probs).empty() ? std::string(say(Word::NoMaps)) : std::string();
}

void HeadGrid::draw_in(Canvas& c, Rect area, const Scene& s) {
  const Theme& t = c.theme();
  thumbs_.clear();
  const auto rows = s.step ? rows_of(s.step->graph()) : std::vector<Row>();
  if (rows.empty() || s.step->positions() == 0) {
    put_title(c, area, say(Word::ViewHeads));
    const Rect inside{area.x + 16, area.y + title_height + 12, area.w - 32, area.h - title_height - 28};
    put_grid(c, inside, 6);
    return put_notice(c, inside,
                      s.step ? refusal(*s.step).empty() ? std::string(say(Word::PressSpace)) : refusal(*s.step)
                             : std::string(say(Word::PressSpace)));
  }
  int64_t heads = 1;
  for (const Row& row : rows) heads = std::max(heads, row.heads);
  const std::string mode(say(s.at.scale == ScaleMode::Row      ? Word::ScaleRow
                             : s.at.scale == ScaleMode::Global ? Word::ScaleGlobal
                                                               : Word::ScaleLog));
  const std::string sizes = say(Word::GridSub, {std::to_string(rows.size()), std::to_string(heads), mode});
  put_title(c, area, say(Word::ViewHeads),
            s.step->model->random_weights ? sizes + " · " + std::string(say(Word::RandomWeightsShort)) : sizes);
  const float left = area.x + 44, top = area.y + title_height + 24;
  const float w = (area.right() - 16 - left) / static_cast<float>(heads),
              h = (area.bottom() - 12 - top) / static_cast<float>(rows.size());
  const bool badges = w >= 76 && h >= 90;
  const float pitch_x = std::min(w, 156.f), pitch_y = std::min(h - (badges ? 16 : 0), 156.f);
  const float side = std::max(4.f, std::floor(std::min(pitch_x, pitch_y) - gap));
  const float step_x = side + gap, step_y = side + gap + (badges ? 16 : 0);
  const auto map = map_of(s);
  const int64_t every = tick_step(step_x, 20);
  for (int64_t head = 0; head < heads; head += every)
    put(c, left + static_cast<float>(head) * step_x + side / 2, top - 9, "H" + std::to_string(head),
        {Face::Sans, 10, map && s.at.heads == Heads::One && map->head == head ? t.accent : t.dim, Align::Center});
  for (size_t l = 0; l < rows.size(); ++l) {
    const Row& row = rows[l];
    const float y = top + static_cast<float>(l) * step_y;
    const bool selected_row = map && map->block == row.block;
    if (side >= 10 || static_cast<int64_t>(l) % tick_step(step_y, 14) == 0)
      put(c, left - 6, y + side / 2, row.label, {Face::Sans, 10, selected_row ? t.accent : t.dim, Align::Right});
    for (int64_t head = 0; head < row.heads; ++head) {
      const Rect place{left + static_cast<float>(head) * step_x, y, side, side};
      thumbs_.push_back({place, row.block, head});
      const TileRequest request = whole_of(s, row, head, std::lround(side));
      c.heat_map(place, request, s.at.scale);
      const bool selected = selected_row && (s.at.heads != Heads::One || map->head == head);
      if (hovered_ && hovered_->first == row.block && hovered_->second == head && !selected)
        c.outline({place.x - 1, place.y - 1, side + 2, side + 2}, t.secondary, 1);
      if (selected) c.outline({place.x - 1, place.y - 1, side + 2, side + 2}, t.accent, 2);
      if (!badges || request.rows < request.queries.size() || s.step->positions() < 3) continue;
      const auto tile = c.tiles().best(request);
      if (!tile || !(tile->request == request)) continue;
      if (const auto type = head_type(scores_of(*s.step, *tile)))
        put(c, place.x, place.bottom() + 9,
            fitted(std::string(say(type->first)) + " " + say_fixed(type->second, 2), Face::Sans, 10, side + 4),
            {Face::Sans, 10, t.secondary});
    }
  }
}

const HeadGrid::Thumb* HeadGrid::at(Point p) const {
  for (const Thumb& thumb : thumbs_)
    if (Rect{thumb.place.x, thumb.place.y, thumb.place.w + gap, thumb.place.h + gap}.contains(p)) return &thumb;
  return nullptr;
}

void HeadGrid::hover(Point p, const Scene&, Selection& selection) {
  selection.cursor.reset();
  const Thumb* thumb = at(p);
  hovered_ = thumb ? std::optional(std::pair(thumb->block, thumb->head)) : std::nullopt;
}
Gesture HeadGrid::click(Point p, const Scene&) {
  if (const Thumb* thumb = at(p)) return SelectHead{thumb->block, thumb->head, false};
  return {};
}
Gesture HeadGrid::double_click(Point p, const Scene&) {
  if (const Thumb* thumb = at(p)) return SelectHead{thumb->block, thumb->head, true};
  return {};
}

std::vector<Readout> HeadGrid::readout(const Scene& s, TileSource& tiles) const {
  if (!s.step || s.step->positions() == 0) return {};
  auto map = map_of(s);
  if (!map) return {};
  const std::string block = hovered_ ? hovered_->first : map->block;
  const int64_t head = hovered_ ? hovered_->second : map->head;
  for (const Row& row : rows_of(s.step->graph())) {
    if (row.block != block || head >= row.heads) continue;
    std::vector<Readout> lines{
        {std::string(say(Word::HeadLabel)), say(Word::LayerHead, {row.label.substr(1), std::to_string(head)})}};
    const TileRequest request = whole_of(s, row, head, s.step->positions());
    if (s.step->positions() > most_scored_tokens) return lines;
    const auto tile = tiles.best(request);
    if (!tile || !(tile->request == request)) return lines;
    const HeadScores scores = scores_of(*s.step, *tile);
    lines.push_back(
        {std::string(say(Word::RowEntropy)), say_number(entropy_of(*tile)) + " " + std::string(say(Word::UnitBit))});
    for (const auto& [word, score] :
         {std::pair{Word::TypePrevious, scores.previous}, std::pair{Word::TypeFirst, scores.first},
          std::pair{Word::TypeSelf, scores.self}, std::pair{Word::TypeInduction, scores.induction},
          std::pair{Word::TypeLocal, scores.local}})
      lines.push_back({std::string(say(word)), say_number(score)});
    return lines;
  }
  return {};
}

Table HeadGrid::table(const Scene& s, TileSource& tiles) const {
  Table table{{"layer", "head", "entropy_bits", "previous_token", "first_token", "self", "induction", "local", "type"},
              {}};
  if (!s.step || s.step->positions() == 0 || s.step->positions() > most_scored_tokens) return table;
  for (const Row& row : rows_of(s.step->graph()))
    for (int64_t head = 0; head < row.heads; ++head) {
      const TileRequest request = whole_of(s, row, head, s.step->positions());
      const auto tile = tiles.best(request);
      if (!tile || !(tile->request == request)) continue;
      const HeadScores scores = scores_of(*s.step, *tile);
      const auto type = head_type(scores);
      table.rows.push_back({row.label.substr(1), std::to_string(head), digits(entropy_of(*tile)),
                            digits(scores.previous), digits(scores.first), digits(scores.self),
                            digits(scores.induction), digits(scores.local),
                            type ? std::string(say(type->first, Language::English)) : ""});
    }
  return table;
}

std::vector<Array> HeadGrid::arrays(const Scene& s, TileSource& tiles) const {
  std::vector<Array> arrays;
  if (!s.step || s.step->positions() == 0) return arrays;
  const int64_t cells = std::min<int64_t>(s.step->positions(), 256);
  for (const Row& row : rows_of(s.step->graph())) {
    Array array{s.step->graph()[row.probs].path, {row.heads, cells, cells}, {}};
    for (int64_t head = 0; head < row.heads; ++head) {
      const auto tile = tiles.best(whole_of(s, row, head, cells));
      for (int64_t i = 0; i < cells * cells; ++i) {
        const float v = tile && static_cast<int64_t>(tile->values.size()) == cells * cells
                            ? tile->values[static_cast<size_t>(i)]
                            : not_computed_cell;
        array.values.push_back(v < 0 ? NAN : v);
      }
    }
    arrays.push_back(std::move(array));
  }
  return arrays;
}

std::unique_ptr<View> make_HeadGrid() { return std::make_unique<HeadGrid>(); }

}  // namespace cutaway
