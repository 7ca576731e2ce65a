#include "app/qpainter_canvas.h"

#include <QPainterPath>
#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "app/fonts.h"
#include "widgets/fonts.h"
#include "widgets/heat.h"

namespace cutaway {
namespace {

constexpr size_t cache_limit_bytes = 64u << 20;
constexpr float sqrt2 = 1.41421356f;

QRgb blend(Color below, Color above, float part) {
  const float a = part * static_cast<float>(above.a) / 255;
  const auto mix = [a](uint8_t b, uint8_t t) { return static_cast<int>(std::lround(b + (t - b) * a)); };
  return qRgb(mix(below.r, above.r), mix(below.g, above.g), mix(below.b, above.b));
}

/// Which cell each device pixel belongs to, and whether the pixel is the gap after that cell.
struct Track {
  std::vector<int> cell;
  std::vector<bool> gap;

  Track(int pixels, int64_t cells, bool gaps) : cell(static_cast<size_t>(pixels)), gap(static_cast<size_t>(pixels)) {
    for (int x = 0; x < pixels; ++x) cell[x] = static_cast<int>(std::min(cells - 1, x * cells / pixels));
    if (!gaps) return;
    for (int x = 0; x + 1 < pixels; ++x) gap[x] = cell[x] != cell[x + 1];
  }
};

/// The tile pixel by pixel. Same colours, gaps and hatch as heat_shapes(), at the price of one pass over the pixels.
QImage paint_tile(const Tile& tile, ScaleMode scale, int width, int height, float ratio, const Theme& theme) {
  QImage image(width, height, QImage::Format_RGB32);
  const int64_t rows = tile.request.rows, columns = tile.request.columns;
  const float cell_px = std::min(static_cast<float>(width) / columns, static_cast<float>(height) / rows) / ratio;
  const Track across(width, columns, cell_px >= heat_gap_from), down(height, rows, cell_px >= heat_gap_from);
  const float pitch =
      hatch_pitch({0, 0, static_cast<float>(width) / ratio, static_cast<float>(height) / ratio}) * ratio;
  const float largest = largest_weight(tile);
  const QRgb ground = qcolor(theme.canvas).rgb(), broken = qcolor(theme.error).rgb(),
             dots = qcolor(theme.hairline).rgb();
  std::array<QRgb, 1024> palette;
  for (size_t i = 0; i < palette.size(); ++i)
    palette[i] = qcolor(sequential(theme, static_cast<float>(i) / 1023)).rgb();

  for (int y = 0; y < height; ++y) {
    const auto row = static_cast<size_t>(down.cell[static_cast<size_t>(y)]);
    const float* values = tile.values.data() + row * static_cast<size_t>(columns);
    auto* out = reinterpret_cast<QRgb*>(image.scanLine(y));
    for (int x = 0; x < width; ++x) {
      const float v = values[across.cell[static_cast<size_t>(x)]];
      if (v == masked_cell) {
        const float off = std::fmod(static_cast<float>(x + y), pitch * sqrt2) / sqrt2;
        const float distance = std::min(off, pitch - off) / ratio;
        out[x] = blend(theme.canvas, theme.hatch, std::clamp(1 - distance, 0.f, 1.f));
      } else if (v == not_computed_cell) {
        out[x] = x % 4 == 0 && y % 4 == 0 ? dots : ground;
      } else if (!std::isfinite(v)) {
        out[x] = broken;
      } else if (across.gap[static_cast<size_t>(x)] || down.gap[static_cast<size_t>(y)]) {
        out[x] = ground;
      } else {
        out[x] = palette[static_cast<size_t>(heat_place(v, tile.row_max[row], largest, scale) * 1023 + 0.5f)];
      }
    }
  }
  return image;
}

QPen pen_of(Color color, float width, bool dashed) {
  QPen pen(qcolor(color), width, Qt::SolidLine, Qt::FlatCap, Qt::MiterJoin);
  if (dashed) pen.setDashPattern({4 / std::max(width, 1.f), 3 / std::max(width, 1.f)});
  return pen;
}

/// Made once a thread. Sizes that are not whole are drawn by scaling the next whole one.
const QFont& font_for(Face face, int px) {
  thread_local std::map<std::pair<Face, int>, QFont> made;
  auto found = made.find({face, px});
  if (found == made.end()) found = made.emplace(std::pair(face, px), font_of(face, px)).first;
  return found->second;
}

QString text_of(std::string_view utf8) { return QString::fromUtf8(utf8.data(), static_cast<qsizetype>(utf8.size())); }

}  // namespace

const QImage* HeatMapCache::find(const Key& key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : &found->second.image;
}

const QImage& HeatMapCache::keep(const Key& key, std::shared_ptr<const Tile> tile, QImage image) {
  const auto bytes = static_cast<size_t>(image.sizeInBytes());
  if (bytes_ + bytes > cache_limit_bytes) entries_.clear(), bytes_ = 0;
  bytes_ += bytes;
  return entries_.insert_or_assign(key, Entry{std::move(tile), std::move(image)}).first->second.image;
}

QPainterCanvas::QPainterCanvas(QPainter& painter, Rect area, const Theme& theme, TileSource& tiles, HeatMapCache* cache,
                               bool vector)
    : painter_(painter), area_(area), theme_(theme), tiles_(tiles), cache_(cache), vector_(vector) {
  painter_.setRenderHints(QPainter::Antialiasing | QPainter::TextAntialiasing);
}

void QPainterCanvas::fill(Rect r, Color color) {
  // Edges of a filled rectangle are on the pixel grid more often than not; without antialiasing they never bleed.
  painter_.setRenderHint(QPainter::Antialiasing, vector_);
  painter_.fillRect(qrect(r), qcolor(color));
  painter_.setRenderHint(QPainter::Antialiasing, true);
}

void QPainterCanvas::outline(Rect r, Color color, float width) {
  QPen pen = pen_of(color, width, false);
  painter_.setPen(pen);
  painter_.setBrush(Qt::NoBrush);
  painter_.drawRect(qrect(r.inset(width / 2)));
}

void QPainterCanvas::line(Point a, Point b, Color color, float width, bool dashed) {
  painter_.setPen(pen_of(color, width, dashed));
  const float half = !vector_ && std::lround(width) % 2 == 1 ? 0.5f : 0;  // hairlines lie on pixel centres
  if (a.y == b.y) a.y = b.y = std::floor(a.y) + half;
  if (a.x == b.x) a.x = b.x = std::floor(a.x) + half;
  painter_.drawLine(QPointF(a.x, a.y), QPointF(b.x, b.y));
}

void QPainterCanvas::polygon(std::span<const Point> points, Color color) {
  QPolygonF shape;
  for (Point p : points) shape << QPointF(p.x, p.y);
  painter_.setPen(Qt::NoPen);
  painter_.setBrush(qcolor(color));
  painter_.drawPolygon(shape);
}

void QPainterCanvas::polyline(std::span<const Point> points, Color color, float width, bool dashed) {
  QPolygonF shape;
  for (Point p : points) shape << QPointF(p.x, p.y);
  painter_.setPen(pen_of(color, width, dashed));
  painter_.drawPolyline(shape);
}

void QPainterCanvas::curve(Point from, Point c1, Point c2, Point to, Color color, float width) {
  QPainterPath path(QPointF(from.x, from.y));
  path.cubicTo(c1.x, c1.y, c2.x, c2.y, to.x, to.y);
  painter_.setBrush(Qt::NoBrush);
  painter_.setPen(pen_of(color, width, false));
  painter_.drawPath(path);
}

float QPainterCanvas::text_width(std::string_view utf8, Face face, float px) {
  return cutaway::text_width(utf8, face, px);
}

void QPainterCanvas::text(Point anchor, std::string_view utf8, const TextStyle& style) {
  const int whole = std::max(1, static_cast<int>(std::ceil(style.px)));
  const QString words = text_of(utf8);
  double x = 0;
  if (style.align != Align::Left)
    x = -cutaway::text_width(utf8, style.face, static_cast<float>(whole)) / (style.align == Align::Center ? 2 : 1);
  painter_.setFont(font_for(style.face, whole));
  painter_.setPen(qcolor(style.color));
  const bool plain = style.degrees == 0 && static_cast<float>(whole) == style.px;
  if (plain) return painter_.drawText(QPointF(anchor.x + x, anchor.y), words);
  painter_.save();
  painter_.translate(anchor.x, anchor.y);
  painter_.rotate(-style.degrees);
  painter_.scale(style.px / static_cast<float>(whole), style.px / static_cast<float>(whole));
  painter_.drawText(QPointF(x, 0), words);
  painter_.restore();
}

void QPainterCanvas::hatch(Rect r, Hatch kind, float pitch) {
  if (r.w <= 0 || r.h <= 0) return;
  painter_.save();
  painter_.setClipRect(qrect(r), Qt::IntersectClip);
  painter_.setPen(pen_of(theme_.hatch, 1, false));
  const float step = pitch * sqrt2;
  if (kind == Hatch::Masked) {  // x + y = n * step: neighbours continue each other's lines
    for (float s = std::floor((r.x + r.y) / step) * step; s <= r.right() + r.bottom(); s += step)
      painter_.drawLine(QPointF(s - r.bottom(), r.bottom()), QPointF(s - r.y, r.y));
  } else {
    for (float s = std::floor((r.x - r.bottom()) / step) * step; s <= r.right() - r.y; s += step)
      painter_.drawLine(QPointF(s + r.y, r.y), QPointF(s + r.bottom(), r.bottom()));
  }
  painter_.restore();
}

void QPainterCanvas::dotted(Rect r) {
  QPen pen(qcolor(theme_.dim), 1, Qt::DotLine, Qt::FlatCap);
  painter_.setPen(pen);
  painter_.setBrush(Qt::NoBrush);
  painter_.drawRect(qrect(r.inset(0.5f)));
}

void QPainterCanvas::heat_map(Rect r, const TileRequest& request, ScaleMode scale) {
  if (r.w <= 0 || r.h <= 0 || request.queries.size() <= 0 || request.keys.size() <= 0) return;
  const std::shared_ptr<const Tile> tile = tiles_.best(request);
  if (!tile || tile->values.empty()) return dotted(r);
  // An older tile has ranges of its own: it is drawn where its cells lie in what was asked for.
  const Range q = tile->request.queries, k = tile->request.keys;
  const float per_query = r.h / static_cast<float>(request.queries.size());
  const float per_key = r.w / static_cast<float>(request.keys.size());
  const QRectF at(r.x + static_cast<float>(k.begin - request.keys.begin) * per_key,
                  r.y + static_cast<float>(q.begin - request.queries.begin) * per_query,
                  static_cast<float>(k.size()) * per_key, static_cast<float>(q.size()) * per_query);
  push_clip(r);
  if (vector_ && tile->values.size() <= 65536)
    heat_paths(r, request, *tile, scale);
  else
    heat_image(at, tile, scale);
  pop_clip();
}

void QPainterCanvas::heat_image(const QRectF& at, const std::shared_ptr<const Tile>& tile, ScaleMode scale) {
  const auto ratio = static_cast<float>(
      vector_ ? 2.0 : std::max(1.0, painter_.transform().m11() * painter_.device()->devicePixelRatioF()));
  constexpr double most = 8192;  // a zoomed map never asks for more than this; beyond it the image is enlarged
  const int width = static_cast<int>(std::clamp(std::round(at.width() * ratio), 1.0, most));
  const int height = static_cast<int>(std::clamp(std::round(at.height() * ratio), 1.0, most));
  const HeatMapCache::Key key{tile.get(), width, height, scale, theme_.dark};
  const QImage* image = cache_ ? cache_->find(key) : nullptr;
  QImage fresh;
  if (!image) {
    fresh = paint_tile(*tile, scale, width, height, ratio, theme_);
    image = cache_ ? &cache_->keep(key, tile, std::move(fresh)) : &fresh;
  }
  painter_.setRenderHint(QPainter::SmoothPixmapTransform, false);
  painter_.drawImage(at, *image);
}

/// One path a colour: sharp at any size, a tenth of the bytes of cell by cell.
void QPainterCanvas::heat_paths(Rect r, const TileRequest& asked, const Tile& tile, ScaleMode scale) {
  const HeatShapes shapes = heat_shapes(r, asked, tile, theme_, scale);
  const auto path_of = [](const std::vector<Rect>& cells) {
    QPainterPath path;
    for (const Rect& cell : cells) path.addRect(qrect(cell));
    return path;
  };
  painter_.setRenderHint(QPainter::Antialiasing, false);  // no seams between neighbours
  for (const HeatShapes::Layer& layer : shapes.layers) painter_.fillPath(path_of(layer.cells), qcolor(layer.color));
  painter_.fillPath(path_of(shapes.broken), qcolor(theme_.error));
  painter_.setRenderHint(QPainter::Antialiasing, true);
  for (const Rect& cell : shapes.missing) dotted(cell);
  if (shapes.masked.empty()) return;
  painter_.save();
  painter_.setClipPath(path_of(shapes.masked), Qt::IntersectClip);
  hatch(r, Hatch::Masked, hatch_pitch(r));
  painter_.restore();
}

void QPainterCanvas::push_clip(Rect r) {
  painter_.save();
  painter_.setClipRect(qrect(r), Qt::IntersectClip);
}

void QPainterCanvas::pop_clip() { painter_.restore(); }

}  // namespace cutaway
