// Draws views with Dear ImGui on the device that also computes, onto an offscreen picture: the presenter of the window
// where Vulkan is, and of tests. Needs no Vulkan header and none of ImGui's own back ends.
//
//   auto renderer = ImguiRenderer::make(device, [&] { post_repaint(); });
//   (*renderer)->resize(1084, 686, window_ratio);
//   auto picture = (*renderer)->paint(dark_theme(), [&](Canvas& c) { view->draw(c, scene); });
//   QImage(picture->pixels, picture->width, picture->height, picture->stride, QImage::Format_RGB32)
#pragma once

#include <functional>
#include <memory>

#include "gpu/vulkan/surface.h"
#include "widgets/async_tiles.h"

namespace cutaway {

class ImguiRenderer {
 public:
  /// `ready` is called on a worker thread when a better tile has come: only post an event from it.
  static Result<std::unique_ptr<ImguiRenderer>> make(std::shared_ptr<Device>, std::function<void()> ready);
  ~ImguiRenderer();
  ImguiRenderer(const ImguiRenderer&) = delete;
  ImguiRenderer& operator=(const ImguiRenderer&) = delete;

  /// Logical pixels, and device pixels to one of them.
  Result<void> resize(float width, float height, float ratio);
  /// One frame. Never waits for a tile; the picture is valid until the next paint or resize.
  Result<Picture> paint(const Theme&, const std::function<void(Canvas&)>& draw);

  /// Numbers for readouts: tiles on the host, made when first asked for. Heat maps never pass through here.
  AsyncTiles& values();
  /// Forgets every tile, and with them the snapshots that they hold.
  void clear();
  /// No tile that a frame asked for is still to come.
  bool idle() const;

 private:
  struct Inside;
  explicit ImguiRenderer(std::unique_ptr<Inside>);
  std::unique_ptr<Inside> inside_;
};

}  // namespace cutaway
