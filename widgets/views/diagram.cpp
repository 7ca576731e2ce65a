// The architecture as an engineer draws it: the stack on the left, the selected layer's operations on the right with
// live shapes on their edges. Everything comes from the graph.
#include "widgets/views/diagram.h"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "widgets/views/parts.h"

namespace cutaway {
namespace {

constexpr float most_lane = 60, between_boxes = 20, band_gap = 28, stack_w = 148, stack_pitch = 44;

std::string short_name(const Node& node) {
  const size_t dot = node.path.rfind('.');
  const bool named = !node.weights.empty() || node.role != Role::None;
  return named ? node.path.substr(dot == std::string::npos ? 0 : dot + 1) : std::string(name_of(node.op));
}

int64_t parameters_of(const Graph& graph, const Node& node) {
  int64_t sum = 0;
  for (int weight : node.weights) sum += elements(graph.schema[static_cast<size_t>(weight)].shape);
  return sum;
}

std::string shape_text(const Node& node, const Snapshot& step) {
  std::string text;
  const int64_t t = step.pass_tokens, past = step.positions() - t;
  for (const Size& size : node.shape) text += fmt::format("{}{}", text.empty() ? "" : ", ", size.at(past, t));
  return "[" + text + "]";
}

int64_t values_of(const Node& node, const Snapshot& step) {
  int64_t n = 1;
  for (const Size& size : node.shape) n *= size.at(step.positions() - step.pass_tokens, step.pass_tokens);
  return n;
}

/// Width of a line by the bytes that flow along it, on a logarithmic scale.
float line_width(const Node& node, const Snapshot& step) {
  return std::clamp(0.25f * std::log2(static_cast<float>(values_of(node, step)) / 64 + 1), 1.f, 4.f);
}

class Diagram final : public View {
 public:
  std::string_view id() const override { return "diagram"; }
  Word name() const override { return Word::ViewDiagram; }

  void draw(Canvas& canvas, const Scene& scene) override {
    boxes_.clear();
    const Theme& theme = canvas.theme();
    const Rect area = canvas.area();
    canvas.fill(area, theme.canvas);
    if (!scene.step) {
      put_title(canvas, area, say(Word::ViewDiagram));
      for (float y = area.y + 44.5f; y + 32 < area.bottom(); y += stack_pitch)
        canvas.outline({area.x + 16.5f, y, stack_w, 32}, theme.hairline, 1);
      return put_notice(canvas, area, say(Word::PressSpace));
    }
    const int layer = layer_of(scene);
    put_title(canvas, area, say(Word::DiagramLayer, {std::to_string(layer)}), say(Word::DiagramNote));
    canvas.begin_group("stack");
    draw_stack(canvas, scene, {area.x + 16, area.y + 44, stack_w, area.h - 60}, layer);
    canvas.end_group();
    canvas.begin_group("layer");
    draw_layer(canvas, scene, {area.x + 16 + stack_w + 40, area.y + 44, area.w - stack_w - 72, area.h - 60}, layer);
    canvas.end_group();
  }

  void hover(Point p, const Scene&, Selection&) override { hovered_ = under(p).node; }

  Gesture click(Point p, const Scene& scene) override {
    const Box box = under(p);
    if (box.layer < 0) return {};
    for (const std::string& block : scene.step->graph().blocks_with(Role::Probs))
      if (scene.step->graph()[scene.step->graph().in(block, Role::Probs)].layer == box.layer)
        return SelectHead{block, scene.at.head, false};
    return {};
  }

  std::vector<Readout> readout(const Scene& scene, TileSource&) const override {
    if (hovered_ == no_node || !scene.step) return {};
    const Snapshot& step = *scene.step;
    const Node& node = step.graph()[hovered_];
    std::vector<Readout> lines = {
        {std::string(say(Word::DiagramOp)), std::string(name_of(node.op))},
        {std::string(say(Word::DiagramPath)), node.path},
        {std::string(say(Word::DiagramShape)), shape_text(node, step)},
        {std::string(say(Word::DiagramParameters)), say_integer(parameters_of(step.graph(), node))}};
    const double flops = step.graph().flops(hovered_, step.positions() - step.pass_tokens, step.pass_tokens);
    if (flops > 0) lines.push_back({"FLOP", say_number(flops)});
    if (hovered_ < static_cast<NodeId>(step.node_ms.size()) && step.node_ms[static_cast<size_t>(hovered_)] > 0)
      lines.push_back({std::string(say(Word::DiagramTime)), say_ms(step.node_ms[static_cast<size_t>(hovered_)])});
    return lines;
  }

  Table table(const Scene& scene, TileSource&) const override {
    Table table{{"node", "op", "layer", "shape", "parameters", "flop", "ms"}, {}};
    if (!scene.step) return table;
    const Snapshot& step = *scene.step;
    for (const Node& node : step.graph().nodes) {
      std::string shape = shape_text(node, step);
      std::erase(shape, ',');
      const double ms =
          node.id < static_cast<NodeId>(step.node_ms.size()) ? step.node_ms[static_cast<size_t>(node.id)] : 0;
      table.rows.push_back(
          {node.path, std::string(name_of(node.op)), std::to_string(node.layer), shape,
           std::to_string(parameters_of(step.graph(), node)),
           fmt::format("{}", step.graph().flops(node.id, step.positions() - step.pass_tokens, step.pass_tokens)),
           fmt::format("{}", ms)});
    }
    return table;
  }

  std::vector<Array> arrays(const Scene& scene, TileSource&) const override {
    if (!scene.step) return {};
    return {{"node_ms", {static_cast<int64_t>(scene.step->node_ms.size())}, scene.step->node_ms}};
  }

 private:
  struct Box {
    Rect rect;
    NodeId node = no_node;
    int layer = -1;
  };

  static int layer_of(const Scene& scene) {
    const Graph& graph = scene.step->graph();
    const NodeId probs = graph.in(scene.at.block, Role::Probs);
    return probs == no_node ? 0 : graph[probs].layer;
  }

  Box under(Point p) const {
    for (const Box& box : boxes_)
      if (box.rect.contains(p)) return box;
    return {};
  }

  void box(Canvas& canvas, const Box& box, const std::string& title, const std::string& note, bool now) {
    const Theme& theme = canvas.theme();
    canvas.fill(box.rect, now ? theme.accent : theme.surface);
    canvas.outline(box.rect, box.node == hovered_ && box.node != no_node ? theme.text : theme.hairline);
    const bool noted = !note.empty() && box.rect.h >= 28;
    const float middle = box.rect.x + box.rect.w / 2, base = box.rect.y + box.rect.h / 2 + (noted ? -2.f : 4.f);
    canvas.text({middle, base}, title, {Face::SansSemibold, 11, now ? theme.on_accent : theme.text, Align::Center});
    if (noted)
      canvas.text({middle, base + 14}, note, {Face::Sans, 10, now ? theme.on_accent : theme.secondary, Align::Center});
    boxes_.push_back(box);
  }

  /// Input, layers (folded around the selected one when they don't fit), head.
  void draw_stack(Canvas& canvas, const Scene& scene, Rect area, int selected) {
    const Snapshot& step = *scene.step;
    const Graph& graph = step.graph();
    const auto layers = static_cast<int>(step.model->spec.n_layers());
    std::map<int, int64_t> parameters;  // by layer; -1 before the stack, `layers` after it
    std::set<int> counted;
    for (const Node& node : graph.nodes)
      for (int weight : node.weights)
        if (counted.insert(weight).second)
          parameters[node.head || node.id > last_of_stack(graph) ? layers : node.layer] +=
              elements(graph.schema[static_cast<size_t>(weight)].shape);
    const int room = std::max(1, static_cast<int>(area.h / stack_pitch) - 4);
    const int first = std::clamp(selected - room / 2, 0, std::max(0, layers - room)),
              last = std::min(layers, first + room);
    float y = area.y;
    const auto put = [&](const std::string& title, const std::string& note, int layer, bool now) {
      if (y > area.y)
        canvas.line({area.x + area.w / 2, y - 12}, {area.x + area.w / 2, y}, canvas.theme().hairline, 1.5f);
      box(canvas, {{area.x, y, area.w, 32}, no_node, layer}, title, note, now);
      y += stack_pitch;
    };
    const auto count = [&](int layer) { return say(Word::DiagramParameterCount, {say_integer(parameters[layer])}); };
    put(std::string(say(Word::DiagramInput)), count(-1), -1, false);
    if (first > 0) put("…", {}, first - 1, false);
    for (int layer = first; layer < last; ++layer)
      put(say(Word::DiagramLayer, {std::to_string(layer)}), count(layer), layer, layer == selected);
    if (last < layers) put("…", {}, last, false);
    if (parameters.contains(layers)) put(std::string(say(Word::DiagramHead)), count(layers), -1, false);
  }

  static NodeId last_of_stack(const Graph& graph) {
    NodeId last = 0;
    for (const Node& node : graph.nodes)
      if (node.layer >= 0) last = std::max(last, node.id);
    return last;
  }

  void draw_layer(Canvas& canvas, const Scene& scene, Rect area, int layer) {
    const Graph& graph = scene.step->graph();
    const LayerSheet sheet = lay_out_layer(graph, layer);
    std::map<NodeId, Rect> rects;
    float y = area.y + 20;
    int all_lanes = 0;
    for (int band = 0; band < sheet.bands; ++band) {
      int lanes = 1;
      for (const PlacedNode& place : sheet.nodes)
        if (place.band == band) lanes = std::max(lanes, place.lane + 1);
      all_lanes += lanes;
    }
    // A low canvas has lower boxes; below a line of text they would say nothing.
    lane_h_ = std::clamp(
        (area.h - 20 - band_gap * static_cast<float>(sheet.bands)) / static_cast<float>(std::max(1, all_lanes)), 36.f,
        most_lane);
    const float lane_h = lane_h_, box_h = lane_h - between_boxes;
    for (int band = 0; band < sheet.bands; ++band) {
      int columns = 1, lanes = 1;
      for (const PlacedNode& place : sheet.nodes)
        if (place.band == band) columns = std::max(columns, place.column + 1), lanes = std::max(lanes, place.lane + 1);
      const float pitch = area.w / static_cast<float>(columns), width = std::min(104.f, pitch - 20);
      for (const PlacedNode& place : sheet.nodes) {
        if (place.band != band) continue;
        int in_column = 0;
        for (const PlacedNode& other : sheet.nodes) in_column += other.band == band && other.column == place.column;
        const float middle = y + static_cast<float>(lanes) * lane_h / 2;
        const float top =
            in_column == 1 ? middle - box_h / 2 : y + static_cast<float>(place.lane) * lane_h + (lane_h - box_h) / 2;
        const bool sum = graph[place.id].op == Op::add;
        const float x = area.x + static_cast<float>(place.column) * pitch;
        rects[place.id] = sum ? Rect{x + width / 2 - 10, middle - 10, 20, 20} : Rect{x, top, width, box_h};
      }
      y += static_cast<float>(lanes) * lane_h + band_gap;
    }
    for (const DiagramEdge& edge : sheet.edges) draw_edge(canvas, *scene.step, edge, rects);
    for (const PlacedNode& place : sheet.nodes) {
      const Node& node = graph[place.id];
      const int64_t parameters = parameters_of(graph, node);
      const std::string note = parameters > 0 ? say_integer(parameters) : std::string{};
      box(canvas, {rects.at(place.id), place.id, layer}, node.op == Op::add ? "+" : short_name(node), note, false);
    }
  }

  /// Right, then across, then right; a residual goes below its band. The shape stands at the source.
  void draw_edge(Canvas& canvas, const Snapshot& step, const DiagramEdge& edge,
                 const std::map<NodeId, Rect>& rects) const {
    const Theme& theme = canvas.theme();
    const Node& from = step.graph()[edge.from];
    const Rect to = rects.at(edge.to);
    const auto source = rects.find(edge.from);
    const float width = line_width(from, step), end_y = to.y + to.h / 2;
    if (edge.residual) {
      float left = to.x, low = to.bottom();
      for (const auto& [id, rect] : rects)
        if (std::abs(rect.y + rect.h / 2 - end_y) < 2 * lane_h_)
          left = std::min(left, rect.x), low = std::max(low, rect.bottom());
      const Point path[] = {
          {left - 12, end_y}, {left - 12, low + 10}, {to.x + to.w / 2, low + 10}, {to.x + to.w / 2, to.bottom()}};
      canvas.polyline(path, theme.secondary, width);
      return;
    }
    if (source == rects.end() || source->second.x >= to.x) {  // enters the band from the left
      canvas.line({to.x - 12, end_y}, {to.x, end_y}, theme.secondary, width);
      return;
    }
    const Rect start = source->second;
    const float start_y = start.y + start.h / 2, bend = to.x - 10;
    const Point path[] = {{start.right(), start_y}, {bend, start_y}, {bend, end_y}, {to.x, end_y}};
    canvas.polyline(path, theme.secondary, width);
    const std::string shape = shape_text(from, step);
    if (canvas.text_width(shape, Face::Mono, 10) < bend - start.right() + start.w)
      canvas.text({start.x + start.w / 2, start.y - 5}, shape, {Face::Mono, 10, theme.sequential[5], Align::Center});
  }

  std::vector<Box> boxes_;
  NodeId hovered_ = no_node;
  float lane_h_ = most_lane;
};

}  // namespace

std::unique_ptr<View> make_Diagram() { return std::make_unique<Diagram>(); }

}  // namespace cutaway
