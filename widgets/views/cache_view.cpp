// What the model keeps from step to step: a cell for every layer, head of keys and values, and position, to the scale
// of what a copy for every query head would take; the bytes measured from the allocation beside the law's.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/receipt.h"
#include "widgets/fonts.h"
#include "widgets/views/parts.h"

namespace cutaway {
namespace {

/// What one attention block keeps: keys and values of its heads, or a latent.
struct Band {
  CacheBlock block;
  int64_t rows = 0, first = 0, pages = 0;  // rows before `first` are forgotten
  size_t used = 0, allocated = 0;
  double position_bytes = 0, law = 0;  // by law: of one position, of all that is kept
  int64_t capacity = 0;                // positions that the pages have room for

  /// Of the bytes that a copy for every query head would take.
  float share() const { return static_cast<float>(block.values) / static_cast<float>(block.full_values); }
  double head_bytes() const { return position_bytes / static_cast<double>(block.kv_heads); }
};

std::vector<Band> bands_of(const Snapshot& s) {
  std::vector<Band> bands;
  if (s.state.empty()) return bands;
  const Storage& storage = *storage_of(s.state);
  const Lengths lengths{s.positions(), static_cast<int64_t>(s.source_ids.size())};
  for (const CacheBlock& block : cache_blocks(s.graph())) {
    Band band{.block = block};
    for (const NodeId id : block.caches) {
      const Node& node = s.graph()[id];
      const KeptRows kept = kept_rows(law_of_rows(node, s.masks), lengths);
      band.position_bytes += row_bytes(node, storage);
      band.law += row_bytes(node, storage) * static_cast<double>(kept.rows()) + scales_bytes(node, storage);
      const auto found = s.state.find(id);
      if (found == s.state.end()) continue;
      const PagedRows& rows = found->second;
      band.rows = rows.rows(), band.first = rows.first_row();
      band.capacity = static_cast<int64_t>(rows.pages().size()) * page_rows;
      band.pages += static_cast<int64_t>(rows.allocated_bytes() / (rows.row_bytes() * page_rows));
      band.used += rows.used_bytes(), band.allocated += rows.allocated_bytes();
    }
    bands.push_back(std::move(band));
  }
  return bands;
}

struct Totals {
  size_t used = 0, allocated = 0;
  double law = 0, law_per_token = 0;  // bytes; of a further token while no window is full
  int64_t pages = 0, capacity = 0, rows = 0;
};

Totals total(const std::vector<Band>& bands) {
  Totals t;
  for (const Band& b : bands) {
    t.used += b.used, t.allocated += b.allocated, t.law += b.law, t.pages += b.pages;
    t.law_per_token += b.block.cross() ? 0 : b.position_bytes;
    t.capacity = std::max(t.capacity, b.capacity), t.rows = std::max(t.rows, b.block.cross() ? 0 : b.rows);
  }
  return t;
}

/// The cell under the mouse: a band, a head of keys and values, a position.
struct CellAt {
  size_t band = 0;
  int64_t kv_head = 0, position = 0;
};

class CacheView final : public View {
 public:
  std::string_view id() const override { return "cache"; }
  Word name() const override { return Word::ViewCache; }
  std::string refusal(const Snapshot& s) const override {
    return s.state.empty() ? std::string(say(Word::NoCache)) : std::string();
  }
  void draw(Canvas&, const Scene&) override;
  void hover(Point p, const Scene& s, Selection& at) override {
    at.cursor.reset();
    under_ = s.step ? cell_at(p, *s.step) : std::nullopt;
    if (!under_ || bands_of(*s.step)[under_->band].block.cross()) return;  // a source has tokens of its own
    const int64_t position = std::min(s.step->positions() - 1, under_->position);
    at.cursor = Cell{position, position};
  }
  Gesture click(Point p, const Scene& s) override {
    const auto cell = s.step ? cell_at(p, *s.step) : std::nullopt;
    if (cell && cell->position < s.step->positions()) return SelectToken{cell->position};
    return {};
  }
  std::vector<Readout> readout(const Scene&, TileSource&) const override;
  Table table(const Scene&, TileSource&) const override;
  std::vector<Array> arrays(const Scene&, TileSource&) const override;

 private:
  std::optional<CellAt> cell_at(Point, const Snapshot&) const;
  void draw_cells(Canvas&, const Scene&, const std::vector<Band>&);
  void draw_band(Canvas&, const Band&, float y, float h);
  void draw_heads(Canvas&, const Band&, float y, float h);
  void draw_axis(Canvas&, const Scene&, const std::vector<Band>&);
  std::vector<Readout> cell_readout(const Scene&) const;
  void draw_figures(Canvas&, Rect, const Scene&, const Totals&, int64_t layers);
  void draw_law(Canvas&, Rect, const Scene&, const Totals&);

  std::optional<CellAt> under_;
  Rect cells_;
  int64_t capacity_ = 0;
};

std::optional<CellAt> CacheView::cell_at(Point p, const Snapshot& step) const {
  const auto bands = bands_of(step);
  if (bands.empty() || capacity_ <= 0 || !cells_.contains(p)) return std::nullopt;
  const double y = (p.y - cells_.y) / cells_.h * static_cast<double>(bands.size());
  const size_t band = std::min(bands.size() - 1, static_cast<size_t>(y));
  const int64_t heads = bands[band].block.kv_heads;
  const auto head = static_cast<int64_t>((y - static_cast<double>(band)) * static_cast<double>(heads));
  const auto position = static_cast<int64_t>((p.x - cells_.x) / cells_.w * static_cast<float>(capacity_));
  if (position >= bands[band].capacity) return std::nullopt;
  return CellAt{band, std::clamp<int64_t>(head, 0, heads - 1), position};
}

void CacheView::draw(Canvas& c, const Scene& s) {
  const Rect area = c.area();
  cells_ = {};
  capacity_ = 0;
  const auto bands = s.step ? bands_of(*s.step) : std::vector<Band>();
  if (bands.empty()) {
    put_title(c, area, say(Word::ViewCache));
    const Rect inside{area.x + 16, area.y + title_height + 12, area.w - 32, area.h - title_height - 28};
    for (int i = 0; i < 6; ++i) {
      const float h = std::min(24.f, inside.h / 8);
      c.outline({inside.x + 0.5f, inside.y + 0.5f + static_cast<float>(i) * (h + 6), inside.w, h}, c.theme().hairline,
                1);
    }
    return put_notice(c, {inside.x, inside.bottom() - 40, inside.w, 30},
                      s.step ? refusal(*s.step) : std::string(say(Word::PressSpace)));
  }
  const Totals all = total(bands);
  const auto n = static_cast<int64_t>(bands.size());
  put_title(
      c, area, say(Word::ViewCache),
      say(Word::CacheSub, {say_count(s.step->model->spec.n_layers(), Word::LayerOne, Word::LayerFew, Word::LayerMany),
                           say_count(all.rows, Word::TokenOne, Word::TokenFew, Word::TokenMany)}));
  capacity_ = std::max<int64_t>(1, all.capacity);
  const bool beside = area.w >= 760;
  const float below = beside ? 72.f : 276.f;
  const float width = beside ? area.w - 340 : area.w - 32;
  cells_ = {area.x + 84, area.y + title_height + 28, width - 68 - 76,
            std::max(40.f, std::min(area.h - title_height - 28 - below, 72.f * static_cast<float>(n)))};
  draw_cells(c, s, bands);
  const Rect figures = beside
                           ? Rect{area.right() - 316, area.y + title_height, 300, area.h - title_height - 12}
                           : Rect{area.x + 16, cells_.bottom() + 68, area.w - 32, area.bottom() - cells_.bottom() - 76};
  draw_figures(c, figures, s, all, n);
}

/// A band a block. Its height is what a copy for every query head would take; what is kept is filled to scale, a strip
/// a head of keys and values (a latent has one), in the middle of the query heads that share it.
void CacheView::draw_band(Canvas& c, const Band& band, float y, float h) {
  const Theme& t = c.theme();
  const float per = cells_.w / static_cast<float>(capacity_);
  const auto x_of = [&](int64_t position) { return cells_.x + per * static_cast<float>(position); };
  c.outline({cells_.x + 0.5f, y + 0.5f, per * static_cast<float>(band.capacity) - 1, h - 1}, t.hairline, 1);
  if (band.first > 0) c.hatch({cells_.x, y, per * static_cast<float>(band.first), h}, Hatch::Outside, 4);
  const Color color = band.block.cross() ? t.categorical[3] : t.bar;
  const auto heads = static_cast<float>(band.block.kv_heads);
  const float slot = h / heads, kept = std::max(std::min(1.5f, slot), slot * band.share());
  const bool parted = slot >= 3, each = per >= 4 && kept >= 2;
  const int64_t strips = parted ? band.block.kv_heads : 1;
  for (int64_t head = 0; head < strips; ++head) {
    const float tall = parted ? kept : std::max(1.5f, h * band.share());
    const float gap = parted && kept >= 4 && band.share() == 1 ? 1.f : 0.f;
    const float top = parted ? y + slot * (static_cast<float>(head) + 0.5f) - tall / 2 : y + (h - tall) / 2;
    if (!each) {
      c.fill({x_of(band.first), top, per * static_cast<float>(band.rows - band.first), tall - gap}, color);
      continue;
    }
    for (int64_t k = band.first; k < band.rows; ++k) c.fill({x_of(k), top, per - 1, tall - gap}, color);
  }
  if (per * page_rows >= 6)
    for (int64_t k = page_rows; k < band.capacity; k += page_rows) c.fill({std::round(x_of(k)) - 1, y, 1, h}, t.dim);
}

/// Query heads as dots, joined to the strip that they share.
void CacheView::draw_heads(Canvas& c, const Band& band, float y, float h) {
  const Theme& t = c.theme();
  const auto heads = static_cast<float>(band.block.heads), groups = static_cast<float>(band.block.kv_heads);
  if (h / groups < 4 || h < 12) return;
  const float dots = cells_.x - 28, strips = cells_.x - 4, pitch = h / heads;
  for (int64_t g = 0; g < band.block.kv_heads; ++g) {
    const float middle = y + h / groups * (static_cast<float>(g) + 0.5f);
    if (pitch < 3) {  // too many to tell apart: the fan as one shape
      const float top = y + h / groups * static_cast<float>(g);
      const Point fan[] = {{dots, top + 0.5f}, {strips, middle}, {dots, top + h / groups - 0.5f}};
      c.polygon(fan, t.hairline);
      continue;
    }
    for (int64_t q = 0; q < band.block.group(); ++q) {
      const float cy = y + pitch * (static_cast<float>(g * band.block.group() + q) + 0.5f);
      c.line({dots, cy}, {strips, middle}, t.hairline, 1);
      c.fill({dots - 1.5f, cy - 1.5f, 3, 3}, t.secondary);
    }
  }
}

void CacheView::draw_cells(Canvas& c, const Scene& s, const std::vector<Band>& bands) {
  const Theme& t = c.theme();
  const float pitch = cells_.h / static_cast<float>(bands.size()), gap = pitch >= 16 ? 6.f : pitch >= 4 ? 1.f : 0.f;
  const float h = std::max(1.f, pitch - gap), per = cells_.w / static_cast<float>(capacity_);
  const int64_t every = tick_step(pitch, 14);
  for (size_t i = 0; i < bands.size(); ++i) {
    const Band& band = bands[i];
    const float y = cells_.y + pitch * static_cast<float>(i);
    draw_band(c, band, y, h);
    draw_heads(c, band, y, h);
    if (static_cast<int64_t>(i) % every != 0) continue;
    const std::string name = fmt::format("L{}{}", band.block.layer, band.block.cross() ? " ×" : "");
    put(c, cells_.x - 36, y + h / 2, name, {Face::Sans, 10, t.dim, Align::Right});
    put(c, cells_.right() + 10, y + h / 2, say_bytes(static_cast<double>(band.used)), {Face::Sans, 10, t.secondary});
  }
  const int64_t at = s.at.cursor ? s.at.cursor->key : s.at.token.value_or(s.step->positions() - 1);
  if (at >= 0 && at < capacity_) {
    const float w = std::max(2.f, per - 1);
    c.outline({cells_.x + per * static_cast<float>(at) - 1, cells_.y - 2, w + 2, cells_.h + 2}, t.accent, 1);
    const std::string label = token_in_text(*s.step, std::min(at, s.step->positions() - 1)) + " " + std::to_string(at);
    put(c, std::clamp(cells_.x + per * (static_cast<float>(at) + 0.5f), cells_.x + 30, cells_.right() - 30),
        cells_.y - 11, label, {Face::Mono, 10, t.accent, Align::Center});
  }
  if (under_ && under_->band < bands.size()) {
    const float slot = h / static_cast<float>(bands[under_->band].block.kv_heads);
    c.outline({cells_.x + per * static_cast<float>(under_->position) - 1,
               cells_.y + pitch * static_cast<float>(under_->band) + slot * static_cast<float>(under_->kv_head),
               std::max(3.f, per + 1), std::max(3.f, slot)},
              t.accent, 1);
  }
  draw_axis(c, s, bands);
}

/// Ticks, what the marks mean, and what the mouse is on.
void CacheView::draw_axis(Canvas& c, const Scene& s, const std::vector<Band>& bands) {
  const Theme& t = c.theme();
  const float per = cells_.w / static_cast<float>(capacity_), below = cells_.bottom() + 28;
  const int64_t step = tick_step(per, 56);
  for (int64_t k = 0; k <= capacity_; k += step)
    put(c, cells_.x + per * static_cast<float>(k), cells_.bottom() + 10, say_integer(k),
        {Face::Sans, 10, t.dim, Align::Center});
  const float left = cells_.x - 68, right = cells_.right() + 60;
  float x = left;
  const auto room = [&](std::string_view text) { return x + 24 + c.text_width(text, Face::Sans, 11) <= right; };
  c.fill({x, below - 5, 10, 10}, t.bar);
  put(c, x + 16, below, say(Word::UsedCell), {Face::Sans, 11, t.dim});
  x += 32 + c.text_width(say(Word::UsedCell), Face::Sans, 11);
  if (room(say(Word::FreeCell))) x = put_mark(c, x, below, false, t.hairline, say(Word::FreeCell));
  if (std::ranges::any_of(bands, [](const Band& b) { return b.first > 0; }) && room(say(Word::ForgottenCell))) {
    c.hatch({x, below - 5, 10, 10}, Hatch::Outside, 4);
    put(c, x + 16, below, say(Word::ForgottenCell), {Face::Sans, 11, t.dim});
    x += 32 + c.text_width(say(Word::ForgottenCell), Face::Sans, 11);
  }
  if (std::ranges::any_of(bands, [](const Band& b) { return b.block.cross(); }) && room(say(Word::CrossCell))) {
    c.fill({x, below - 5, 10, 10}, t.categorical[3]);
    put(c, x + 16, below, say(Word::CrossCell), {Face::Sans, 11, t.dim});
    x += 32 + c.text_width(say(Word::CrossCell), Face::Sans, 11);
  }
  const std::string page = say(Word::PageEdge, {std::to_string(page_rows)});
  if (room(page)) {
    c.fill({x + 4, below - 6, 1, 12}, t.dim);
    put(c, x + 12, below, page, {Face::Sans, 11, t.dim});
  }
  std::string line;
  for (const Readout& one : cell_readout(s)) line += (line.empty() ? "" : " · ") + one.label + " " + one.value;
  if (line.empty()) line = say(Word::BandHeight);
  put(c, left, below + 20, fitted(line, Face::Sans, 11, right - left), {Face::Sans, 11, t.secondary});
}

std::vector<Readout> CacheView::cell_readout(const Scene& s) const {
  const auto bands = s.step && under_ ? bands_of(*s.step) : std::vector<Band>();
  if (!under_ || under_->band >= bands.size()) return {};
  const Band& band = bands[under_->band];
  const CacheBlock& block = band.block;
  const int64_t group = block.latent ? block.heads : block.group(), first = under_->kv_head * group;
  const bool forgotten = under_->position < band.first, there = under_->position < band.rows && !forgotten;
  const double full = band.position_bytes / static_cast<double>(band.share()) / static_cast<double>(block.kv_heads);
  std::vector<Readout> lines{{fmt::format("L{}, KV {}", block.layer, under_->kv_head),
                              say(Word::CellPosition, {say_integer(under_->position)})},
                             {std::string(say(Word::QueryHeads)),
                              group == 1 ? say_integer(first) : fmt::format("{}–{}", first, first + group - 1)},
                             {std::string(say(Word::CellBytes)), there       ? say_bytes(band.head_bytes())
                                                                 : forgotten ? std::string(say(Word::ForgottenCell))
                                                                             : std::string(say(Word::FreeCell))}};
  if (band.share() < 1)
    lines.push_back(
        {std::string(say(Word::SavedAgainstMha)), fmt::format("{}, {}", say_bytes(full - band.head_bytes()),
                                                              say_percent(1 - static_cast<double>(band.share())))});
  return lines;
}

/// Measured bytes upright, bytes from the law marked as such.
void CacheView::draw_figures(Canvas& c, Rect r, const Scene& s, const Totals& all, int64_t layers) {
  const Theme& t = c.theme();
  float y = r.y + 16;
  const std::string used = say_bytes(static_cast<double>(all.used));
  const size_t space = used.find(' ');
  put(c, r.x, y, used.substr(0, space), {Face::SansSemibold, 22, t.text});
  put(c, r.x + c.text_width(used.substr(0, space), Face::SansSemibold, 22) + 6, y + 3,
      used.substr(space + 1) + " " + std::string(say(Word::UsedMeasured)), {Face::Sans, 12.5f, t.secondary});
  y += 30;
  const auto line = [&](std::string_view label, std::string_view value) {
    put(c, r.x, y, fitted(label, Face::Sans, 12, r.w - c.text_width(value, Face::Sans, 12) - 12),
        {Face::Sans, 12, t.secondary});
    put(c, r.x + std::min(r.w, 300.f), y, value, {Face::Sans, 12, t.text, Align::Right});
    y += 20;
  };
  line(say(Word::AllocatedPages,
           {say_count(all.pages, Word::PageOne, Word::PageFew, Word::PageMany), std::to_string(page_rows)}),
       say_bytes(static_cast<double>(all.allocated)));
  line(say(Word::LawBytes, {say_count(all.rows, Word::TokenOne, Word::TokenFew, Word::TokenMany)}), say_bytes(all.law));
  const double difference = static_cast<double>(all.used) - all.law;
  line(say(Word::MeasuredLessLaw), difference == 0 ? "0" : say_bytes(difference));
  line(say(Word::PerToken), say(Word::UnitPerToken, {say_bytes(all.law_per_token)}));
  line(say(Word::PerTokenLayer),
       say(Word::UnitPerToken, {say_bytes(all.law_per_token / static_cast<double>(std::max<int64_t>(1, layers)))}));
  for (const auto& [tokens, name] : {std::pair{int64_t{131'072}, "fp16"}, {int64_t{1'000'000}, "q8_0"}}) {
    const std::string text = say_count(tokens, Word::TokenOne, Word::TokenFew, Word::TokenMany) + ", " + name;
    line(say(Word::LawBytes, {text}),
         say_bytes(footprint(s.step->graph(), {tokens, tokens}, {.cache = storage_named(name)}).used));
  }
  if (s.step->arena_bytes > 0) line(say(Word::ArenaBytes), say_bytes(static_cast<double>(s.step->arena_bytes)));
  const Rect plot{r.x, y + 16, std::min(r.w, 300.f), std::min(r.bottom() - y - 40, 150.f)};
  if (plot.h >= 60) draw_law(c, plot, s, all);
}

/// Bytes against length, both logarithmic: the law as a dashed line, this moment as a dot on it.
void CacheView::draw_law(Canvas& c, Rect r, const Scene& s, const Totals& all) {
  const Theme& t = c.theme();
  const double most_t = static_cast<double>(std::max<int64_t>(2, std::max(s.step->model->spec.n_ctx, all.rows)));
  const Storage& storage = *storage_of(s.step->state);
  const auto source = static_cast<int64_t>(s.step->source_ids.size());
  const auto law = [&](double tokens) {
    return footprint(s.step->graph(), {static_cast<int64_t>(tokens), source}, {.cache = &storage}).used;
  };
  const double low = std::log10(std::max(1., law(1))) - 0.1, high = std::log10(std::max(2., law(most_t))) + 0.1;
  const auto x_of = [&](double tokens) {
    return static_cast<float>(r.x + std::log2(std::max(1., tokens)) / std::log2(most_t) * r.w);
  };
  const auto y_of = [&](double bytes) {
    return static_cast<float>(r.bottom() - (std::log10(std::max(1., bytes)) - low) / (high - low) * r.h);
  };
  for (double unit = 1; unit < 1e13; unit *= 1024) {
    for (const double bytes : {unit, unit * 32}) {
      if (std::log10(bytes) < low || std::log10(bytes) > high) continue;
      c.fill({r.x, std::round(y_of(bytes)), r.w, 1}, t.hairline.alpha(150));
      put(c, r.x, y_of(bytes) - 7, say_bytes(bytes), {Face::Sans, 10, t.dim});
    }
  }
  std::vector<Point> path;
  for (int i = 0; i <= 32; ++i) {
    const double tokens = std::round(std::pow(most_t, i / 32.));
    path.push_back({x_of(tokens), y_of(law(tokens))});
  }
  c.polyline(path, t.text, 1.5f, true);
  put(c, r.right(), y_of(law(most_t)) - 9, say_bytes(law(most_t)), {Face::Sans, 10, t.secondary, Align::Right});
  if (all.rows > 0) {
    const float x = x_of(static_cast<double>(all.rows)), y = y_of(static_cast<double>(all.used));
    c.fill({x, y, 1, r.bottom() - y}, t.accent);
    std::vector<Point> dot;
    for (int i = 0; i < 16; ++i)
      dot.push_back({x + 0.5f + 3.5f * std::cos(static_cast<float>(i) * 0.3927f),
                     y + 3.5f * std::sin(static_cast<float>(i) * 0.3927f)});
    c.polygon(dot, t.accent);
    put(c, std::clamp(x, r.x + 12, r.right() - 12), r.bottom() + 10, say_integer(all.rows),
        {Face::Sans, 10, t.accent, Align::Center});
  }
  put(c, r.x, r.bottom() + 10, "1", {Face::Sans, 10, t.dim});
  put(c, r.right(), r.bottom() + 10,
      say_count(static_cast<int64_t>(most_t), Word::TokenOne, Word::TokenFew, Word::TokenMany),
      {Face::Sans, 10, t.dim, Align::Right});
  put(c, r.x, r.bottom() + 26, say(Word::DashedLaw), {Face::Sans, 10, t.dim});
}

std::vector<Readout> CacheView::readout(const Scene& s, TileSource&) const {
  if (!s.step) return {};
  if (s.step->state.empty()) return {{std::string(say(Word::ViewCache)), refusal(*s.step)}};
  const Totals all = total(bands_of(*s.step));
  std::vector<Readout> lines = cell_readout(s);
  const std::vector<Readout> sums{
      {std::string(say(Word::Used)), say_bytes(static_cast<double>(all.used))},
      {std::string(say(Word::Allocated)), say_bytes(static_cast<double>(all.allocated))},
      {std::string(say(Word::ByLaw)), say_bytes(all.law)},
      {std::string(say(Word::PerToken)), say(Word::UnitPerToken, {say_bytes(all.law_per_token)})},
      {std::string(say(Word::Positions)), say_integer(all.rows)}};
  lines.insert(lines.end(), sums.begin(), sums.end());
  return lines;
}

Table CacheView::table(const Scene& s, TileSource&) const {
  Table table{{"layer", "positions", "used_bytes", "allocated_bytes", "law_bytes", "law_bytes_per_position", "pages",
               "block", "kv_heads", "query_heads", "first_position", "full_bytes"},
              {}};
  if (!s.step) return table;
  for (const Band& b : bands_of(*s.step))
    table.rows.push_back({std::to_string(b.block.layer), std::to_string(b.rows), std::to_string(b.used),
                          std::to_string(b.allocated), std::to_string(std::llround(b.law)),
                          std::to_string(std::llround(b.position_bytes)), std::to_string(b.pages), b.block.block,
                          std::to_string(b.block.kv_heads), std::to_string(b.block.heads), std::to_string(b.first),
                          std::to_string(std::llround(b.law / static_cast<double>(b.share())))});
  return table;
}

std::vector<Array> CacheView::arrays(const Scene& s, TileSource&) const {
  Array used{"used_bytes", {0}, {}}, allocated{"allocated_bytes", {0}, {}};
  if (s.step)
    for (const Band& b : bands_of(*s.step)) {
      used.values.push_back(static_cast<float>(b.used));
      allocated.values.push_back(static_cast<float>(b.allocated));
    }
  used.shape[0] = allocated.shape[0] = static_cast<int64_t>(used.values.size());
  return {used, allocated};
}

}  // namespace

std::unique_ptr<View> make_CacheView() { return std::make_unique<CacheView>(); }

}  // namespace cutaway
