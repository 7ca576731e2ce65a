// How a tile becomes coloured rectangles: the same for every canvas that paints heat maps on the CPU.
#pragma once

#include <vector>

#include "widgets/canvas.h"

namespace cutaway {

/// Cells at least this wide and high keep a gap of one pixel to the right and below.
inline constexpr float heat_gap_from = 12;
/// Hatch lines stand this far apart in a map and in a thumbnail.
inline float hatch_pitch(Rect map) { return map.w < 120 ? 4.f : 6.f; }

/// Largest weight of the rows of a tile: what ScaleMode::Global divides by.
float largest_weight(const Tile&);
/// Where a weight stands on the palette, in [0, 1]. Log: 1e-6 and less is 0.
float heat_place(float weight, float row_max, float largest, ScaleMode);

struct HeatShapes {
  struct Layer {
    Color color;
    std::vector<Rect> cells;
  };
  /// Paint them in this order: without gaps a run of one layer goes on below the cells of later ones.
  std::vector<Layer> layers;
  std::vector<Rect> masked;   // merged
  std::vector<Rect> missing;  // not computed
  std::vector<Rect> broken;   // NaN or infinite
};
/// Rectangles of `got` inside the rectangle that shows `asked`. A tile with other ranges than asked for is laid where
/// its own positions belong; the caller clips.
HeatShapes heat_shapes(Rect, const TileRequest& asked, const Tile& got, const Theme&, ScaleMode);

}  // namespace cutaway
