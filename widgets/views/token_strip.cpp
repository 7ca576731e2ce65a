// The text as tokens: a cell a token, its id below, its surprisal as a bar, the playhead, the end of the prompt. A long
// text scrolls; only what is in sight is measured and drawn.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "widgets/fonts.h"
#include "widgets/views/parts.h"
#include "widgets/views/strips.h"

namespace cutaway {
namespace {

constexpr float px = 12, cell_y = 16, cell_h = 24, bar_most = 14, divider = 6, margin = 14;

class TokenStrip final : public View {
 public:
  std::string_view id() const override { return "strip"; }
  Word name() const override { return Word::ViewStrip; }
  void draw(Canvas&, const Scene&) override;
  void hover(Point p, const Scene&, Selection& at) override {
    at.cursor.reset();
    hovered_ = at_point(p);
    if (hovered_) at.cursor = Cell{*hovered_, *hovered_};
  }
  Gesture click(Point p, const Scene&) override {
    if (const auto position = at_point(p)) return SelectToken{*position};
    return {};
  }
  void drag(Point from, Point to, const Scene&) override { scroll(from.x - to.x); }
  void wheel(Point, float notches, const Scene&) override { scroll(-notches * 120); }
  void fit() override { follows_ = true; }
  std::vector<Readout> readout(const Scene&, TileSource&) const override;
  Table table(const Scene&, TileSource&) const override;
  std::vector<Array> arrays(const Scene&, TileSource&) const override;

 private:
  struct Placed {
    Rect place;
    int64_t position;
  };
  void scroll(float by) {
    follows_ = false;
    scroll_ = std::max(0.f, scroll_ + by);
  }
  std::optional<int64_t> at_point(Point p) const {
    for (const Placed& token : placed_)
      if (p.x >= token.place.x && p.x < token.place.right() + 2 && p.y >= token.place.y) return token.position;
    return std::nullopt;
  }
  static float width_of(const Snapshot& s, int64_t i) {
    return std::max(20.f, text_width(token_on_axis(s, i), Face::Mono, px) + 15);
  }
  void measure(const Snapshot&);
  void draw_token(Canvas&, Rect, const Scene&, int64_t position, int64_t playhead);

  std::vector<Placed> placed_;
  std::vector<float> left_;  // of each token, from the first
  uint64_t measured_ = 0;    // serial of the snapshot that left_ belongs to
  float scroll_ = 0;
  bool follows_ = true;  // keeps the playhead in sight
  int64_t last_playhead_ = -1;
  std::optional<int64_t> hovered_;
};

void TokenStrip::measure(const Snapshot& s) {
  if (measured_ == s.serial && s.serial != 0 && left_.size() == s.ids.size() + 1) return;
  measured_ = s.serial;
  left_.assign(1, 0.f);
  for (int64_t i = 0; i < s.positions(); ++i)
    left_.push_back(left_.back() + width_of(s, i) + 2 + (i + 1 == s.n_prompt && i + 1 < s.positions() ? divider : 0));
}

void TokenStrip::draw(Canvas& c, const Scene& s) {
  const Theme& t = c.theme();
  const Rect area = c.area();
  placed_.clear();
  if (!s.step || s.step->positions() == 0) {
    for (int i = 0; i < 8; ++i)
      c.outline({area.x + margin + 0.5f + 70 * static_cast<float>(i), area.y + cell_y + 0.5f, 64, cell_h - 1},
                t.hairline, 1);
    put(c, area.x + margin, area.y + 8, say(Word::TypeText), {Face::Sans, 10, t.dim});
    return;
  }
  const Snapshot& step = *s.step;
  measure(step);
  const float width = area.w - 2 * margin;
  const int64_t playhead = std::clamp<int64_t>(s.at.token.value_or(step.positions() - 1), 0, step.positions() - 1);
  if (playhead != last_playhead_) follows_ = true;
  last_playhead_ = playhead;
  if (follows_) {
    const float left = left_[static_cast<size_t>(playhead)], right = left_[static_cast<size_t>(playhead) + 1];
    if (right - scroll_ > width) scroll_ = right - width + std::min(60.f, width / 4);
    if (left < scroll_) scroll_ = std::max(0.f, left - std::min(60.f, width / 4));
  }
  scroll_ = std::clamp(scroll_, 0.f, std::max(0.f, left_.back() - width));
  const auto first =
      std::max<std::ptrdiff_t>(0, std::upper_bound(left_.begin(), left_.end(), scroll_) - left_.begin() - 1);
  float prompt_label = -1, made_label = -1;
  c.push_clip({area.x, area.y, area.w, area.h});
  for (int64_t i = first; i < step.positions(); ++i) {
    const float x = std::round(area.x + margin + left_[static_cast<size_t>(i)] - scroll_);
    if (x > area.right()) break;
    const Rect place{x, area.y + cell_y, width_of(step, i), cell_h};
    placed_.push_back({place, i});
    draw_token(c, place, s, i, playhead);
    if (i < step.n_prompt && prompt_label < 0) prompt_label = x;
    if (i == step.n_prompt) {
      made_label = x;
      c.fill({x - divider + 1, area.y + 12, 1, area.h - 14}, t.dim);
    } else if (i > step.n_prompt && made_label < 0) {
      made_label = x;
    }
  }
  const TextStyle small{Face::Sans, 10, t.dim};
  const bool encoder = step.model->spec.objective != Objective::CausalLm;
  const std::string prompt = encoder ? say(Word::EncoderTokens, {std::to_string(step.positions())})
                                     : say(Word::PromptTokens, {std::to_string(step.n_prompt)});
  if (prompt_label >= 0) put(c, std::max(prompt_label, area.x + margin), area.y + 7, prompt, small);
  const float free =
      std::max(prompt_label, area.x + margin) + (prompt_label >= 0 ? c.text_width(prompt, Face::Sans, 10) + 10 : 0);
  if (made_label >= 0)
    put(c, std::max(made_label, free), area.y + 7,
        say(Word::MadeTokens, {std::to_string(step.positions() - step.n_prompt)}), small);
  c.pop_clip();
  if (!step.surprisal_bits.empty())
    put(c, area.right() - 8, area.y + 7, say(Word::SurprisalAxis), {Face::Sans, 10, t.dim, Align::Right});
}

void TokenStrip::draw_token(Canvas& c, Rect place, const Scene& s, int64_t i, int64_t playhead) {
  const Theme& t = c.theme();
  const Snapshot& step = *s.step;
  const auto names = [i](const Cell& cell) { return cell.query == i || cell.key == i; };
  const bool here = i == playhead;
  const bool chosen = (s.at.cursor && names(*s.at.cursor)) || std::any_of(s.at.pins.begin(), s.at.pins.end(), names);
  c.fill(place, here ? t.accent : t.raised);
  if (chosen && !here) c.outline({place.x + 0.5f, place.y + 0.5f, place.w - 1, place.h - 1}, t.accent, 1);
  put(c, place.x + place.w / 2, place.y + place.h / 2, token_on_axis(step, i),
      {Face::Mono, px,
       here     ? t.on_accent
       : chosen ? t.accent
                : t.text,
       Align::Center});
  const auto k = static_cast<size_t>(i);
  const float bits = k < step.surprisal_bits.size() ? step.surprisal_bits[k] : NAN;
  const float bottom = c.area().bottom() - 6;
  if (std::isfinite(bits)) {
    const float h = std::max(1.f, std::min(1.f, bits / 12) * bar_most);
    c.fill({place.x, bottom - h, place.w, h}, sequential(t, 0.2f + std::min(0.8f, bits / 15)));
  } else {
    put(c, place.x + place.w / 2, bottom - 6, fitted(std::to_string(step.ids[k]), Face::Mono, 10, place.w + 2),
        {Face::Mono, 10, t.dim, Align::Center});
  }
}

std::vector<Readout> TokenStrip::readout(const Scene& s, TileSource&) const {
  if (!s.step || s.step->positions() == 0) return {};
  const Snapshot& step = *s.step;
  const int64_t i =
      std::clamp<int64_t>(hovered_.value_or(s.at.token.value_or(step.positions() - 1)), 0, step.positions() - 1);
  const auto k = static_cast<size_t>(i);
  std::vector<Readout> lines{{std::string(say(Word::Token)), token_in_text(step, i)},
                             {std::string(say(Word::TokenId)), std::to_string(step.ids[k])},
                             {std::string(say(Word::Position)), std::to_string(i)}};
  if (k < step.surprisal_bits.size() && std::isfinite(step.surprisal_bits[k]))
    lines.push_back({std::string(say(Word::Surprisal)),
                     say_number(step.surprisal_bits[k]) + " " + std::string(say(Word::UnitBit))});
  if (i >= step.n_prompt && static_cast<size_t>(i - step.n_prompt) < step.chosen.size())
    lines.push_back({std::string(say(Word::ChosenWith)),
                     say_percent(std::exp(step.chosen[static_cast<size_t>(i - step.n_prompt)].logprob))});
  return lines;
}

Table TokenStrip::table(const Scene& s, TileSource&) const {
  Table table{{"position", "id", "token", "generated", "surprisal_bits"}, {}};
  if (!s.step) return table;
  for (size_t i = 0; i < s.step->ids.size(); ++i)
    table.rows.push_back({std::to_string(i), std::to_string(s.step->ids[i]), s.step->pieces[i],
                          static_cast<int64_t>(i) >= s.step->n_prompt ? "1" : "0",
                          i < s.step->surprisal_bits.size() && std::isfinite(s.step->surprisal_bits[i])
                              ? digits(s.step->surprisal_bits[i])
                              : ""});
  return table;
}

std::vector<Array> TokenStrip::arrays(const Scene& s, TileSource&) const {
  if (!s.step) return {};
  Array ids{"ids", {s.step->positions()}, {}};
  for (const int32_t id : s.step->ids) ids.values.push_back(static_cast<float>(id));
  return {ids};
}

}  // namespace

std::unique_ptr<View> make_token_strip() { return std::make_unique<TokenStrip>(); }

}  // namespace cutaway
