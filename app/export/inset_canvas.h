// A part of another canvas, with its own origin: a figure puts a view under its title.
#pragma once

#include "widgets/canvas.h"

namespace cutaway {

class InsetCanvas final : public Canvas {
 public:
  InsetCanvas(Canvas& page, Rect part) : page_(page), part_(part) {}

  Rect area() const override { return {0, 0, part_.w, part_.h}; }
  const Theme& theme() const override { return page_.theme(); }
  TileSource& tiles() override { return page_.tiles(); }
  int64_t most_cells() const override { return page_.most_cells(); }

  void fill(Rect r, Color c) override { page_.fill(moved(r), c); }
  void outline(Rect r, Color c, float width) override { page_.outline(moved(r), c, width); }
  void line(Point a, Point b, Color c, float width, bool dashed) override {
    page_.line(moved(a), moved(b), c, width, dashed);
  }
  void polygon(std::span<const Point> points, Color c) override { page_.polygon(moved(points), c); }
  void polyline(std::span<const Point> points, Color c, float width, bool dashed) override {
    page_.polyline(moved(points), c, width, dashed);
  }
  void curve(Point from, Point c1, Point c2, Point to, Color c, float width) override {
    page_.curve(moved(from), moved(c1), moved(c2), moved(to), c, width);
  }
  void text(Point anchor, std::string_view utf8, const TextStyle& style) override {
    page_.text(moved(anchor), utf8, style);
  }
  float text_width(std::string_view utf8, Face face, float px) override { return page_.text_width(utf8, face, px); }
  void hatch(Rect r, Hatch kind, float pitch) override { page_.hatch(moved(r), kind, pitch); }
  void heat_map(Rect r, const TileRequest& request, ScaleMode mode) override {
    page_.heat_map(moved(r), request, mode);
  }
  void push_clip(Rect r) override { page_.push_clip(moved(r)); }
  void pop_clip() override { page_.pop_clip(); }
  void begin_group(std::string_view name) override { page_.begin_group(name); }
  void end_group() override { page_.end_group(); }

 private:
  Point moved(Point p) const { return {p.x + part_.x, p.y + part_.y}; }
  Rect moved(Rect r) const { return {r.x + part_.x, r.y + part_.y, r.w, r.h}; }
  std::vector<Point> moved(std::span<const Point> points) const {
    std::vector<Point> there;
    for (const Point p : points) there.push_back(moved(p));
    return there;
  }

  Canvas& page_;
  Rect part_;
};

}  // namespace cutaway
