// A surface with a handful of primitives. A view draws itself once; ImGui + Vulkan on screen, QPainter for PNG, PDF and
// machines without Vulkan, and our own SVG writer each implement these and nothing else. Units are logical pixels,
// x right, y down; all canvases use the same font files, so text has the same width everywhere.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/tile.h"
#include "widgets/theme.h"

namespace cutaway {

struct Point {
  float x = 0, y = 0;
};

struct Rect {
  float x = 0, y = 0, w = 0, h = 0;
  float right() const { return x + w; }
  float bottom() const { return y + h; }
  bool contains(Point p) const { return p.x >= x && p.x < right() && p.y >= y && p.y < bottom(); }
  Rect inset(float d) const { return {x + d, y + d, w - 2 * d, h - 2 * d}; }
};

enum class Face : uint8_t { Sans, SansSemibold, Mono };
enum class Align : uint8_t { Left, Center, Right };

struct TextStyle {
  Face face = Face::Sans;
  float px = 11;
  Color color;
  Align align = Align::Left;
  float degrees = 0;  // turned counter-clockwise around the anchor; column labels use 55
};

/// 45 degrees: masked. 135 degrees: outside the window, waiting, no counterpart.
enum class Hatch : uint8_t { Masked, Outside };

enum class ScaleMode : uint8_t { Row, Global, Log };  // value / row maximum; value / map maximum; log10 over 1e-6..1

/// Gives tiles to canvases. On screen best() never blocks; an export waits. Same request, same tile.
class TileSource {
 public:
  virtual ~TileSource() = default;
  /// The exact tile; or an older one of the same map while the exact one is being made; or null.
  virtual std::shared_ptr<const Tile> best(const TileRequest&) = 0;
};
/// Computes at once, on the calling thread, through the snapshot's backend: for exports and tests. Keeps the last few.
class WaitingTiles final : public TileSource {
 public:
  /// A tile that can't be computed comes back with every cell not_computed, and failure() says why.
  std::shared_ptr<const Tile> best(const TileRequest&) override;
  const std::optional<Error>& failure() const { return failure_; }

 private:
  std::vector<std::shared_ptr<const Tile>> kept_;
  std::optional<Error> failure_;
};
/// The tile through the snapshot's backend, or from the snapshot's own host rows where it has none (a trace).
Result<Tile> compute_tile(const TileRequest&);

class Canvas {
 public:
  virtual ~Canvas() = default;
  virtual Rect area() const = 0;
  virtual const Theme& theme() const = 0;
  virtual TileSource& tiles() = 0;
  /// Most cells of one heat map that this canvas carries; a view pools a larger one and says so.
  virtual int64_t most_cells() const { return int64_t{1} << 22; }

  virtual void fill(Rect, Color) = 0;
  virtual void outline(Rect, Color, float width = 1) = 0;
  virtual void line(Point, Point, Color, float width = 1, bool dashed = false) = 0;
  virtual void polygon(std::span<const Point>, Color) = 0;  // filled, simple
  virtual void polyline(std::span<const Point>, Color, float width = 1, bool dashed = false) = 0;
  virtual void curve(Point from, Point c1, Point c2, Point to, Color, float width) = 0;  // cubic
  /// Anchor: left, centre or right end of the base line.
  virtual void text(Point anchor, std::string_view utf8, const TextStyle&) = 0;
  virtual float text_width(std::string_view utf8, Face, float px) = 0;
  virtual void hatch(Rect, Hatch, float pitch = 6) = 0;
  /// A piece of an attention map: `request.rows` x `request.columns` cells over the rectangle, coloured by the theme's
  /// sequential palette; masked cells hatched, cells not computed dotted, NaN in the error colour. Cells of
  /// heat_gap_from pixels and more keep a gap of one pixel. widgets/heat.h has the colours and shapes.
  virtual void heat_map(Rect, const TileRequest&, ScaleMode) = 0;
  virtual void push_clip(Rect) = 0;
  virtual void pop_clip() = 0;
  /// What follows belongs together: an SVG writes <g id=name>. Others ignore it.
  virtual void begin_group(std::string_view name) { (void)name; }
  virtual void end_group() {}
};

}  // namespace cutaway
