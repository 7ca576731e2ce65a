#include "app/qpainter_canvas.h"

#include <QFontMetricsF>
#include <QPainterPath>
#include <algorithm>
#include <cmath>

#include "app/fonts.h"

namespace cutaway {
namespace {

constexpr size_t cache_limit_bytes = 64u << 20;
constexpr float gap_from_px = 12;      // cells at least this large are parted by a hairline of the ground
constexpr float sqrt2 = 1.41421356f;

/// What a cell shows: a place on the palette, or a mark.
struct Shade {
  enum class Mark : uint8_t { Value, Masked, NotComputed, Broken } mark = Mark::Value;
  float at = 0;      // 0..1
};

/// Colours of a tile's cells under one scale.
class Shades {
 public:
  Shades(const Tile& tile, ScaleMode scale) : tile_(tile), scale_(scale) {
    for (float v : tile.row_max) map_max_ = std::max(map_max_, v);
    if (tile.row_max.empty())
      for (float v : tile.values) map_max_ = std::max(map_max_, v);
  }

  Shade at(int64_t row, int64_t column) const {
    const float v = tile_.values[static_cast<size_t>(row * tile_.request.columns + column)];
    if (!std::isfinite(v)) return {Shade::Mark::Broken};
    if (v == masked_cell) return {Shade::Mark::Masked};
    if (v == not_computed_cell) return {Shade::Mark::NotComputed};
    if (scale_ == ScaleMode::Log) return {Shade::Mark::Value, v > 0 ? (std::log10(v) + 6) / 6 : 0};
    const auto r = static_cast<size_t>(row);
    const float most = scale_ == ScaleMode::Row && r < tile_.row_max.size() ? tile_.row_max[r] : map_max_;
    return {Shade::Mark::Value, most > 0 ? v / most : 0};
  }

 private:
  const Tile& tile_;
  ScaleMode scale_;
  float map_max_ = 0;
};

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

QImage paint_tile(const Tile& tile, ScaleMode scale, int width, int height, float ratio, const Theme& theme) {
  QImage image(width, height, QImage::Format_RGB32);
  const int64_t rows = tile.request.rows, columns = tile.request.columns;
  const float cell_px = std::min(static_cast<float>(width) / columns, static_cast<float>(height) / rows) / ratio;
  const Track across(width, columns, cell_px >= gap_from_px), down(height, rows, cell_px >= gap_from_px);
  const float pitch = (cell_px < 4 || height < 80 * ratio ? 4.f : 6.f) * ratio;
  const Shades shades(tile, scale);
  const QRgb ground = qcolor(theme.canvas).rgb(), broken = qcolor(theme.error).rgb();
  std::array<QRgb, 1024> palette;
  for (size_t i = 0; i < palette.size(); ++i) palette[i] = qcolor(sequential(theme, static_cast<float>(i) / 1023)).rgb();

  std::vector<Shade> line(static_cast<size_t>(columns));
  for (int y = 0; y < height; ++y) {
    if (y == 0 || down.cell[y] != down.cell[y - 1])
      for (int64_t c = 0; c < columns; ++c) line[static_cast<size_t>(c)] = shades.at(down.cell[y], c);
    auto* out = reinterpret_cast<QRgb*>(image.scanLine(y));
    for (int x = 0; x < width; ++x) {
      const Shade& shade = line[static_cast<size_t>(across.cell[x])];
      switch (shade.mark) {
        case Shade::Mark::Value:
          out[x] = across.gap[x] || down.gap[y]
                       ? ground
                       : palette[static_cast<size_t>(std::clamp(shade.at, 0.f, 1.f) * 1023 + 0.5f)];
          break;
        case Shade::Mark::Masked: {
          const float off = std::fmod(static_cast<float>(x + y), pitch * sqrt2) / sqrt2;
          const float distance = std::min(off, pitch - off) / ratio;
          out[x] = blend(theme.canvas, theme.hatch, std::clamp(1 - distance, 0.f, 1.f));
          break;
        }
        case Shade::Mark::NotComputed: out[x] = ground; break;
        case Shade::Mark::Broken: out[x] = broken; break;
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

/// A font and its metrics, made once a thread. Sizes that are not whole are drawn by scaling the next whole one.
const std::pair<QFont, QFontMetricsF>& font_for(Face face, int px) {
  thread_local std::map<std::pair<Face, int>, std::pair<QFont, QFontMetricsF>> made;
  const auto key = std::pair(face, px);
  auto found = made.find(key);
  if (found == made.end()) {
    const QFont font = font_of(face, px);
    found = made.emplace(key, std::pair(font, QFontMetricsF(font))).first;
  }
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
  const float half = !vector_ && std::lround(width) % 2 == 1 ? 0.5f : 0;   // hairlines lie on pixel centres
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
  const int whole = std::max(1, static_cast<int>(std::ceil(px)));
  return static_cast<float>(font_for(face, whole).second.horizontalAdvance(text_of(utf8))) * px / static_cast<float>(whole);
}

void QPainterCanvas::text(Point anchor, std::string_view utf8, const TextStyle& style) {
  const int whole = std::max(1, static_cast<int>(std::ceil(style.px)));
  const auto& [font, metrics] = font_for(style.face, whole);
  const QString words = text_of(utf8);
  double x = 0;
  if (style.align != Align::Left) x = -metrics.horizontalAdvance(words) / (style.align == Align::Center ? 2 : 1);
  painter_.setFont(font);
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
  if (kind == Hatch::Masked) {   // x + y = n * step: neighbours continue each other's lines
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
  if (vector_ && tile->values.size() <= 65536) heat_paths(at, *tile, scale);
  else heat_image(at, tile, scale);
  pop_clip();
}

void QPainterCanvas::heat_image(const QRectF& at, const std::shared_ptr<const Tile>& tile, ScaleMode scale) {
  const auto ratio = static_cast<float>(vector_ ? 2.0 : std::max(1.0, painter_.transform().m11() *
                                                                         painter_.device()->devicePixelRatioF()));
  constexpr double most = 8192;   // a zoomed map never asks for more than this; beyond it the image is enlarged
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

void QPainterCanvas::heat_paths(const QRectF& at, const Tile& tile, ScaleMode scale) {
  const int64_t rows = tile.request.rows, columns = tile.request.columns;
  const double w = at.width() / static_cast<double>(columns), h = at.height() / static_cast<double>(rows);
  const Shades shades(tile, scale);
  std::map<QRgb, QPainterPath> paths;     // one path a colour: sharp at any size, a tenth of cell by cell
  QPainterPath masked;
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t c = 0; c < columns;) {
      const auto same = [&](int64_t other) {
        const Shade a = shades.at(row, c), b = shades.at(row, other);
        return a.mark == b.mark && (a.mark != Shade::Mark::Value || a.at == b.at);
      };
      int64_t end = c + 1;
      while (end < columns && same(end)) ++end;
      const QRectF cell(at.x() + c * w, at.y() + row * h, (end - c) * w, h);
      const Shade shade = shades.at(row, c);
      if (shade.mark == Shade::Mark::Value) paths[qcolor(sequential(theme_, shade.at)).rgb()].addRect(cell);
      if (shade.mark == Shade::Mark::Broken) paths[qcolor(theme_.error).rgb()].addRect(cell);
      if (shade.mark == Shade::Mark::Masked) masked.addRect(cell);
      c = end;
    }
  }
  painter_.setPen(Qt::NoPen);
  painter_.setRenderHint(QPainter::Antialiasing, false);   // no seams between neighbours
  for (const auto& [color, path] : paths) painter_.fillPath(path, QColor::fromRgb(color));
  painter_.setRenderHint(QPainter::Antialiasing, true);
  if (masked.isEmpty()) return;
  painter_.save();
  painter_.setClipPath(masked, Qt::IntersectClip);
  hatch({static_cast<float>(at.x()), static_cast<float>(at.y()), static_cast<float>(at.width()),
         static_cast<float>(at.height())}, Hatch::Masked, 6);
  painter_.restore();
}

void QPainterCanvas::push_clip(Rect r) {
  painter_.save();
  painter_.setClipRect(qrect(r), Qt::IntersectClip);
}

void QPainterCanvas::pop_clip() { painter_.restore(); }

}  // namespace cutaway
