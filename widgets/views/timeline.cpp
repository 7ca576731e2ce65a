// Three lanes: the passes of this text, the stages of the pass in view, the operations of the layer in view. Zones of
// the lower two are as wide as they took time; passes are as wide as each other, for only the one in view was timed.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "widgets/fonts.h"
#include "widgets/views/parts.h"
#include "widgets/views/strips.h"
#include "widgets/views/times.h"

namespace cutaway {
namespace {

constexpr float label_width = 92, value_width = 76, zone_px = 10.5f;

struct Zone {
  double width = 0;
  std::string label;
  bool here = false, mono = false;
  Gesture gesture;
  std::string readout;
};

class Timeline final : public View {
 public:
  std::string_view id() const override { return "timeline"; }
  Word name() const override { return Word::ViewTimeline; }
  void draw(Canvas&, const Scene&) override;
  void hover(Point p, const Scene&, Selection&) override {
    hovered_.clear();
    for (const auto& [place, zone] : placed_)
      if (place.contains(p)) hovered_ = zone.readout;
  }
  Gesture click(Point p, const Scene&) override {
    for (const auto& [place, zone] : placed_)
      if (place.contains(p)) return zone.gesture;
    return {};
  }
  std::vector<Readout> readout(const Scene&, TileSource&) const override;
  Table table(const Scene&, TileSource&) const override;
  std::vector<Array> arrays(const Scene& s, TileSource&) const override {
    return s.step ? std::vector<Array>{{"node_ms", {static_cast<int64_t>(s.step->node_ms.size())}, s.step->node_ms}}
                  : std::vector<Array>();
  }

 private:
  std::optional<Rect> draw_lane(Canvas&, Rect, std::string_view label, std::string_view value,
                                const std::vector<Zone>&);
  std::vector<Zone> passes(const Scene&, float room) const;
  std::vector<std::pair<Rect, Zone>> placed_;
  std::string hovered_;
};

/// The prompt's pass and one for each generated token; when there are more than fit, the last ones.
std::vector<Zone> Timeline::passes(const Scene& s, float room) const {
  const Snapshot& step = *s.step;
  const int64_t made = step.positions() - step.n_prompt;
  const int64_t fitting = std::max<int64_t>(1, static_cast<int64_t>(room / 24) - 3);
  const int64_t first = std::max<int64_t>(0, made - fitting);
  const int64_t here = s.at.token ? *s.at.token : step.positions() - 1;
  std::vector<Zone> zones;
  const std::string prompt = say(step.model->spec.objective == Objective::CausalLm ? Word::PrefillOf : Word::EncodeOf,
                                 {say_count(step.n_prompt, Word::TokenOne, Word::TokenFew, Word::TokenMany)});
  zones.push_back({3, prompt, here < step.n_prompt, false, SelectToken{step.n_prompt - 1}, prompt});
  if (first > 0) zones.push_back({1, "…", false, false, SelectToken{step.n_prompt + first - 1}, say_integer(first)});
  for (int64_t i = first; i < made; ++i) {
    const int64_t position = step.n_prompt + i;
    zones.push_back({1, token_on_axis(step, position), position == here, true, SelectToken{position},
                     token_in_text(step, position) + " " + std::to_string(position)});
  }
  return zones;
}

/// Gives the zone in view. Zones thinner than a pixel share one.
std::optional<Rect> Timeline::draw_lane(Canvas& c, Rect r, std::string_view label, std::string_view value,
                                        const std::vector<Zone>& zones) {
  const Theme& t = c.theme();
  put(c, r.x + label_width - 10, r.y + r.h / 2, fitted(label, Face::Sans, 11, label_width - 18),
      {Face::Sans, 11, t.dim, Align::Right});
  put(c, r.right() - 12, r.y + r.h / 2, value, {Face::Sans, 11, t.secondary, Align::Right});
  double sum = 0;
  for (const Zone& zone : zones) sum += zone.width;
  if (!(sum > 0)) return std::nullopt;
  const float x0 = r.x + label_width, room = r.w - label_width - value_width;
  std::optional<Rect> here;
  double done = 0;
  float painted_to = x0 - 1;
  for (const Zone& zone : zones) {
    const auto left = static_cast<float>(x0 + done / sum * room);
    done += zone.width;
    const auto right = static_cast<float>(x0 + done / sum * room);
    const Rect place{left, r.y, std::max(0.5f, right - left - 1), r.h};
    placed_.emplace_back(Rect{left, r.y, right - left, r.h}, zone);
    if (right - painted_to < 0.5f && !zone.here) continue;
    painted_to = right;
    c.fill(place, zone.here ? t.accent : t.zone);
    if (zone.here) here = place;
    const Face face = zone.mono ? Face::Mono : zone.here ? Face::SansSemibold : Face::Sans;
    if (const float w = c.text_width(zone.label, face, zone_px); w + 6 <= place.w)
      put(c, place.x + place.w / 2, place.y + place.h / 2, zone.label,
          {face, zone_px, zone.here ? t.on_accent : t.secondary, Align::Center});
  }
  return here;
}

void Timeline::draw(Canvas& c, const Scene& s) {
  const Theme& t = c.theme();
  const Rect area = c.area();
  placed_.clear();
  const float h = std::clamp(std::floor(area.h / 3 - 12), 10.f, 22.f), pitch = area.h / 3;
  const auto lane = [&](int i) {
    return Rect{area.x, std::round(area.y + pitch * (static_cast<float>(i) + 0.5f) - h / 2), area.w, h};
  };
  if (!s.step || s.step->positions() == 0) {
    for (int i = 0; i < 3; ++i)
      c.outline({area.x + label_width + 0.5f, lane(i).y + 0.5f, area.w - label_width - value_width, h}, t.hairline, 1);
    return put_notice(c, area, say(Word::PressSpace));
  }
  const auto stages = stage_times(*s.step);
  const auto map = map_of(s);
  std::vector<Zone> layers, ops;
  double ops_ms = 0;
  std::string ops_label(say(Word::LaneOps));
  for (const StageTime& stage : stages) {
    const bool here = map && stage.layer >= 0 && stage.layer == map->layer;
    Gesture gesture;
    for (const NodeId id : s.step->graph().with(Role::Probs))
      if (stage.layer >= 0 && s.step->graph()[id].layer == stage.layer)
        gesture = SelectHead{s.step->graph()[id].block, s.at.head, false};
    layers.push_back({stage.ms, say_stage(stage), here, false, gesture, say_stage(stage) + "  " + say_ms(stage.ms)});
    if (!here) continue;
    ops_label = say(Word::LaneOpsOf, {say_stage(stage)});
    ops_ms = stage.ms;
    for (const NodeTime& node : stage.nodes)
      ops.push_back({node.ms, node.name, false, false, {}, node.name + "  " + say_ms(node.ms)});
  }
  const auto funnel = [&](const std::optional<Rect>& from, Rect to) {
    if (!from) return;
    const Point shape[]{{from->x, from->bottom()},
                        {from->right(), from->bottom()},
                        {to.right() - value_width, to.y},
                        {to.x + label_width, to.y}};
    c.polygon(shape, t.accent.alpha(28));
  };
  const auto pass = draw_lane(c, lane(0), say(Word::LanePasses), say_ms(s.step->pass_ms),
                              passes(s, area.w - label_width - value_width));
  if (layers.empty()) return put_notice(c, lane(1), say(Word::NoTimes));
  funnel(pass, lane(1));
  double all = 0;
  for (const Zone& zone : layers) all += zone.width;
  const auto layer = draw_lane(c, lane(1), say(Word::LaneLayers), say_ms(all), layers);
  if (ops.empty()) return;
  funnel(layer, lane(2));
  draw_lane(c, lane(2), ops_label, say_ms(ops_ms), ops);
}

std::vector<Readout> Timeline::readout(const Scene& s, TileSource&) const {
  if (!s.step) return {};
  std::vector<Readout> lines{{std::string(say(Word::PassTime)), say_ms(s.step->pass_ms)}};
  if (!hovered_.empty()) lines.insert(lines.begin(), {std::string(say(Word::Zone)), hovered_});
  return lines;
}

Table Timeline::table(const Scene& s, TileSource& tiles) const { return make_view("log")->table(s, tiles); }

}  // namespace

std::unique_ptr<View> make_timeline() { return std::make_unique<Timeline>(); }

}  // namespace cutaway
