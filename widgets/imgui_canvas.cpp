#include "widgets/imgui_canvas.h"

#include <imgui_freetype.h>

#include <algorithm>
#include <cmath>

#include "widgets/fonts.h"
#include "widgets/heat.h"

namespace cutaway {
namespace {

// Latin, Cyrillic, punctuation, arrows, the mathematical signs in use, the brackets of control characters.
constexpr ImWchar letters[] = {0x0020, 0x017F, 0x0400, 0x045F, 0x2009, 0x203A, 0x2190, 0x2193, 0x2212, 0x2212, 0x221E,
                               0x221E, 0x2248, 0x2248, 0x2264, 0x2265, 0x27E8, 0x27E9, 0xFFFD, 0xFFFD, 0};
constexpr std::pair<Face, float> sizes[] = {{Face::Sans, 10},         {Face::Sans, 10.5f},
                                            {Face::Sans, 11},         {Face::Sans, 12},
                                            {Face::Sans, 12.5f},      {Face::SansSemibold, 10.5f},
                                            {Face::SansSemibold, 11}, {Face::SansSemibold, 12.5f},
                                            {Face::SansSemibold, 15}, {Face::SansSemibold, 22},
                                            {Face::Mono, 10},         {Face::Mono, 10.5f},
                                            {Face::Mono, 11},         {Face::Mono, 12},
                                            {Face::Mono, 12.5f}};

ImU32 color_of(Color c) { return IM_COL32(c.r, c.g, c.b, c.a); }

}  // namespace

DrawFonts::DrawFonts(float ratio) : ratio_(ratio), atlas_(std::make_unique<ImFontAtlas>()) {
  atlas_->FontBuilderIO = ImGuiFreeType::GetBuilderForFreeType();
  atlas_->FontBuilderFlags = ImGuiFreeTypeBuilderFlags_LightHinting;
  atlas_->TexGlyphPadding = 1;
  atlas_->Flags |= ImFontAtlasFlags_NoMouseCursors;
  for (const auto& [face, px] : sizes) {
    ImFontConfig config;
    config.FontDataOwnedByAtlas = false;
    config.GlyphRanges = letters;
    const auto bytes = font_file(face).bytes;
    // ImGui's size is the height of a line; ours is the em.
    fonts_[{face, px}] = atlas_->AddFontFromMemoryTTF(const_cast<char*>(bytes.data()), static_cast<int>(bytes.size()),
                                                      px * ratio * line_height(face), &config);
  }
  atlas_->Build();
}

DrawFonts::Sized DrawFonts::find(Face face, float px) const {
  auto found = fonts_.lower_bound({face, px});
  if (found == fonts_.end() || found->first.first != face) --found;  // larger than all: the largest, scaled up
  const float scale = px / found->first.second;
  return {found->second, scale, std::round(found->second->Ascent) * scale};
}

ImguiCanvas::ImguiCanvas(ImDrawList& list, DrawFonts& fonts, Rect area, const Theme& theme, TileSource& values,
                         DeviceTiles& tiles)
    : list_(list), fonts_(fonts), area_(area), theme_(theme), values_(values), tiles_(tiles), ratio_(fonts.ratio()) {}

void ImguiCanvas::fill(Rect r, Color color) {
  if (r.w > 0 && r.h > 0) list_.AddRectFilled(device({r.x, r.y}), device({r.right(), r.bottom()}), color_of(color));
}

void ImguiCanvas::outline(Rect r, Color color, float width) {
  // Four bars: sharp at every width, where a stroked path would be smeared over two pixels.
  const float half = width / 2;
  const Rect outer = r.inset(-half), inner = r.inset(half);
  fill({outer.x, outer.y, outer.w, width}, color);
  fill({outer.x, inner.bottom(), outer.w, width}, color);
  fill({outer.x, inner.y, width, inner.h}, color);
  fill({inner.right(), inner.y, width, inner.h}, color);
}

void ImguiCanvas::line(Point a, Point b, Color color, float width, bool dashed) {
  if (!dashed) return list_.AddLine(device(a), device(b), color_of(color), width * ratio_);
  const float dx = b.x - a.x, dy = b.y - a.y, length = std::hypot(dx, dy);
  for (float at = 0; at < length; at += 6) {
    const float from = at / length, to = std::min(length, at + 3) / length;
    list_.AddLine(device({a.x + dx * from, a.y + dy * from}), device({a.x + dx * to, a.y + dy * to}), color_of(color),
                  width * ratio_);
  }
}

void ImguiCanvas::polygon(std::span<const Point> points, Color color) {
  std::vector<ImVec2> at;
  for (const Point p : points) at.push_back(device(p));
  list_.AddConvexPolyFilled(at.data(), static_cast<int>(at.size()), color_of(color));
}

void ImguiCanvas::polyline(std::span<const Point> points, Color color, float width, bool dashed) {
  if (dashed) {
    for (size_t i = 1; i < points.size(); ++i) line(points[i - 1], points[i], color, width, true);
    return;
  }
  std::vector<ImVec2> at;  // ImGui's joints go wrong where two points are one
  for (const Point p : points)
    if (const ImVec2 next = device(p); at.empty() || std::hypot(next.x - at.back().x, next.y - at.back().y) > 0.1f)
      at.push_back(next);
  if (at.size() >= 2) list_.AddPolyline(at.data(), static_cast<int>(at.size()), color_of(color), 0, width * ratio_);
}

void ImguiCanvas::curve(Point from, Point c1, Point c2, Point to, Color color, float width) {
  list_.AddBezierCubic(device(from), device(c1), device(c2), device(to), color_of(color), width * ratio_);
}

float ImguiCanvas::text_width(std::string_view utf8, Face face, float px) {
  return cutaway::text_width(utf8, face, px);
}

void ImguiCanvas::text(Point anchor, std::string_view utf8, const TextStyle& style) {
  const float width = style.align == Align::Left ? 0 : text_width(utf8, style.face, style.px);
  const float start = (style.align == Align::Right ? -width : style.align == Align::Center ? -width / 2 : 0.f) * ratio_;
  const bool turned = style.degrees != 0;
  const DrawFonts::Sized sized = fonts_.find(style.face, style.px);
  const float angle = style.degrees * 3.14159265f / 180, cosine = std::cos(angle), sine = std::sin(angle);
  const ImU32 color = color_of(style.color);
  const ImVec2 origin = device(anchor);
  float along = start;
  for (const char32_t letter : letters_of(utf8)) {
    const float advance = letter_width(letter, style.face, style.px) * ratio_;
    const ImFontGlyph* shape =
        sized.font->FindGlyph(letter <= 0xFFFF ? static_cast<ImWchar>(letter) : static_cast<ImWchar>(0xFFFD));
    if (shape && shape->Visible) {
      ImVec2 pen{origin.x + along * cosine, origin.y - along * sine};
      if (!turned) pen = {std::round(pen.x), std::round(pen.y)};
      glyph(*shape, pen, sized, cosine, sine, color);
    }
    along += advance;
  }
}

/// One letter; pen is the point of its base line.
void ImguiCanvas::glyph(const ImFontGlyph& shape, ImVec2 pen, const DrawFonts::Sized& sized, float cosine, float sine,
                        ImU32 color) {
  const float x0 = shape.X0 * sized.scale, x1 = shape.X1 * sized.scale;
  const float y0 = shape.Y0 * sized.scale - sized.baseline, y1 = shape.Y1 * sized.scale - sized.baseline;
  const auto at = [&](float x, float y) {
    return ImVec2{pen.x + x * cosine + y * sine, pen.y - x * sine + y * cosine};
  };
  list_.PrimReserve(6, 4);
  list_.PrimQuadUV(at(x0, y0), at(x1, y0), at(x1, y1), at(x0, y1), {shape.U0, shape.V0}, {shape.U1, shape.V0},
                   {shape.U1, shape.V1}, {shape.U0, shape.V1}, color);
}

void ImguiCanvas::hatch(Rect r, Hatch kind, float pitch) {
  if (!(r.w > 0 && r.h > 0)) return;
  // Counted from the canvas's corner, so that neighbouring areas join: x + y (or x - y) is a multiple of the pitch.
  const bool up = kind == Hatch::Masked;
  const float low = up ? r.x + r.y : r.x - r.bottom(), high = up ? r.right() + r.bottom() : r.right() - r.y;
  const ImU32 color = color_of(theme_.hatch);
  for (float c = std::ceil(low / pitch) * pitch; c < high; c += pitch) {
    const float from = up ? std::max(r.x, c - r.bottom()) : std::max(r.x, c + r.y);
    const float to = up ? std::min(r.right(), c - r.y) : std::min(r.right(), c + r.bottom());
    if (to <= from) continue;
    const Point a{from, up ? c - from : from - c}, b{to, up ? c - to : to - c};
    list_.AddLine(device(a), device(b), color, ratio_);
  }
}

void ImguiCanvas::heat_map(Rect r, const TileRequest& request, ScaleMode mode) {
  const DeviceTilePtr tile = tiles_.best(request);
  if (!tile || request.keys.size() <= 0 || request.queries.size() <= 0) {
    outline(r.inset(0.5f), theme_.hairline, 1);
    return;
  }
  const double per_key = r.w / static_cast<double>(request.keys.size()),
               per_query = r.h / static_cast<double>(request.queries.size());
  const TileRequest& own = tile->request;
  const Rect at{static_cast<float>(r.x + static_cast<double>(own.keys.begin - request.keys.begin) * per_key),
                static_cast<float>(r.y + static_cast<double>(own.queries.begin - request.queries.begin) * per_query),
                static_cast<float>(static_cast<double>(own.keys.size()) * per_key),
                static_cast<float>(static_cast<double>(own.queries.size()) * per_query)};
  const ImVec2 clip_min = list_.GetClipRectMin(), clip_max = list_.GetClipRectMax();
  const float left = std::max(clip_min.x, r.x * ratio_), top = std::max(clip_min.y, r.y * ratio_);
  HeatLook look;
  look.at = {at.x * ratio_, at.y * ratio_, at.w * ratio_, at.h * ratio_};
  look.clip = {left, top, std::max(0.f, std::min(clip_max.x, r.right() * ratio_) - left),
               std::max(0.f, std::min(clip_max.y, r.bottom() * ratio_) - top)};
  look.scale = mode == ScaleMode::Row ? HeatScale::Row : mode == ScaleMode::Global ? HeatScale::Global : HeatScale::Log;
  for (size_t i = 0; i < look.palette.size(); ++i) look.palette[i] = color_of(theme_.sequential[i]);
  look.hatch = color_of(theme_.hatch), look.dots = color_of(theme_.dim), look.error = color_of(theme_.error);
  look.hatch_pitch = hatch_pitch(r) * ratio_;
  const bool gaps =
      at.w / static_cast<float>(own.columns) >= heat_gap_from && at.h / static_cast<float>(own.rows) >= heat_gap_from;
  look.gap = gaps ? ratio_ : 0;
  list_.AddCallback(heat_callback, reinterpret_cast<void*>(heat_calls_.size()));
  heat_calls_.push_back({tile, look});
}

void ImguiCanvas::push_clip(Rect r) { list_.PushClipRect(device({r.x, r.y}), device({r.right(), r.bottom()}), true); }
void ImguiCanvas::pop_clip() { list_.PopClipRect(); }

}  // namespace cutaway
