// Writes a picture as SVG: text stays text with the letters it uses embedded as a font, hatches are patterns, a heat
// map is one path per colour with merged runs. The colours are exact; nothing is rounded away.
//
//   SvgCanvas canvas({.width = 640, .height = 480, .width_mm = 89, .title = "Layer 5, head 3"}, light_theme(), tiles);
//   view->draw(canvas, scene);
//   std::string file = canvas.finish();
#pragma once

#include <array>
#include <set>
#include <string>
#include <vector>

#include "widgets/canvas.h"

namespace cutaway {

/// Most cells of one heat map in an SVG. Views pool a larger map themselves (Canvas::most_cells); an exporter that
/// wants every cell of one puts a PNG inside vector axes.
inline constexpr int64_t svg_cell_limit = 65536;

struct SvgPage {
  float width = 640, height = 480;  // px, the unit of the drawing
  double width_mm = 0;              // printed width; 0: the page is width x height px
  bool ground = true;               // paint the theme's canvas colour behind
  bool embed_fonts = true;
  std::string title;                                          // <title>: what a screen reader says
  std::string description;                                    // <desc>: the provenance line
  std::vector<std::pair<std::string, std::string>> metadata;  // <metadata>: name, value
};

class SvgCanvas final : public Canvas {
 public:
  SvgCanvas(SvgPage, const Theme&, TileSource&);

  Rect area() const override { return {0, 0, page_.width, page_.height}; }
  const Theme& theme() const override { return theme_; }
  TileSource& tiles() override { return tiles_; }
  int64_t most_cells() const override { return svg_cell_limit; }

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
  void begin_group(std::string_view name) override;
  void end_group() override;

  /// The whole file. The canvas is used up.
  std::string finish();

 private:
  std::string& body();  // ends a path of fills that is being gathered
  void stroke(std::string_view data, Color, float width, bool dashed);
  std::string hatch_id(Hatch, float pitch);
  std::string defs() const;

  SvgPage page_;
  const Theme& theme_;
  TileSource& tiles_;
  std::string body_, fills_, clips_;
  Color fills_color_;
  std::array<std::set<char32_t>, 3> letters_;  // by face
  std::set<std::pair<Hatch, float>> hatches_;
  int clip_count_ = 0;
};

/// Text safe inside XML: what XML can't hold (control characters, lone halves) becomes U+FFFD.
std::string xml_escaped(std::string_view utf8);

}  // namespace cutaway
