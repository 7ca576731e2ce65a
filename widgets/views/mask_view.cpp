// Who may look at whom: allowed cells filled, forbidden ones hatched, the rule in words. A click flips a cell in edit
// mode; with a prefix or a window rule it moves the edge there.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "widgets/fonts.h"
#include "widgets/heat.h"
#include "widgets/views/parts.h"

namespace cutaway {
namespace {

constexpr float legend_height = 44, side_from = 720, labels_from = 9;

struct Counts {
  int64_t allowed = 0, all = 0, empty_rows = 0, first_empty = -1;
};

/// Allowed runs [begin, end) of one query row.
template <class Visit>
void each_run(const MaskRule& rule, int64_t query, int64_t keys, const Visit& visit) {
  const auto [first, last] = rule.span(query, keys);
  if (rule.kind != MaskRule::Kind::Custom) {
    if (last > first) visit(first, last);
    return;
  }
  for (int64_t k = first; k < last;) {
    while (k < last && !rule.allowed(query, k)) ++k;
    const int64_t begin = k;
    while (k < last && rule.allowed(query, k)) ++k;
    if (k > begin) visit(begin, k);
  }
}

/// Bits of a painted row among its first `keys`; painted cells by whole words, for a frame has no time for single ones.
int64_t bits_in_row(const MaskBits& bits, int64_t query, int64_t keys) {
  const uint32_t* words = bits.words.data() + query * bits.words_per_row();
  int64_t n = 0;
  for (int64_t k = 0; k < keys / 32; ++k) n += std::popcount(words[k]);
  if (keys % 32) n += std::popcount(words[keys / 32] & ((uint32_t{1} << keys % 32) - 1));
  return n;
}

int64_t allowed_in_row(const MaskRule& rule, int64_t query, int64_t keys) {
  if (rule.kind == MaskRule::Kind::Custom && rule.bits && query < rule.bits->queries) {
    const int64_t painted = std::min(keys, rule.bits->keys);
    return bits_in_row(*rule.bits, query, painted) + std::max<int64_t>(0, std::min(keys, query + 1) - painted);
  }
  if (rule.kind == MaskRule::Kind::Custom) return std::min(keys, query + 1);  // outside the painted area: causal
  const auto [first, last] = rule.span(query, keys);
  return std::max<int64_t>(0, last - first);
}

Counts count(const MaskRule& rule, int64_t n) {
  Counts counts;
  counts.all = n * n;
  for (int64_t q = 0; q < n; ++q) {
    const int64_t in_row = allowed_in_row(rule, q, n);
    counts.allowed += in_row;
    if (in_row > 0) continue;
    ++counts.empty_rows;
    if (counts.first_empty < 0) counts.first_empty = q;
  }
  return counts;
}

Word kind_word(const MaskRule& rule) {
  switch (rule.kind) {
    case MaskRule::Kind::Causal:
      return Word::MaskCausal;
    case MaskRule::Kind::Bidirectional:
      return Word::MaskBidirectional;
    case MaskRule::Kind::Prefix:
      return Word::MaskPrefix;
    case MaskRule::Kind::Window:
      return Word::MaskWindow;
    case MaskRule::Kind::Local:
      return Word::MaskLocal;
    case MaskRule::Kind::Custom:
      break;
  }
  return Word::MaskCustom;
}

std::string formula(const MaskRule& rule) {
  switch (rule.kind) {
    case MaskRule::Kind::Causal:
      return std::string(say(Word::FormulaCausal));
    case MaskRule::Kind::Bidirectional:
      return std::string(say(Word::FormulaBidirectional));
    case MaskRule::Kind::Prefix:
      return say(Word::FormulaPrefix, {say_integer(rule.n)});
    case MaskRule::Kind::Window:
      return say(Word::FormulaWindow, {say_integer(rule.n)});
    case MaskRule::Kind::Local:
      return say(Word::FormulaLocal, {say_integer(rule.n)});
    case MaskRule::Kind::Custom:
      break;
  }
  return std::string(say(Word::FormulaCustom));
}

class MaskView final : public View {
 public:
  std::string_view id() const override { return "mask"; }
  Word name() const override { return Word::ViewMask; }
  std::string refusal(const Snapshot& s) const override {
    return s.masks.empty() ? std::string(say(Word::NoMaps)) : std::string();
  }
  void draw(Canvas&, const Scene&) override;
  void hover(Point p, const Scene& s, Selection& at) override {
    at.cursor = s.step ? zoom_.cell(map_, p, s.step->positions(), s.step->positions()) : std::nullopt;
  }
  Gesture click(Point p, const Scene& s) override {
    if (!s.step || s.step->masks.empty()) return {};
    const auto cell = zoom_.cell(map_, p, s.step->positions(), s.step->positions());
    if (!cell) return {};
    MaskRule rule = rule_of(s);
    if (s.at.edit_mask) return ToggleMaskCell{*cell, !rule.allowed(cell->query, cell->key)};
    if (rule.kind == MaskRule::Kind::Prefix)
      rule.n = cell->key + 1;
    else if (rule.kind == MaskRule::Kind::Window)
      rule.n = std::max<int64_t>(1, cell->query - cell->key + 1);
    else
      return Pin{*cell};
    return SetMaskRule{rule};
  }
  void drag(Point from, Point to, const Scene& s) override {
    if (s.step) zoom_.pan(map_, to.x - from.x, to.y - from.y, s.step->positions(), s.step->positions());
  }
  void wheel(Point p, float notches, const Scene& s) override {
    if (s.step) zoom_.wheel(map_, p, notches, s.step->positions(), s.step->positions());
  }
  void fit() override { zoom_.fit(); }
  void move_cursor(int dq, int dk, const Scene& s, Selection& at) override {
    if (!s.step || s.step->positions() == 0) return;
    const int64_t last = s.step->positions() - 1;
    const Cell from = at.cursor.value_or(Cell{});
    at.cursor = Cell{std::clamp<int64_t>(from.query + dq, 0, last), std::clamp<int64_t>(from.key + dk, 0, last)};
  }
  std::vector<Readout> readout(const Scene&, TileSource&) const override;
  Table table(const Scene&, TileSource&) const override;
  std::vector<Array> arrays(const Scene&, TileSource&) const override;

 private:
  static const MaskRule& rule_of(const Scene& s) {
    const auto map = map_of(s);
    return map ? s.step->mask_of(map->probs) : s.step->masks.front();
  }
  void draw_cells(Canvas&, const MaskRule&, int64_t n);
  void draw_axes(Canvas&, const Scene&, int64_t n, float label);
  void draw_words(Canvas&, Rect, const MaskRule&, int64_t n, const Scene&);

  Zoom zoom_;
  Rect map_;
  bool labelled_ = true;
};

/// Rows of pixels: where several queries share a pixel, a key is filled that any of them may see.
void MaskView::draw_cells(Canvas& c, const MaskRule& rule, int64_t n) {
  const Theme& t = c.theme();
  const double span = zoom_.span(n), per_cell = map_.h / span;
  const auto first = static_cast<int64_t>(zoom_.first_query(n));
  const auto last = std::min(n, static_cast<int64_t>(std::ceil(zoom_.first_query(n) + span)));
  const bool gaps = per_cell >= heat_gap_from;
  const Color allowed = t.sequential[4];
  c.push_clip(map_);
  c.hatch(map_, Hatch::Masked, hatch_pitch(map_));
  const int64_t stride = per_cell >= 1 ? 1 : static_cast<int64_t>(std::ceil(1 / per_cell));
  for (int64_t q = first; q < last; q += stride) {
    const float top = zoom_.y(map_, static_cast<double>(q), n),
                bottom = zoom_.y(map_, static_cast<double>(std::min(n, q + stride)), n);
    const int64_t end_query = std::min(n, q + stride);
    // A contiguous rule is told by its first and last query of the stride; a painted one by all of them.
    const int64_t skip = rule.kind == MaskRule::Kind::Custom ? 1 : std::max<int64_t>(1, end_query - 1 - q);
    for (int64_t query = q; query < end_query; query += skip) {
      each_run(rule, query, n, [&](int64_t begin, int64_t end) {
        const float left = zoom_.x(map_, static_cast<double>(begin), n),
                    right = zoom_.x(map_, static_cast<double>(end), n);
        c.fill({left, top, right - left, bottom - top}, gaps ? t.canvas : allowed);
        if (!gaps) return;
        for (int64_t k = begin; k < end; ++k) {
          const Rect cell = zoom_.rect(map_, {query, k}, n, n);
          if (cell.right() >= map_.x && cell.x <= map_.right())
            c.fill({cell.x, cell.y, cell.w - 1, cell.h - 1}, allowed);
        }
      });
    }
  }
  c.pop_clip();
  c.outline({map_.x - 0.5f, map_.y - 0.5f, map_.w + 1, map_.h + 1}, t.hairline, 1);
}

void MaskView::draw_axes(Canvas& c, const Scene& s, int64_t n, float label) {
  const Theme& t = c.theme();
  const float per_cell = map_.h / static_cast<float>(zoom_.span(n));
  const int64_t step = labelled_ ? 1 : tick_step(per_cell, 48);
  const auto begin = static_cast<int64_t>(std::ceil(zoom_.first_query(n) / static_cast<double>(step))) * step;
  const auto begin_key = static_cast<int64_t>(std::ceil(zoom_.first_key(n) / static_cast<double>(step))) * step;
  for (int64_t i = begin; i < n; i += step) {
    const float y = zoom_.y(map_, static_cast<double>(i) + 0.5, n);
    if (y > map_.bottom()) break;
    const bool on = s.at.cursor && s.at.cursor->query == i;
    put(c, map_.x - 8, y, labelled_ ? fitted(token_on_axis(*s.step, i), Face::Mono, 11, label) : say_integer(i),
        {labelled_ ? Face::Mono : Face::Sans, labelled_ ? 11.f : 10.f, on ? t.accent : t.secondary, Align::Right});
  }
  for (int64_t i = begin_key; i < n; i += step) {
    const float x = zoom_.x(map_, static_cast<double>(i) + 0.5, n);
    if (x > map_.right()) break;
    const bool on = s.at.cursor && s.at.cursor->key == i;
    if (labelled_)
      c.text({x + 3, map_.y - 6}, fitted(token_on_axis(*s.step, i), Face::Mono, 11, label),
             {Face::Mono, 11, on ? t.accent : t.secondary, Align::Left, 55});
    else
      put(c, x, map_.y - 10, say_integer(i), {Face::Sans, 10, t.dim, Align::Center});
  }
}

void MaskView::draw(Canvas& c, const Scene& s) {
  const Theme& t = c.theme();
  const Rect area = c.area();
  map_ = {};
  if (!s.step || s.step->masks.empty() || s.step->positions() == 0) {
    put_title(c, area, say(Word::ViewMask));
    const Rect inside{area.x + 16, area.y + title_height + 12, area.w - 32, area.h - title_height - 28};
    put_grid(c, inside, 16);
    return put_notice(c, inside,
                      s.step && !refusal(*s.step).empty() ? refusal(*s.step) : std::string(say(Word::PressSpace)));
  }
  const MaskRule& rule = rule_of(s);
  const int64_t n = s.step->positions();
  put_title(c, area, say(kind_word(rule)), formula(rule));
  float label = 24;
  for (int64_t i = 0; i < std::min<int64_t>(n, 256); ++i)
    label = std::max(label, c.text_width(token_on_axis(*s.step, i), Face::Mono, 11));
  label = std::min(label, std::min(96.f, area.w * 0.16f));
  const float beside = area.w >= side_from ? 260.f : 0.f;
  const auto cells = static_cast<float>(n);
  const auto side_in = [&](float left, float top) {
    const float side = std::min(area.w - left - 24 - beside, area.h - top - legend_height - (beside > 0 ? 0.f : 40.f));
    return std::max(40.f, std::min(side, 56 * cells));
  };
  float left = 24 + label, top = title_height + label * 0.82f + 16, side = side_in(left, top);
  labelled_ = side / zoom_.span(n) >= labels_from;
  if (!labelled_) left = 64, top = title_height + 28, side = side_in(left, top);
  if (side / cells >= 6) side = std::floor(side / cells * 2) / 2 * cells;
  map_ = {std::round(area.x + left), std::round(area.y + top), side, side};
  draw_cells(c, rule, n);
  draw_axes(c, s, n, label);
  if (s.at.cursor && s.at.cursor->query < n && s.at.cursor->key < n) {
    c.push_clip(map_.inset(-1));
    c.outline(zoom_.rect(map_, *s.at.cursor, n, n), t.accent, 2);
    c.pop_clip();
  }
  const float y = map_.bottom() + 18;
  c.fill({map_.x, y - 5, 16, 10}, t.sequential[4]);
  put(c, map_.x + 22, y, say(Word::Allowed), {Face::Sans, 11, t.dim});
  put_mark(c, map_.x + 22 + c.text_width(say(Word::Allowed), Face::Sans, 11) + 16, y, true, {}, say(Word::MaskedNever));
  draw_words(c, area, rule, n, s);
}

/// The rule, the counts and what can be done, beside the map or below it.
void MaskView::draw_words(Canvas& c, Rect area, const MaskRule& rule, int64_t n, const Scene& s) {
  const Theme& t = c.theme();
  const bool beside = area.w >= side_from;
  const float x = beside ? std::max(map_.right() + 32, std::min(area.right() - 250, map_.right() + 48)) : map_.x;
  float y = beside ? map_.y + 8 : map_.bottom() + 38;
  const float room = area.right() - x - 12;
  const auto line = [&](std::string_view text, const TextStyle& style, float step) {
    put(c, x, y, fitted(text, style.face, style.px, room), style);
    y += step;
  };
  const Counts counts = count(rule, n);
  const std::string pairs = say(Word::PairsAllowed, {say_integer(counts.allowed), say_integer(counts.all)});
  const std::string hatched = say(Word::PairsHatched, {say_integer(counts.all - counts.allowed)});
  if (beside) {
    line(say(kind_word(rule)), {Face::SansSemibold, 12.5f, t.text}, 20);
    line(formula(rule), {Face::Sans, 12, t.secondary}, 20);
    line(pairs, {Face::Sans, 12, t.secondary}, 18);
    line(hatched, {Face::Sans, 12, t.secondary}, 24);
  } else {
    line(pairs + " · " + hatched, {Face::Sans, 11, t.secondary}, 16);
  }
  if (counts.empty_rows > 0)
    line(counts.empty_rows == 1 ? say(Word::RowEmpty, {say_integer(counts.first_empty)})
                                : say(Word::RowsEmpty, {say_integer(counts.empty_rows)}),
         {Face::Sans, 12, t.error}, 20);
  if (!beside) return;
  if (s.at.edit_mask)
    line(say(Word::MaskEditHint), {Face::Sans, 11, t.dim}, 18);
  else if (rule.kind == MaskRule::Kind::Prefix)
    line(say(Word::MaskPrefixHint), {Face::Sans, 11, t.dim}, 18);
  else if (rule.kind == MaskRule::Kind::Window)
    line(say(Word::MaskWindowHint), {Face::Sans, 11, t.dim}, 18);
}

std::vector<Readout> MaskView::readout(const Scene& s, TileSource&) const {
  if (!s.step || s.step->masks.empty() || s.step->positions() == 0) return {};
  const MaskRule& rule = rule_of(s);
  const int64_t n = s.step->positions();
  const Counts counts = count(rule, n);
  std::vector<Readout> lines{
      {std::string(say(Word::Rule)), std::string(say(kind_word(rule))) + ", " + formula(rule)},
      {std::string(say(Word::Pairs)), say(Word::PairsAllowed, {say_integer(counts.allowed), say_integer(counts.all)})}};
  if (s.at.cursor && s.at.cursor->query < n && s.at.cursor->key < n) {
    const Cell cell = *s.at.cursor;
    const int64_t in_row = allowed_in_row(rule, cell.query, n);
    lines.push_back({std::string(say(Word::QueryKey)),
                     token_in_text(*s.step, cell.query) + " " + std::to_string(cell.query) + " ← " +
                         token_in_text(*s.step, cell.key) + " " + std::to_string(cell.key)});
    lines.push_back({std::string(say(Word::Cell)),
                     std::string(say(rule.allowed(cell.query, cell.key) ? Word::Allowed : Word::Masked))});
    lines.push_back({std::string(say(Word::KeysInRow)), say_count(in_row, Word::KeyOne, Word::KeyFew, Word::KeyMany)});
  }
  if (counts.first_empty >= 0)
    lines.push_back({std::string(say(Word::Note)), say(Word::RowEmpty, {say_integer(counts.first_empty)})});
  return lines;
}

Table MaskView::table(const Scene& s, TileSource&) const {
  Table table{{"query", "key", "query_token", "key_token", "allowed"}, {}};
  if (!s.step || s.step->masks.empty()) return table;
  const MaskRule& rule = rule_of(s);
  for (int64_t q = 0; q < s.step->positions(); ++q)
    for (int64_t k = 0; k < s.step->positions(); ++k)
      table.rows.push_back({std::to_string(q), std::to_string(k), s.step->pieces[static_cast<size_t>(q)],
                            s.step->pieces[static_cast<size_t>(k)], rule.allowed(q, k) ? "1" : "0"});
  return table;
}

std::vector<Array> MaskView::arrays(const Scene& s, TileSource&) const {
  if (!s.step || s.step->masks.empty()) return {};
  const MaskRule& rule = rule_of(s);
  const int64_t n = s.step->positions();
  Array array{"mask", {n, n}, {}};
  for (int64_t q = 0; q < n; ++q)
    for (int64_t k = 0; k < n; ++k) array.values.push_back(rule.allowed(q, k) ? 1.f : 0.f);
  return {array};
}

}  // namespace

std::unique_ptr<View> make_MaskView() { return std::make_unique<MaskView>(); }

}  // namespace cutaway
