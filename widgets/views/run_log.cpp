// The log of a pass: time of every stage, and of every node inside, longest first.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "widgets/fonts.h"
#include "widgets/views/parts.h"
#include "widgets/views/times.h"

namespace cutaway {

std::vector<StageTime> stage_times(const Snapshot& s) {
  std::vector<StageTime> stages;
  bool in_stack = false;
  for (const Node& node : s.graph().nodes) {
    in_stack = in_stack || node.layer >= 0;
    const auto i = static_cast<size_t>(node.id);
    const float ms = i < s.node_ms.size() ? s.node_ms[i] : 0;
    if (!(ms > 0)) continue;
    if (stages.empty() || stages.back().layer != node.layer)
      stages.push_back({node.layer, in_stack && node.layer < 0, 0, {}});
    const std::string scope = fmt::format("layers.{}.", node.layer);
    std::string name = node.path.empty() ? std::string(name_of(node.op)) : node.path;
    if (name.starts_with(scope)) name = name.substr(scope.size());
    stages.back().nodes.push_back({node.id, ms, std::move(name)});
    stages.back().ms += ms;
  }
  return stages;
}

std::string say_stage(const StageTime& stage) {
  return stage.layer >= 0 ? "L" + std::to_string(stage.layer)
                          : std::string(say(stage.after ? Word::StageHead : Word::StageEmbed));
}

namespace {

constexpr float row_height = 20;

class RunLog final : public View {
 public:
  std::string_view id() const override { return "log"; }
  Word name() const override { return Word::ViewLog; }
  void draw(Canvas&, const Scene&) override;
  void hover(Point p, const Scene&, Selection&) override { hovered_ = p; }
  Gesture click(Point p, const Scene& s) override {
    for (const auto& [place, layer] : stages_)
      if (place.contains(p) && s.step)
        for (const NodeId id : s.step->graph().with(Role::Probs))
          if (s.step->graph()[id].layer == layer) return SelectHead{s.step->graph()[id].block, s.at.head, false};
    return {};
  }
  std::vector<Readout> readout(const Scene&, TileSource&) const override;
  Table table(const Scene&, TileSource&) const override;
  std::vector<Array> arrays(const Scene&, TileSource&) const override;

 private:
  void draw_stages(Canvas&, Rect, const Scene&, const std::vector<StageTime>&, float sum);
  void draw_nodes(Canvas&, Rect, const Scene&, const std::vector<StageTime>&, float sum);

  std::vector<std::pair<Rect, int>> stages_;
  std::optional<Point> hovered_;
};

float sum_of(const std::vector<StageTime>& stages) {
  float sum = 0;
  for (const StageTime& stage : stages) sum += stage.ms;
  return sum;
}

void RunLog::draw(Canvas& c, const Scene& s) {
  const Rect area = c.area();
  stages_.clear();
  const auto stages = s.step ? stage_times(*s.step) : std::vector<StageTime>();
  if (stages.empty()) {
    put_title(c, area, say(Word::ViewLog));
    for (int i = 0; i < 8; ++i)
      c.outline({area.x + 110.5f, area.y + title_height + 12.5f + static_cast<float>(i) * row_height,
                 std::max(10.f, (area.w - 190) * std::pow(0.8f, static_cast<float>(i))), 10},
                c.theme().hairline, 1);
    return put_notice(c, {area.x, area.y + title_height + 170, area.w, 30},
                      say(s.step && s.step->positions() > 0 ? Word::NoTimes : Word::PressSpace));
  }
  const float sum = sum_of(stages);
  put_title(c, area, say(Word::ViewLog),
            say(Word::LogSub, {say_count(s.step->pass_tokens, Word::TokenOne, Word::TokenFew, Word::TokenMany),
                               say_ms(s.step->pass_ms), s.step->backend_name}));
  const bool beside = area.w >= 640;
  const float top = area.y + title_height + 8;
  const Rect left{area.x, top, beside ? area.w * 0.42f : area.w,
                  beside ? area.bottom() - top : (area.bottom() - top) * 0.45f};
  const Rect right = beside ? Rect{left.right(), top, area.w - left.w, left.h}
                            : Rect{area.x, left.bottom(), area.w, area.bottom() - left.bottom()};
  draw_stages(c, left, s, stages, sum);
  draw_nodes(c, right, s, stages, sum);
}

/// A bar a stage, in running order; where there are more than rows, rows become thinner and labels fewer.
void RunLog::draw_stages(Canvas& c, Rect r, const Scene& s, const std::vector<StageTime>& stages, float sum) {
  const Theme& t = c.theme();
  put(c, r.x + 16, r.y + 10, say(Word::ByStage), {Face::SansSemibold, 11, t.secondary});
  const float top = r.y + 24, pitch = std::min(row_height, (r.bottom() - top - 24) / static_cast<float>(stages.size()));
  const auto map = map_of(s);
  float most = 0;
  for (const StageTime& stage : stages) most = std::max(most, stage.ms);
  const float x = r.x + 88, room = std::max(20.f, r.w - 88 - 132);
  const auto every = static_cast<size_t>(tick_step(pitch, 14));
  for (size_t i = 0; i < stages.size(); ++i) {
    const float y = top + (static_cast<float>(i) + 0.5f) * pitch;
    const bool on = map && stages[i].layer >= 0 && stages[i].layer == map->layer;
    stages_.push_back({{r.x + 8, y - pitch / 2, r.w - 16, pitch}, stages[i].layer});
    c.fill({x, y - std::max(1.f, pitch - 8) / 2, std::max(1.f, stages[i].ms / most * room), std::max(1.f, pitch - 8)},
           on ? t.accent : t.bar);
    if (i % every != 0) continue;
    put(c, x - 8, y, fitted(say_stage(stages[i]), Face::Sans, 11, 68),
        {Face::Sans, 11, on ? t.accent : t.secondary, Align::Right});
    put(c, x + room + 64, y, say_ms(stages[i].ms), {Face::Sans, 11, t.secondary, Align::Right});
    put(c, x + room + 116, y, say_percent(stages[i].ms / sum), {Face::Sans, 11, t.dim, Align::Right});
  }
  const float y = top + pitch * static_cast<float>(stages.size()) + 14;
  put(c, x - 8, y, say(Word::Total), {Face::SansSemibold, 11, t.text, Align::Right});
  put(c, x + room + 64, y, say_ms(sum), {Face::SansSemibold, 11, t.text, Align::Right});
}

void RunLog::draw_nodes(Canvas& c, Rect r, const Scene& s, const std::vector<StageTime>& stages, float sum) {
  const Theme& t = c.theme();
  put(c, r.x + 16, r.y + 10, say(Word::LongestNodes), {Face::SansSemibold, 11, t.secondary});
  std::vector<std::pair<const StageTime*, const NodeTime*>> nodes;
  for (const StageTime& stage : stages)
    for (const NodeTime& node : stage.nodes) nodes.emplace_back(&stage, &node);
  const auto longer = [](const auto& a, const auto& b) { return a.second->ms > b.second->ms; };
  const auto shown = std::min(nodes.size(), static_cast<size_t>(std::max(1.f, (r.h - 32) / row_height)));
  std::partial_sort(nodes.begin(), nodes.begin() + static_cast<std::ptrdiff_t>(shown), nodes.end(), longer);
  const float name = std::min(200.f, r.w * 0.42f), x = r.x + 16 + name + 8,
              room = std::max(20.f, r.w - name - 24 - 132);
  const auto map = map_of(s);
  for (size_t i = 0; i < shown; ++i) {
    const auto& [stage, node] = nodes[i];
    const float y = r.y + 24 + (static_cast<float>(i) + 0.5f) * row_height;
    const bool on = map && stage->layer >= 0 && stage->layer == map->layer;
    put(c, r.x + 16, y,
        fitted((stage->layer >= 0 ? say_stage(*stage) + " " : std::string()) + node->name, Face::Mono, 11, name),
        {Face::Mono, 11, on ? t.accent : t.secondary});
    c.fill({x, y - 5, std::max(1.f, node->ms / nodes.front().second->ms * room), 10}, t.bar);
    put(c, x + room + 64, y, say_ms(node->ms), {Face::Sans, 11, t.secondary, Align::Right});
    put(c, x + room + 116, y, say_percent(node->ms / sum), {Face::Sans, 11, t.dim, Align::Right});
  }
}

std::vector<Readout> RunLog::readout(const Scene& s, TileSource&) const {
  if (!s.step) return {};
  std::vector<Readout> lines{{std::string(say(Word::PassTime)), say_ms(s.step->pass_ms)},
                             {std::string(say(Word::PassTokens)), say_integer(s.step->pass_tokens)},
                             {std::string(say(Word::BackendLabel)), s.step->backend_name}};
  if (s.step->pass_ms > 0)
    lines.push_back(
        {std::string(say(Word::Speed)),
         say(Word::TokensPerSecond, {say_number(static_cast<double>(s.step->pass_tokens) / s.step->pass_ms * 1000)})});
  return lines;
}

Table RunLog::table(const Scene& s, TileSource&) const {
  Table table{{"node", "layer", "op", "path", "ms"}, {}};
  if (!s.step) return table;
  for (const StageTime& stage : stage_times(*s.step))
    for (const NodeTime& node : stage.nodes)
      table.rows.push_back({std::to_string(node.node), std::to_string(stage.layer),
                            std::string(name_of(s.step->graph()[node.node].op)), s.step->graph()[node.node].path,
                            digits(node.ms)});
  return table;
}

std::vector<Array> RunLog::arrays(const Scene& s, TileSource&) const {
  if (!s.step) return {};
  return {{"node_ms", {static_cast<int64_t>(s.step->node_ms.size())}, s.step->node_ms}};
}

}  // namespace

std::unique_ptr<View> make_RunLog() { return std::make_unique<RunLog>(); }

}  // namespace cutaway
