#include "widgets/imgui_renderer.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "widgets/imgui_canvas.h"

namespace cutaway {

static_assert(sizeof(ImDrawVert) == sizeof(Vertex) && sizeof(ImDrawIdx) == sizeof(uint16_t));

struct ImguiRenderer::Inside {
  std::shared_ptr<Device> device;
  std::unique_ptr<Surface> surface;
  AsyncTiles values;
  DeviceTiles tiles;
  float width = 1, height = 1;
  std::unique_ptr<DrawFonts> fonts;
  std::shared_ptr<const Texture> atlas;
  ImDrawListSharedData shared;
  std::unique_ptr<ImDrawList> list;

  Inside(std::shared_ptr<Device> on, std::unique_ptr<Surface> to, const std::function<void()>& ready)
      : device(std::move(on)), surface(std::move(to)), values(ready), tiles(device, ready) {}

  Result<void> make_fonts(float ratio) {
    auto made = std::make_unique<DrawFonts>(ratio);
    unsigned char* pixels = nullptr;
    int atlas_width = 0, atlas_height = 0;
    made->atlas().GetTexDataAsAlpha8(&pixels, &atlas_width, &atlas_height);
    if (!pixels) return machine_error("the font atlas could not be made");
    auto texture = surface->texture(atlas_width, atlas_height,
                                    {pixels, static_cast<size_t>(atlas_width) * static_cast<size_t>(atlas_height)});
    if (!texture) return texture.error();
    atlas = *texture;
    fonts = std::move(made);
    shared.TexUvWhitePixel = fonts->atlas().TexUvWhitePixel;
    shared.TexUvLines = fonts->atlas().TexUvLines;
    shared.CurveTessellationTol = 0.6f;
    shared.SetCircleTessellationMaxError(0.3f);
    shared.InitialFlags = ImDrawListFlags_AntiAliasedLines | ImDrawListFlags_AntiAliasedLinesUseTex |
                          ImDrawListFlags_AntiAliasedFill | ImDrawListFlags_AllowVtxOffset;
    list = std::make_unique<ImDrawList>(&shared);
    return {};
  }

  /// Hands ImGui's commands to the surface, heat maps in their place among them.
  Result<void> render(const ImguiCanvas& canvas) {
    if (list->VtxBuffer.Size == 0 && canvas.heat_calls().empty()) return {};
    const auto* vertices = reinterpret_cast<const Vertex*>(list->VtxBuffer.Data);
    if (auto sent = surface->mesh({vertices, static_cast<size_t>(list->VtxBuffer.Size)},
                                  {list->IdxBuffer.Data, static_cast<size_t>(list->IdxBuffer.Size)});
        !sent)
      return sent;
    for (const ImDrawCmd& command : list->CmdBuffer) {
      if (command.UserCallback == ImguiCanvas::heat_callback) {
        const auto& call = canvas.heat_calls()[reinterpret_cast<size_t>(command.UserCallbackData)];
        surface->heat_map(call.tile, call.look);
      } else if (!command.UserCallback && command.ElemCount > 0) {
        const ImVec4& clip = command.ClipRect;
        const float left = std::max(0.f, clip.x), top = std::max(0.f, clip.y);
        const PixelRect kept{left, top, std::max(0.f, clip.z - left), std::max(0.f, clip.w - top)};
        surface->triangles(command.IdxOffset, command.ElemCount, command.VtxOffset, kept, atlas);
      }
    }
    return {};
  }
};

ImguiRenderer::ImguiRenderer(std::unique_ptr<Inside> inside) : inside_(std::move(inside)) {}
ImguiRenderer::~ImguiRenderer() = default;

Result<std::unique_ptr<ImguiRenderer>> ImguiRenderer::make(std::shared_ptr<Device> device,
                                                           std::function<void()> ready) {
  auto surface = Surface::make(device, 64, 64);
  if (!surface) return surface.error();
  std::unique_ptr<ImguiRenderer> renderer(
      new ImguiRenderer(std::make_unique<Inside>(std::move(device), *std::move(surface), ready)));
  if (auto made = renderer->inside_->make_fonts(1); !made) return made.error();
  return renderer;
}

Result<void> ImguiRenderer::resize(float width, float height, float ratio) {
  Inside& in = *inside_;
  const int w = std::max(1, static_cast<int>(std::lround(width * ratio))),
            h = std::max(1, static_cast<int>(std::lround(height * ratio)));
  if (w != in.surface->width() || h != in.surface->height())
    if (auto resized = in.surface->resize(w, h); !resized) return resized;
  in.width = width, in.height = height;
  return ratio == in.fonts->ratio() ? Result<void>() : in.make_fonts(ratio);
}

Result<Picture> ImguiRenderer::paint(const Theme& theme, const std::function<void(Canvas&)>& draw) {
  Inside& in = *inside_;
  in.values.begin_frame();
  in.tiles.begin_frame();
  in.shared.ClipRectFullscreen = {0, 0, static_cast<float>(in.surface->width()),
                                  static_cast<float>(in.surface->height())};
  in.list->_ResetForNewFrame();
  in.list->PushTextureID(nullptr);
  in.list->PushClipRectFullScreen();
  ImguiCanvas canvas(*in.list, *in.fonts, {0, 0, in.width, in.height}, theme, in.values, in.tiles);
  draw(canvas);
  const Color ground = theme.canvas;
  if (auto begun = in.surface->begin(IM_COL32(ground.r, ground.g, ground.b, 255)); !begun) return begun.error();
  const Result<void> rendered = in.render(canvas);
  if (auto ended = in.surface->end(); !ended) return ended.error();
  if (!rendered) return rendered.error();
  return in.surface->picture();
}

AsyncTiles& ImguiRenderer::values() { return inside_->values; }
void ImguiRenderer::clear() {
  inside_->values.clear();
  inside_->tiles.clear();
}
bool ImguiRenderer::idle() const { return inside_->tiles.idle() && inside_->values.idle(); }

}  // namespace cutaway
