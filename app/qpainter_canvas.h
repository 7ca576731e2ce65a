// The canvas on QPainter: the window where there is no Vulkan, and PNG and PDF files everywhere.
#pragma once

#include <QImage>
#include <QPainter>
#include <map>
#include <memory>
#include <tuple>

#include "widgets/canvas.h"

namespace cutaway {

/// Painted heat maps, kept from frame to frame: repainting under a moving mouse then costs a copy. UI thread only.
class HeatMapCache {
 public:
  struct Key {
    const Tile* tile = nullptr;
    int width = 0, height = 0;
    ScaleMode scale = ScaleMode::Row;
    bool dark = true;
    auto operator<=>(const Key&) const = default;
  };
  const QImage* find(const Key&) const;
  const QImage& keep(const Key&, std::shared_ptr<const Tile>, QImage);  // forgets everything above 64 MiB

 private:
  struct Entry {
    std::shared_ptr<const Tile> tile;  // keeps the address in the key from being used again
    QImage image;
  };
  std::map<Key, Entry> entries_;
  size_t bytes_ = 0;
};

class QPainterCanvas final : public Canvas {
 public:
  /// The painter's unit is the logical pixel. `vector`: the painter writes PDF, so maps are paths, not images.
  QPainterCanvas(QPainter&, Rect area, const Theme&, TileSource&, HeatMapCache* cache = nullptr, bool vector = false);

  Rect area() const override { return area_; }
  const Theme& theme() const override { return theme_; }
  TileSource& tiles() override { return tiles_; }

  void fill(Rect, Color) override;
  void outline(Rect, Color, float width) override;
  void line(Point, Point, Color, float width, bool dashed) override;
  void polygon(std::span<const Point>, Color) override;
  void polyline(std::span<const Point>, Color, float width, bool dashed) override;
  void curve(Point from, Point c1, Point c2, Point to, Color, float width) override;
  void text(Point anchor, std::string_view utf8, const TextStyle&) override;
  float text_width(std::string_view utf8, Face, float px) override;
  void hatch(Rect, Hatch, float pitch) override;
  void heat_map(Rect, const TileRequest&, ScaleMode) override;
  void push_clip(Rect) override;
  void pop_clip() override;

 private:
  void heat_image(const QRectF&, const std::shared_ptr<const Tile>&, ScaleMode);
  void heat_paths(Rect, const TileRequest& asked, const Tile&, ScaleMode);
  void dotted(Rect);

  QPainter& painter_;
  Rect area_;
  const Theme& theme_;
  TileSource& tiles_;
  HeatMapCache* cache_;
  bool vector_;
};

inline QColor qcolor(Color c) { return QColor(c.r, c.g, c.b, c.a); }
inline QRectF qrect(Rect r) { return QRectF(r.x, r.y, r.w, r.h); }

}  // namespace cutaway
