// An offscreen picture drawn by the device: textured triangles (what Dear ImGui draws with) and heat maps straight from
// tiles in device memory, in the order of the calls. No Vulkan type shows here, so widgets/ needs no Vulkan header.
//
//   auto surface = Surface::make(device, 1320, 1000);
//   auto font = (*surface)->texture(w, h, alpha8);
//   surface.begin(canvas_rgba);
//   surface.mesh(vertices, indices);                        // one ImDrawList: same layout as ImDrawVert, ImDrawIdx
//   surface.triangles(first_index, count, first_vertex, clip, font);   // one ImDrawCmd
//   surface.heat_map(tile, look);                           // from the command's AddCallback: keeps its place
//   surface.end();
//   Picture picture = *surface.picture();                   // QImage(picture.pixels, w, h, stride, Format_RGB32)
//
// Pixels are device pixels, x right, y down. One thread at a time. Colours are sRGB bytes, R in the lowest byte
// (IM_COL32's order), written as they are: no gamma is applied, so they equal what QPainter writes.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "gpu/vulkan/tiles.h"

namespace cutaway {

struct Vertex {
  float x = 0, y = 0, u = 0, v = 0;
  uint32_t rgba = 0;
};
static_assert(sizeof(Vertex) == 20, "ImDrawVert's layout");

struct PixelRect {
  float x = 0, y = 0, w = 0, h = 0;
};

/// row: value / row_max. global: value / map_max. log: log10 over 1e-6..1. The numbers of widgets' ScaleMode.
enum class HeatScale : uint32_t { Row, Global, Log };

struct HeatLook {
  PixelRect at;    // where the tile's own cells lie: an older tile lies where its ranges belong
  PixelRect clip;  // nothing is drawn outside
  HeatScale scale = HeatScale::Row;
  std::array<uint32_t, 11> palette{};  // lowest first, linear between the stops
  uint32_t hatch = 0;                  // masked cells: lines of 45 degrees on nothing
  uint32_t dots = 0;                   // cells not computed
  uint32_t error = 0;                  // NaN and infinity
  float hatch_pitch = 6;               // device pixels along x
  float gap = 0;                       // device pixels left free to the right of and below each cell
};

class Texture;  // made by Surface::texture()

struct Picture {
  const uint8_t* pixels = nullptr;  // B, G, R, A bytes (QImage::Format_RGB32); valid until the next begin() or resize()
  int width = 0, height = 0;
  int stride = 0;  // bytes a row
};

class Surface {
 public:
  /// Fails with Fault::Machine when the device can't hold the picture.
  static Result<std::unique_ptr<Surface>> make(std::shared_ptr<Device>, int width, int height);
  ~Surface();
  Surface(const Surface&) = delete;
  Surface& operator=(const Surface&) = delete;

  Result<void> resize(int width, int height);
  int width() const;
  int height() const;

  /// One byte a texel: white with that alpha (a font atlas).
  Result<std::shared_ptr<const Texture>> texture(int width, int height, std::span<const uint8_t> alpha);

  /// A frame begins with the whole picture in one colour. Waits for the frame before it.
  Result<void> begin(uint32_t clear_rgba);
  /// Vertices and 16-bit indices for the calls of triangles() that follow, copied at once.
  Result<void> mesh(std::span<const Vertex>, std::span<const uint16_t>);
  void triangles(uint32_t first_index, uint32_t count, uint32_t first_vertex, PixelRect clip,
                 std::shared_ptr<const Texture>);
  void heat_map(DeviceTilePtr, const HeatLook&);
  /// Submits; returns before the device is done.
  Result<void> end();
  /// Waits for the frame that end() submitted. These bytes are a picture, not a tensor: they are not counted.
  Result<Picture> picture();

 private:
  struct Inside;
  explicit Surface(std::unique_ptr<Inside>);
  std::unique_ptr<Inside> inside_;
};

}  // namespace cutaway
