// The canvas on a Dear ImGui draw list. Heat maps take their place in the drawing order as callbacks, which the
// renderer answers from tiles in device memory. Letters are laid by our own advances, so text is as wide as on every
// canvas.
#pragma once

#include <imgui.h>
#include <imgui_internal.h>

#include <map>
#include <memory>
#include <vector>

#include "gpu/vulkan/surface.h"
#include "widgets/canvas.h"

namespace cutaway {

/// One atlas with a font for each size in use; remade when the ratio of device pixels changes.
class DrawFonts {
 public:
  explicit DrawFonts(float ratio);
  float ratio() const { return ratio_; }
  ImFontAtlas& atlas() { return *atlas_; }

  struct Sized {
    ImFont* font = nullptr;
    float scale = 1;     // from the font's own size to the one asked for
    float baseline = 0;  // device px from the top of its glyphs' box, at the asked size
  };
  /// The font of that size, or the next larger one scaled down.
  Sized find(Face, float px) const;

 private:
  float ratio_ = 1;
  std::unique_ptr<ImFontAtlas> atlas_;
  std::map<std::pair<Face, float>, ImFont*> fonts_;
};

class ImguiCanvas final : public Canvas {
 public:
  struct HeatCall {
    DeviceTilePtr tile;
    HeatLook look;
  };

  /// Draws area logical pixels of ratio device pixels each. Everything handed in outlives the canvas.
  ImguiCanvas(ImDrawList&, DrawFonts&, Rect area, const Theme&, TileSource& values, DeviceTiles& tiles);

  Rect area() const override { return area_; }
  const Theme& theme() const override { return theme_; }
  TileSource& tiles() override { return values_; }
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

  /// In the order of the callbacks; a callback's UserCallbackData is its index here.
  const std::vector<HeatCall>& heat_calls() const { return heat_calls_; }
  /// What a draw command's UserCallback is compared with.
  static void heat_callback(const ImDrawList*, const ImDrawCmd*) {}

 private:
  ImVec2 device(Point p) const { return {p.x * ratio_, p.y * ratio_}; }
  void glyph(const ImFontGlyph&, ImVec2 pen, const DrawFonts::Sized&, float cosine, float sine, ImU32 color);

  ImDrawList& list_;
  DrawFonts& fonts_;
  Rect area_;
  const Theme& theme_;
  TileSource& values_;
  DeviceTiles& tiles_;
  float ratio_;
  std::vector<HeatCall> heat_calls_;
};

}  // namespace cutaway
