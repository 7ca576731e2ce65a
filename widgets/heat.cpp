#include "widgets/heat.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

namespace cutaway {
namespace {

enum class Mark : uint8_t { Color, Masked, Missing, Broken };

struct Look {
  Mark mark;
  Color color;
  bool operator==(const Look&) const = default;
};

uint32_t key_of(Color c) { return static_cast<uint32_t>(c.r) << 16 | static_cast<uint32_t>(c.g) << 8 | c.b; }

/// Adds a run of a row; one that continues the run right above it makes that one higher.
void add_run(std::vector<Rect>& runs, Rect run) {
  for (size_t i = runs.size(), seen = 0; i-- > 0 && seen < 4; ++seen) {
    Rect& above = runs[i];
    if (above.x == run.x && above.w == run.w && std::abs(above.bottom() - run.y) < 1e-3f) {
      above.h = run.bottom() - above.y;
      return;
    }
  }
  runs.push_back(run);
}

/// Names each cell's colour by its layer: the most frequent colour is layer 0, painted first.
template <class LookOf>
void count_colors(std::vector<int32_t>& cells, std::vector<HeatShapes::Layer>& layers, const LookOf& look_of,
                  const TileRequest& r) {
  std::unordered_map<uint32_t, int32_t> layer_of;
  std::vector<size_t> counts;
  for (int64_t i = 0; i < r.rows * r.columns; ++i) {
    const Look look = look_of(i / r.columns, i % r.columns);
    auto& cell = cells[static_cast<size_t>(i)];
    cell = -static_cast<int32_t>(look.mark);
    if (look.mark != Mark::Color) continue;
    const auto [place, fresh] = layer_of.try_emplace(key_of(look.color), static_cast<int32_t>(layers.size()));
    if (fresh) layers.push_back({look.color, {}}), counts.push_back(0);
    cell = place->second;
    ++counts[static_cast<size_t>(cell)];
  }
  std::vector<int32_t> order(layers.size()), rank(layers.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int32_t>(i);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return counts[a] > counts[b]; });
  for (size_t i = 0; i < order.size(); ++i) rank[static_cast<size_t>(order[i])] = static_cast<int32_t>(i);
  for (int32_t& cell : cells)
    if (cell >= 0) cell = rank[static_cast<size_t>(cell)];
  std::vector<HeatShapes::Layer> sorted;
  for (const int32_t i : order) sorted.push_back(std::move(layers[static_cast<size_t>(i)]));
  layers = std::move(sorted);
}

}  // namespace

float largest_weight(const Tile& tile) {
  float largest = 0;
  for (const float m : tile.row_max) largest = std::max(largest, m);
  return largest;
}

float heat_place(float weight, float row_max, float largest, ScaleMode mode) {
  if (mode == ScaleMode::Log) return weight <= 1e-6f ? 0.f : std::min(1.f, (std::log10(weight) + 6) / 6);
  const float whole = mode == ScaleMode::Row ? row_max : largest;
  return whole > 0 ? std::clamp(weight / whole, 0.f, 1.f) : 0.f;
}

HeatShapes heat_shapes(Rect area, const TileRequest& asked, const Tile& got, const Theme& theme, ScaleMode mode) {
  HeatShapes shapes;
  const TileRequest& r = got.request;
  if (r.rows <= 0 || r.columns <= 0 || asked.keys.size() <= 0 || asked.queries.size() <= 0) return shapes;
  const double per_key = area.w / static_cast<double>(asked.keys.size());
  const double per_query = area.h / static_cast<double>(asked.queries.size());
  const auto x_of = [&](int64_t column) {
    return static_cast<float>(area.x + (static_cast<double>(r.keys.begin - asked.keys.begin) +
                                        static_cast<double>(column * r.keys.size()) / r.columns) *
                                           per_key);
  };
  const auto y_of = [&](int64_t row) {
    return static_cast<float>(area.y + (static_cast<double>(r.queries.begin - asked.queries.begin) +
                                        static_cast<double>(row * r.queries.size()) / r.rows) *
                                           per_query);
  };
  const float largest = largest_weight(got);
  const auto look_of = [&](int64_t row, int64_t column) -> Look {
    const float v = got.values[static_cast<size_t>(row * r.columns + column)];
    if (v == masked_cell) return {Mark::Masked, {}};
    if (v == not_computed_cell) return {Mark::Missing, {}};
    if (!std::isfinite(v)) return {Mark::Broken, {}};
    return {Mark::Color, sequential(theme, heat_place(v, got.row_max[static_cast<size_t>(row)], largest, mode))};
  };

  const bool gaps = x_of(1) - x_of(0) >= heat_gap_from && y_of(1) - y_of(0) >= heat_gap_from;
  std::vector<int32_t> cells(static_cast<size_t>(r.rows * r.columns));  // layer, or minus a mark
  count_colors(cells, shapes.layers, look_of, r);
  const auto box = [&](int64_t row, int64_t begin, int64_t end) {
    return Rect{x_of(begin), y_of(row), x_of(end) - x_of(begin), y_of(row + 1) - y_of(row)};
  };
  struct Run {
    int32_t layer;
    int64_t begin, end;
  };
  std::vector<Run> open;
  for (int64_t row = 0; row < r.rows; ++row) {
    const int32_t* line = cells.data() + row * r.columns;
    const auto close_above = [&](int32_t layer) {
      for (; !open.empty() && open.back().layer > layer; open.pop_back()) {
        Rect cell = box(row, open.back().begin, open.back().end);
        if (gaps) cell.w -= 1, cell.h -= 1;
        shapes.layers[static_cast<size_t>(open.back().layer)].cells.push_back(cell);
      }
    };
    for (int64_t column = 0; column < r.columns;) {
      int64_t end = column + 1;
      const int32_t layer = line[column];
      while (end < r.columns && line[end] == layer && !(gaps && layer >= 0)) ++end;
      if (layer < 0) {
        close_above(-1);
        const Mark mark = static_cast<Mark>(-layer);
        add_run(mark == Mark::Masked    ? shapes.masked
                : mark == Mark::Missing ? shapes.missing
                                        : shapes.broken,
                box(row, column, end));
      } else {
        close_above(gaps ? -1 : layer);  // what is painted before this one can't run on below it
        if (!open.empty() && open.back().layer == layer)
          open.back().end = end;
        else
          open.push_back({layer, column, end});
      }
      column = end;
    }
    close_above(-1);
  }
  return shapes;
}

}  // namespace cutaway
