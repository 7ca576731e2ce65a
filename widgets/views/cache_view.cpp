// What the model keeps from step to step: a cell for every layer and position, the bytes measured from the allocation
// beside the bytes that the shapes' growth laws give.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/footprint.h"
#include "widgets/fonts.h"
#include "widgets/views/parts.h"

namespace cutaway {
namespace {

/// The caches of one layer together (keys and values; or a latent).
struct LayerCache {
  int layer = 0;
  int64_t rows = 0, pages = 0;
  size_t used = 0, allocated = 0;
  double law_per_token = 0;  // bytes
  int64_t capacity = 0;      // positions that the pages have room for
};

std::vector<LayerCache> caches_of(const Snapshot& s) {
  std::vector<LayerCache> layers;
  const Storage& storage = *storage_of(s.state);
  for (const auto& [id, rows] : s.state) {
    const Node& node = s.graph()[id];
    const auto same = [&](const LayerCache& l) { return l.layer == node.layer; };
    auto found = std::find_if(layers.begin(), layers.end(), same);
    if (found == layers.end()) found = layers.insert(layers.end(), LayerCache{node.layer});
    found->rows = std::max(found->rows, rows.rows());
    found->pages += static_cast<int64_t>(rows.pages().size());
    found->capacity = std::max(found->capacity, static_cast<int64_t>(rows.pages().size()) * page_rows);
    found->used += rows.used_bytes();
    found->allocated += rows.allocated_bytes();
    found->law_per_token += row_bytes(node, storage);  // from the graph, not from the allocation
  }
  std::sort(layers.begin(), layers.end(), [](const LayerCache& a, const LayerCache& b) { return a.layer < b.layer; });
  return layers;
}

struct Totals {
  size_t used = 0, allocated = 0;
  double law_per_token = 0;
  int64_t pages = 0, capacity = 0, rows = 0;
};

Totals total(const std::vector<LayerCache>& layers) {
  Totals t;
  for (const LayerCache& l : layers) {
    t.used += l.used, t.allocated += l.allocated, t.law_per_token += l.law_per_token, t.pages += l.pages;
    t.capacity = std::max(t.capacity, l.capacity), t.rows = std::max(t.rows, l.rows);
  }
  return t;
}

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
    if (s.step && cells_.contains(p) && capacity_ > 0)
      at.cursor = Cell{std::min<int64_t>(s.step->positions() - 1, position_at(p)),
                       std::min<int64_t>(s.step->positions() - 1, position_at(p))};
  }
  Gesture click(Point p, const Scene& s) override {
    if (s.step && cells_.contains(p) && capacity_ > 0 && position_at(p) < s.step->positions())
      return SelectToken{position_at(p)};
    return {};
  }
  std::vector<Readout> readout(const Scene&, TileSource&) const override;
  Table table(const Scene&, TileSource&) const override;
  std::vector<Array> arrays(const Scene&, TileSource&) const override;

 private:
  int64_t position_at(Point p) const {
    return static_cast<int64_t>((p.x - cells_.x) / cells_.w * static_cast<float>(capacity_));
  }
  void draw_cells(Canvas&, const Scene&, const std::vector<LayerCache>&);
  void draw_figures(Canvas&, Rect, const Scene&, const Totals&, int64_t layers);
  void draw_law(Canvas&, Rect, const Scene&, const Totals&);

  Rect cells_;
  int64_t capacity_ = 0;
};

void CacheView::draw(Canvas& c, const Scene& s) {
  const Rect area = c.area();
  cells_ = {};
  capacity_ = 0;
  const auto layers = s.step ? caches_of(*s.step) : std::vector<LayerCache>();
  if (layers.empty()) {
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
  const Totals all = total(layers);
  put_title(c, area, say(Word::ViewCache),
            say(Word::CacheSub,
                {say_count(static_cast<int64_t>(layers.size()), Word::LayerOne, Word::LayerFew, Word::LayerMany),
                 say_count(all.rows, Word::TokenOne, Word::TokenFew, Word::TokenMany)}));
  capacity_ = std::max<int64_t>(1, all.capacity);
  const bool beside = area.w >= 760;
  const float below = beside ? 52.f : 266.f;
  const float width = beside ? area.w - 340 : area.w - 32;
  cells_ = {area.x + 48, area.y + title_height + 28, width - 32 - 76,
            std::max(40.f, std::min(area.h - title_height - 28 - below, 40.f * static_cast<float>(layers.size())))};
  draw_cells(c, s, layers);
  const Rect figures = beside
                           ? Rect{area.right() - 316, area.y + title_height, 300, area.h - title_height - 12}
                           : Rect{area.x + 16, cells_.bottom() + 48, area.w - 32, area.bottom() - cells_.bottom() - 56};
  draw_figures(c, figures, s, all, static_cast<int64_t>(layers.size()));
}

/// A row a layer; filled is used, outlined is allocated and free; hairlines part the pages.
void CacheView::draw_cells(Canvas& c, const Scene& s, const std::vector<LayerCache>& layers) {
  const Theme& t = c.theme();
  const float pitch = cells_.h / static_cast<float>(layers.size()), h = std::max(1.f, pitch - (pitch >= 8   ? 4.f
                                                                                               : pitch >= 4 ? 1.f
                                                                                                            : 0.f));
  const float per = cells_.w / static_cast<float>(capacity_);
  const int64_t at = s.at.cursor ? s.at.cursor->key : s.at.token.value_or(s.step->positions() - 1);
  const int64_t every = tick_step(pitch, 14);
  for (size_t i = 0; i < layers.size(); ++i) {
    const LayerCache& l = layers[i];
    const float y = cells_.y + pitch * static_cast<float>(i);
    if (static_cast<int64_t>(i) % every == 0)
      put(c, cells_.x - 8, y + h / 2, "L" + std::to_string(l.layer), {Face::Sans, 10, t.dim, Align::Right});
    c.outline({cells_.x + 0.5f, y + 0.5f, per * static_cast<float>(l.capacity) - 1, h - 1}, t.hairline, 1);
    if (per >= 4) {
      for (int64_t k = 0; k < l.rows; ++k) c.fill({cells_.x + per * static_cast<float>(k), y, per - 1, h}, t.bar);
    } else {
      c.fill({cells_.x, y, per * static_cast<float>(l.rows), h}, t.bar);
    }
    if (per * page_rows >= 6)
      for (int64_t k = page_rows; k < l.capacity; k += page_rows)
        c.fill({std::round(cells_.x + per * static_cast<float>(k)) - 1, y - 1, 1, h + 2}, t.dim);
    if (static_cast<int64_t>(i) % every == 0)
      put(c, cells_.right() + 10, y + h / 2, say_bytes(static_cast<double>(l.used)), {Face::Sans, 10, t.secondary});
  }
  if (at >= 0 && at < capacity_) {
    const float w = std::max(2.f, per - 1);
    c.outline({cells_.x + per * static_cast<float>(at) - 1, cells_.y - 2, w + 2, cells_.h + 2}, t.accent, 1);
    const std::string label = token_in_text(*s.step, std::min(at, s.step->positions() - 1)) + " " + std::to_string(at);
    put(c, std::clamp(cells_.x + per * (static_cast<float>(at) + 0.5f), cells_.x + 30, cells_.right() - 30),
        cells_.y - 11, label, {Face::Mono, 10, t.accent, Align::Center});
  }
  const int64_t step = tick_step(per, 56);
  for (int64_t k = 0; k <= capacity_; k += step)
    put(c, cells_.x + per * static_cast<float>(k), cells_.bottom() + 10, say_integer(k),
        {Face::Sans, 10, t.dim, Align::Center});
  float x = cells_.x;
  const float below = cells_.bottom() + 28;
  c.fill({x, below - 5, 10, 10}, t.bar);
  put(c, x + 16, below, say(Word::UsedCell), {Face::Sans, 11, t.dim});
  x = put_mark(c, x + 32 + c.text_width(say(Word::UsedCell), Face::Sans, 11), below, false, t.hairline,
               say(Word::FreeCell));
  c.fill({x + 4, below - 6, 1, 12}, t.dim);
  put(c, x + 12, below, say(Word::PageEdge, {std::to_string(page_rows)}), {Face::Sans, 11, t.dim});
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
  line(say(Word::LawBytes, {say_count(all.rows, Word::TokenOne, Word::TokenFew, Word::TokenMany)}),
       say_bytes(all.law_per_token * static_cast<double>(all.rows)));
  const double difference = static_cast<double>(all.used) - all.law_per_token * static_cast<double>(all.rows);
  line(say(Word::MeasuredLessLaw), difference == 0 ? "0" : say_bytes(difference));
  line(say(Word::PerToken), say(Word::UnitPerToken, {say_bytes(all.law_per_token)}));
  line(say(Word::PerTokenLayer),
       say(Word::UnitPerToken, {say_bytes(all.law_per_token / static_cast<double>(std::max<int64_t>(1, layers)))}));
  if (s.step->arena_bytes > 0) line(say(Word::ArenaBytes), say_bytes(static_cast<double>(s.step->arena_bytes)));
  const Rect plot{r.x, y + 16, std::min(r.w, 300.f), std::min(r.bottom() - y - 40, 150.f)};
  if (plot.h >= 60) draw_law(c, plot, s, all);
}

/// Bytes against length, both logarithmic: the law as a dashed line, this moment as a dot on it.
void CacheView::draw_law(Canvas& c, Rect r, const Scene& s, const Totals& all) {
  const Theme& t = c.theme();
  const double most_t = static_cast<double>(std::max<int64_t>(2, std::max(s.step->model->spec.n_ctx, all.rows)));
  const double low = std::log10(std::max(1., all.law_per_token)) - 0.1,
               high = std::log10(std::max(2., all.law_per_token * most_t)) + 0.1;
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
  c.line({x_of(1), y_of(all.law_per_token)}, {x_of(most_t), y_of(all.law_per_token * most_t)}, t.text, 1.5f, true);
  put(c, r.right(), y_of(all.law_per_token * most_t) - 9, say_bytes(all.law_per_token * most_t),
      {Face::Sans, 10, t.secondary, Align::Right});
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
  const Totals all = total(caches_of(*s.step));
  std::vector<Readout> lines{
      {std::string(say(Word::Used)), say_bytes(static_cast<double>(all.used))},
      {std::string(say(Word::Allocated)), say_bytes(static_cast<double>(all.allocated))},
      {std::string(say(Word::ByLaw)), say_bytes(all.law_per_token * static_cast<double>(all.rows))},
      {std::string(say(Word::PerToken)), say(Word::UnitPerToken, {say_bytes(all.law_per_token)})},
      {std::string(say(Word::Positions)), say_integer(all.rows)}};
  return lines;
}

Table CacheView::table(const Scene& s, TileSource&) const {
  Table table{{"layer", "positions", "used_bytes", "allocated_bytes", "law_bytes", "law_bytes_per_token", "pages"}, {}};
  if (!s.step) return table;
  for (const LayerCache& l : caches_of(*s.step))
    table.rows.push_back({std::to_string(l.layer), std::to_string(l.rows), std::to_string(l.used),
                          std::to_string(l.allocated),
                          std::to_string(std::llround(l.law_per_token * static_cast<double>(l.rows))),
                          std::to_string(std::llround(l.law_per_token)), std::to_string(l.pages)});
  return table;
}

std::vector<Array> CacheView::arrays(const Scene& s, TileSource&) const {
  Array used{"used_bytes", {0}, {}}, allocated{"allocated_bytes", {0}, {}};
  if (s.step)
    for (const LayerCache& l : caches_of(*s.step)) {
      used.values.push_back(static_cast<float>(l.used));
      allocated.values.push_back(static_cast<float>(l.allocated));
    }
  used.shape[0] = allocated.shape[0] = static_cast<int64_t>(used.values.size());
  return {used, allocated};
}

}  // namespace

std::unique_ptr<View> make_CacheView() { return std::make_unique<CacheView>(); }

}  // namespace cutaway
