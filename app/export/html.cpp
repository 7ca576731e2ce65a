// One HTML file with no script and no network: the figure as SVG, a readout of each cell as the browser's own tooltip,
// and the numbers as a table.
#include <map>
#include <optional>

#include "app/export/figure.h"
#include "widgets/svg_canvas.h"

namespace cutaway {

namespace {

constexpr float probe_px = 2;        // distance of the points at which the view is asked what lies under them
constexpr size_t most_cells = 4096;  // with a readout each; larger maps have their table alone
constexpr size_t most_rows = 5000;   // of the table

/// Where the view shows which cell, found by asking it: no view has to know that this file exists.
std::map<std::pair<int64_t, int64_t>, Rect> cells_of(const Figure& figure, Rect inside) {
  std::map<std::pair<int64_t, int64_t>, Rect> cells;
  for (float y = probe_px / 2; y < inside.h; y += probe_px)
    for (float x = probe_px / 2; x < inside.w; x += probe_px) {
      Selection at = figure.scene.at;
      at.cursor.reset();
      figure.view.hover({x, y}, figure.scene, at);
      if (!at.cursor) continue;
      const Rect point{x - probe_px / 2, y - probe_px / 2, probe_px, probe_px};
      const auto [found, added] = cells.try_emplace({at.cursor->query, at.cursor->key}, point);
      if (cells.size() > most_cells) return {};
      if (added) continue;
      Rect& cell = found->second;
      const float right = std::max(cell.right(), point.right()), bottom = std::max(cell.bottom(), point.bottom());
      cell.x = std::min(cell.x, point.x), cell.y = std::min(cell.y, point.y);
      cell.w = right - cell.x, cell.h = bottom - cell.y;
    }
  return cells;
}

std::string readout_of(const Figure& figure, TileSource& tiles, std::optional<Cell> cursor) {
  Scene scene = figure.scene;
  scene.at.cursor = cursor;
  std::string lines;
  for (const Readout& line : figure.view.readout(scene, tiles))
    lines += xml_escaped(line.label) + ": " + xml_escaped(line.value) + "\n";
  return lines;
}

std::string overlay_of(const Figure& figure, TileSource& tiles) {
  const Rect inside = view_area(figure);
  std::string rects = fmt::format("<g class=\"cells\" transform=\"translate({} {})\">\n", inside.x, inside.y);
  for (const auto& [cell, r] : cells_of(figure, inside))
    rects += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"><title>{}</title></rect>\n", r.x, r.y, r.w,
                         r.h, readout_of(figure, tiles, Cell{cell.first, cell.second}));
  return rects + "</g>\n";
}

std::string table_of(const Figure& figure, TileSource& tiles) {
  const Table table = figure.view.table(figure.scene, tiles);
  std::string text = "<table>\n<tr>";
  for (const std::string& column : table.columns) text += "<th>" + xml_escaped(column) + "</th>";
  text += "</tr>\n";
  const size_t rows = std::min(table.rows.size(), most_rows);
  for (size_t i = 0; i < rows; ++i) {
    text += "<tr>";
    for (const std::string& value : table.rows[i]) text += "<td>" + xml_escaped(value) + "</td>";
    text += "</tr>\n";
  }
  text += "</table>\n";
  return fmt::format("<details><summary>{} / {}</summary>\n{}</details>\n", rows, table.rows.size(), text);
}

std::string css(Color c) { return fmt::format("#{:02x}{:02x}{:02x}", c.r, c.g, c.b); }

}  // namespace

Result<std::string> html_of(const Figure& figure, TileSource& tiles) {
  Result<std::string> svg = svg_of(figure, tiles);
  if (!svg) return svg;
  svg->erase(0, svg->find("<svg"));  // an XML declaration has no place inside HTML
  svg->insert(svg->rfind("</svg>"), overlay_of(figure, tiles));
  const Theme& theme = figure.options.dark ? dark_theme() : light_theme();
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n<title>{}</title>\n"
      "<meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"description\" content=\"{}\">\n<style>\n"
      "body{{margin:0 auto;max-width:{}px;background:{};color:{};font:13px Inter,sans-serif}}\n"
      "svg{{width:100%;height:auto}}\n.cells rect{{fill:transparent}}\n.cells rect:hover{{stroke:{};stroke-width:2}}\n"
      "table{{border-collapse:collapse;font:11px \"JetBrains Mono\",monospace}}\n"
      "td,th{{padding:2px 8px;text-align:right;border-bottom:1px solid {};white-space:pre}}\n"
      "details,pre{{margin:12px}}\n</style>\n</head>\n<body>\n{}\n<pre>{}</pre>\n{}</body>\n</html>\n",
      figure.options.language == Language::Russian ? "ru" : "en", xml_escaped(title_of(figure)),
      xml_escaped(figure.line), figure.page.width, css(theme.canvas), css(theme.text), css(theme.accent),
      css(theme.hairline), *svg, readout_of(figure, tiles, figure.scene.at.cursor), table_of(figure, tiles));
}

}  // namespace cutaway
