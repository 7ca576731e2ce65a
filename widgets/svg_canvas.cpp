#include "widgets/svg_canvas.h"

#include <fmt/format.h>

#include <cassert>
#include <cmath>

#include "widgets/fonts.h"
#include "widgets/heat.h"

namespace cutaway {
namespace {

/// A coordinate in the fewest characters: two decimals, no zeros behind, no zero in front.
std::string number(float value) {
  std::string text = fmt::format("{:.2f}", std::isfinite(value) ? value : 0.f);
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  if (text == "-0") return "0";
  if (text.starts_with("0.")) return text.substr(1);
  if (text.starts_with("-0.")) return "-" + text.substr(2);
  return text;
}

/// Two numbers of a path; a minus sign parts them by itself.
std::string pair_of(float a, float b) {
  const std::string second = number(b);
  return number(a) + (second.front() == '-' ? "" : " ") + second;
}

std::string box(Rect r) {
  return "M" + pair_of(r.x, r.y) + "h" + number(r.w) + "v" + number(r.h) + "h" + number(-r.w) + "z";
}

std::string hex(Color c) { return fmt::format("#{:02x}{:02x}{:02x}", c.r, c.g, c.b); }

/// ` fill="#..." fill-opacity=".5"`
std::string paint(std::string_view what, Color c) {
  std::string text = fmt::format(" {}=\"{}\"", what, hex(c));
  if (c.a != 255) text += fmt::format(" {}-opacity=\"{}\"", what, number(static_cast<float>(c.a) / 255));
  return text;
}

std::string base64(std::string_view bytes) {
  constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t three = 0;
    for (size_t k = 0; k < 3; ++k)
      three = three << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k) text += i + k <= bytes.size() ? digits[three >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

std::string_view class_of(Face face) { return face == Face::Mono ? "m" : face == Face::SansSemibold ? "b" : "s"; }

/// Cells with gaps, or of a tile that has other ranges than the picture: a box each, by colour.
std::string boxes_of(const HeatShapes& shapes) {
  std::string text = "<g shape-rendering=\"crispEdges\">\n";
  for (const auto& layer : shapes.layers) {
    text += fmt::format("<path fill=\"{}\" d=\"", hex(layer.color));
    Point at;
    for (const Rect& r : layer.cells) {  // relative moves are shorter
      text += (text.back() == '"' ? "M" + pair_of(r.x, r.y) : "m" + pair_of(r.x - at.x, r.y - at.y)) + "h" +
              number(r.w) + "v" + number(r.h) + "h" + number(-r.w) + "z";
      at = {r.x, r.y};
    }
    text += "\"/>\n";
  }
  return text + "</g>\n";
}

/// Small cells: in units of cells, a run is a stroke one unit thick, "m3 1h2".
std::string grid_of(Rect area, const TileRequest& r, const HeatShapes& shapes) {
  const float w = area.w / static_cast<float>(r.columns), h = area.h / static_cast<float>(r.rows);
  std::string text =
      fmt::format("<g fill=\"none\" shape-rendering=\"crispEdges\" transform=\"translate({} {}) scale({} {})\">\n",
                  number(area.x), number(area.y + h / 2), w, h);
  const auto signed_pair = [](long a, long b) { return fmt::format("{}{}{}", a, b < 0 ? "" : " ", b); };
  for (const auto& layer : shapes.layers) {
    text += fmt::format("<path stroke=\"{}\" d=\"", hex(layer.color));
    long x = 0, y = 0;
    for (const Rect& cell : layer.cells) {
      const long left = std::lround((cell.x - area.x) / w), right = std::lround((cell.right() - area.x) / w);
      const long row = std::lround((cell.y - area.y) / h);
      const std::string relative = "m" + signed_pair(left - x, row - y), absolute = "M" + signed_pair(left, row);
      text += (relative.size() < absolute.size() ? relative : absolute) + fmt::format("h{}", right - left);
      x = right, y = row;
    }
    text += "\"/>\n";
  }
  return text + "</g>\n";
}

}  // namespace

std::string xml_escaped(std::string_view utf8) {
  std::string text;
  text.reserve(utf8.size());
  for (const char32_t c : letters_of(utf8)) {
    if (c == '&')
      text += "&amp;";
    else if (c == '<')
      text += "&lt;";
    else if (c == '>')
      text += "&gt;";
    else if (c == '"')
      text += "&quot;";
    else
      append_utf8(text, c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0xFFFE || c == 0xFFFF ? U'\xFFFD' : c);
  }
  return text;
}

SvgCanvas::SvgCanvas(SvgPage page, const Theme& theme, TileSource& tiles)
    : page_(std::move(page)), theme_(theme), tiles_(tiles) {}

std::string& SvgCanvas::body() {
  if (!fills_.empty()) {
    body_ += fmt::format("<path{} d=\"{}\"/>\n", paint("fill", fills_color_), fills_);
    fills_.clear();
  }
  return body_;
}

void SvgCanvas::fill(Rect r, Color color) {
  if (!(r.w > 0 && r.h > 0)) return;
  // Fills of one colour in a row share a path; a translucent one stands alone, for where two overlap they would add up.
  if (!(color == fills_color_) || color.a != 255) body();
  fills_color_ = color;
  fills_ += box(r);
}

void SvgCanvas::outline(Rect r, Color color, float width) {
  body() += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"none\"{} stroke-width=\"{}\"/>\n",
                        number(r.x), number(r.y), number(std::max(0.f, r.w)), number(std::max(0.f, r.h)),
                        paint("stroke", color), number(width));
}

void SvgCanvas::stroke(std::string_view data, Color color, float width, bool dashed) {
  body() += fmt::format("<path fill=\"none\"{} stroke-width=\"{}\"{} d=\"{}\"/>\n", paint("stroke", color),
                        number(width), dashed ? " stroke-dasharray=\"3 3\"" : "", data);
}

void SvgCanvas::line(Point a, Point b, Color color, float width, bool dashed) {
  stroke("M" + pair_of(a.x, a.y) + "L" + pair_of(b.x, b.y), color, width, dashed);
}

void SvgCanvas::polygon(std::span<const Point> points, Color color) {
  if (points.size() < 3) return;
  std::string data;
  for (const Point p : points) data += (data.empty() ? "M" : "L") + pair_of(p.x, p.y);
  body() += fmt::format("<path{} d=\"{}z\"/>\n", paint("fill", color), data);
}

void SvgCanvas::polyline(std::span<const Point> points, Color color, float width, bool dashed) {
  if (points.size() < 2) return;
  std::string data;
  for (const Point p : points) data += (data.empty() ? "M" : "L") + pair_of(p.x, p.y);
  stroke(data, color, width, dashed);
}

void SvgCanvas::curve(Point from, Point c1, Point c2, Point to, Color color, float width) {
  stroke(
      "M" + pair_of(from.x, from.y) + "C" + pair_of(c1.x, c1.y) + " " + pair_of(c2.x, c2.y) + " " + pair_of(to.x, to.y),
      color, width, false);
}

void SvgCanvas::text(Point anchor, std::string_view utf8, const TextStyle& style) {
  const std::string safe = xml_escaped(utf8);
  if (safe.empty()) return;
  for (const char32_t letter : letters_of(utf8)) letters_[static_cast<size_t>(style.face)].insert(letter);
  std::string more;
  if (style.align != Align::Left)
    more += fmt::format(" text-anchor=\"{}\"", style.align == Align::Center ? "middle" : "end");
  if (style.degrees != 0)
    more += fmt::format(" transform=\"rotate({} {} {})\"", number(-style.degrees), number(anchor.x), number(anchor.y));
  body() += fmt::format("<text class=\"{}\" x=\"{}\" y=\"{}\" font-size=\"{}\"{}{}>{}</text>\n", class_of(style.face),
                        number(anchor.x), number(anchor.y), number(style.px), paint("fill", style.color), more, safe);
}

float SvgCanvas::text_width(std::string_view utf8, Face face, float px) { return cutaway::text_width(utf8, face, px); }

std::string SvgCanvas::hatch_id(Hatch kind, float pitch) {
  hatches_.insert({kind, pitch});
  return fmt::format("{}{}", kind == Hatch::Masked ? "masked" : "outside", number(pitch));
}

void SvgCanvas::hatch(Rect r, Hatch kind, float pitch) {
  if (!(r.w > 0 && r.h > 0)) return;
  const std::string id = hatch_id(kind, pitch);
  body() += fmt::format("<path fill=\"url(#{})\" d=\"{}\"/>\n", id, box(r));
}

void SvgCanvas::heat_map(Rect area, const TileRequest& request, ScaleMode mode) {
  assert(request.rows * request.columns <= svg_cell_limit);
  const auto tile = tiles_.best(request);
  if (!tile) return;
  const HeatShapes shapes = heat_shapes(area, request, *tile, theme_, mode);
  const bool on_grid = tile->request == request && area.w / static_cast<float>(request.columns) < heat_gap_from;
  body() += on_grid ? grid_of(area, request, shapes) : boxes_of(shapes);
  const auto path_of = [](const std::vector<Rect>& rects) {
    std::string data;
    for (const Rect& r : rects) data += box(r);
    return data;
  };
  if (!shapes.masked.empty())
    body_ += fmt::format("<path fill=\"url(#{})\" d=\"{}\"/>\n", hatch_id(Hatch::Masked, hatch_pitch(area)),
                         path_of(shapes.masked));
  if (!shapes.missing.empty())
    body_ += fmt::format("<path fill=\"none\" stroke=\"{}\" stroke-dasharray=\"1 3\" d=\"{}\"/>\n", hex(theme_.dim),
                         path_of(shapes.missing));
  if (!shapes.broken.empty())
    body_ += fmt::format("<path fill=\"{}\" d=\"{}\"/>\n", hex(theme_.error), path_of(shapes.broken));
}

void SvgCanvas::push_clip(Rect r) {
  body();
  clips_ += fmt::format("<clipPath id=\"c{}\"><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/></clipPath>\n",
                        clip_count_, number(r.x), number(r.y), number(std::max(0.f, r.w)), number(std::max(0.f, r.h)));
  body_ += fmt::format("<g clip-path=\"url(#c{})\">\n", clip_count_++);
}

void SvgCanvas::pop_clip() { body() += "</g>\n"; }

void SvgCanvas::begin_group(std::string_view name) {
  body() += name.empty() ? "<g>\n" : fmt::format("<g id=\"{}\">\n", xml_escaped(name));
}

void SvgCanvas::end_group() { body() += "</g>\n"; }

std::string SvgCanvas::defs() const {
  std::string style;
  constexpr std::array faces{Face::Sans, Face::SansSemibold, Face::Mono};
  for (const Face face : faces) {
    const auto& letters = letters_[static_cast<size_t>(face)];
    if (letters.empty()) continue;
    const FontFile& file = font_file(face);
    if (page_.embed_fonts)
      if (const std::string subset = font_subset(face, letters); !subset.empty())
        style += fmt::format(
            "@font-face{{font-family:\"{}\";font-weight:{};src:url(data:font/{};base64,{}) format(\"{}\")}}\n",
            file.family, file.weight, file.css_format == "opentype" ? "otf" : "ttf", base64(subset), file.css_format);
    style += fmt::format(".{}{{font-family:\"{}\",{};font-weight:{}}}\n", class_of(face), file.family,
                         face == Face::Mono ? "monospace" : "sans-serif", file.weight);
  }
  std::string patterns;
  for (const auto& [kind, pitch] : hatches_) {
    const float step = pitch;  // along both axes
    const std::string line = kind == Hatch::Masked
                                 ? "M-1 1L1-1M0 " + number(step) + "L" + number(step) + " 0M" +
                                       pair_of(step - 1, step + 1) + "L" + pair_of(step + 1, step - 1)
                                 : "M-1 " + number(step - 1) + "L1 " + number(step + 1) + "M0 0L" +
                                       pair_of(step, step) + "M" + pair_of(step - 1, -1) + "L" + pair_of(step + 1, 1);
    patterns += fmt::format(
        "<pattern id=\"{}{}\" width=\"{}\" height=\"{}\" patternUnits=\"userSpaceOnUse\">"
        "<path d=\"{}\" fill=\"none\" stroke=\"{}\"/></pattern>\n",
        kind == Hatch::Masked ? "masked" : "outside", number(pitch), number(step), number(step), line,
        hex(theme_.hatch));
  }
  return "<defs>\n<style>text{white-space:pre;font-kerning:none;font-variant-ligatures:none}\n" + style + "</style>\n" +
         patterns + clips_ + "</defs>\n";
}

std::string SvgCanvas::finish() {
  body();
  const bool printed = page_.width_mm > 0;
  const std::string_view unit = printed ? "mm" : "";
  const double width = printed ? page_.width_mm : page_.width;
  std::string file = fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" xml:space=\"preserve\" "
      "role=\"img\" width=\"{}{}\" height=\"{}{}\" viewBox=\"0 0 {} {}\">\n",
      number(static_cast<float>(width)), unit, number(static_cast<float>(width * page_.height / page_.width)), unit,
      number(page_.width), number(page_.height));
  if (!page_.title.empty()) file += "<title>" + xml_escaped(page_.title) + "</title>\n";
  if (!page_.description.empty()) file += "<desc>" + xml_escaped(page_.description) + "</desc>\n";
  if (!page_.metadata.empty()) {
    file += "<metadata>\n<cutaway xmlns=\"urn:cutaway:figure\">\n";
    for (const auto& [name, value] : page_.metadata)
      file += "<entry name=\"" + xml_escaped(name) + "\">" + xml_escaped(value) + "</entry>\n";
    file += "</cutaway>\n</metadata>\n";
  }
  file += defs();
  if (page_.ground) file += fmt::format("<path fill=\"{}\" d=\"{}\"/>\n", hex(theme_.canvas), box(area()));
  file += body_;
  return file += "</svg>\n";
}

}  // namespace cutaway
