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
                                        static_cast<double>(column * r.keys.size()) / r.columns) * per_key);
  };
  const auto y_of = [&](int64_t row) {
    return static_cast<float>(area.y + (static_cast<double>(r.queries.begin - asked.queries.begin) +
                                        static_cast<double>(row * r.queries.size()) / r.rows) * per_query);
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
  std::unordered_map<uint32_t, size_t> layer_of;
  for (int64_t row = 0; row < r.rows; ++row) {
    const float y = y_of(row), h = y_of(row + 1) - y;
    for (int64_t column = 0; column < r.columns;) {
      const Look look = look_of(row, column);
      int64_t end = column + 1;
      if (!(gaps && look.mark == Mark::Color))
        while (end < r.columns && look_of(row, end) == look) ++end;
      Rect run{x_of(column), y, x_of(end) - x_of(column), h};
      column = end;
      if (look.mark != Mark::Color) {
        add_run(look.mark == Mark::Masked ? shapes.masked : look.mark == Mark::Missing ? shapes.missing : shapes.broken, run);
        continue;
      }
      if (gaps) run.w -= 1, run.h -= 1;
      const auto [place, fresh] = layer_of.try_emplace(key_of(look.color), shapes.layers.size());
      if (fresh) shapes.layers.push_back({look.color, {}});
      shapes.layers[place->second].cells.push_back(run);
    }
  }
  return shapes;
}

}  // namespace cutaway
