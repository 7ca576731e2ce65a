#include "app/export/figure.h"

#include <QBuffer>
#include <QImage>
#include <QPageSize>
#include <QPainter>
#include <QPdfWriter>
#include <cmath>

#include "app/export/inset_canvas.h"
#include "app/fonts.h"
#include "app/qpainter_canvas.h"
#include "widgets/fonts.h"
#include "widgets/svg_canvas.h"

namespace cutaway {

namespace {

constexpr float margin = 12, head_px = 11, line_px = 9, line_step = 12;
constexpr double mm_per_px = 25.4 / 96, points_per_mm = 72 / 25.4;
constexpr int pdf_dpi = 1200, most_lines = 3;
constexpr double most_pixels = 256e6;  // a gigabyte of image

/// The text in lines that fit; what does not fit in the last one is cut with an ellipsis.
std::vector<std::string> wrapped(const std::string& text, float width) {
  std::vector<std::string> lines(1);
  const auto fits = [&](const std::string& line) { return text_width(line, Face::Sans, line_px) <= width; };
  for (size_t begin = 0; begin < text.size();) {
    size_t end = std::min(text.find(' ', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    const std::string longer = lines.back().empty() ? word : lines.back() + " " + word;
    if (fits(longer) || lines.back().empty()) {
      lines.back() = longer;
    } else if (lines.size() < most_lines) {
      lines.push_back(word);
    } else {
      lines.back() += " …";
      return lines;
    }
    begin = end + 1;
  }
  return lines;
}

std::vector<std::string> lines_of(const Figure& figure) { return wrapped(figure.line, figure.page.width - 2 * margin); }

void draw(Canvas& canvas, const Figure& figure) {
  const Theme& theme = canvas.theme();
  const Rect inside = view_area(figure);
  canvas.begin_group("title");
  canvas.text({margin, margin + head_px}, title_of(figure),
              {.face = Face::Sans, .px = head_px, .color = theme.secondary});
  canvas.end_group();
  canvas.begin_group(figure.view.id());
  InsetCanvas inset(canvas, inside);
  canvas.push_clip(inside);
  figure.view.draw(inset, figure.scene);
  canvas.pop_clip();
  canvas.end_group();
  canvas.begin_group("provenance");
  float y = inside.bottom() + 4 + line_px;
  for (const std::string& line : lines_of(figure)) {
    canvas.text({margin, y}, line, {.face = Face::Sans, .px = line_px, .color = theme.dim});
    y += line_step;
  }
  canvas.end_group();
}

const Theme& theme_of(const Figure& figure) { return figure.options.dark ? dark_theme() : light_theme(); }

QString qstring(std::string_view text) { return QString::fromUtf8(text.data(), static_cast<qsizetype>(text.size())); }

/// The PDF's metadata (XMP): title, program, and every line of the provenance in the description.
QByteArray xmp_of(const Figure& figure) {
  const auto safe = [](std::string_view text) { return qstring(xml_escaped(text)).toUtf8(); };
  std::string description;
  for (const auto& [key, value] : figure.provenance) description += key + ": " + value + "\n";
  return "<?xpacket begin=\"\xEF\xBB\xBF\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n"
         "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">"
         "<rdf:Description rdf:about=\"\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\" "
         "xmlns:xmp=\"http://ns.adobe.com/xap/1.0/\"><xmp:CreatorTool>Cutaway " CUTAWAY_VERSION
         "</xmp:CreatorTool>"
         "<dc:title><rdf:Alt><rdf:li xml:lang=\"x-default\">" +
         safe(title_of(figure)) +
         "</rdf:li></rdf:Alt></dc:title>"
         "<dc:description><rdf:Alt><rdf:li xml:lang=\"x-default\">" +
         safe(description) +
         "</rdf:li></rdf:Alt>"
         "</dc:description></rdf:Description></rdf:RDF></x:xmpmeta>\n<?xpacket end=\"w\"?>";
}

Rect page_area(const Figure& figure) { return {0, 0, figure.page.width, figure.page.height}; }

}  // namespace

std::string title_of(const Figure& figure) {
  return fmt::format("{} · {}", figure.scene.step->model->name, say(figure.view.name()));
}

Rect view_area(const Figure& figure) {
  const float head = margin + head_px + 4;
  const float foot = static_cast<float>(lines_of(figure).size()) * line_step + margin;
  return {margin, head, figure.page.width - 2 * margin, figure.page.height - head - foot - 4};
}

Result<std::string> svg_of(const Figure& figure, TileSource& tiles) {
  SvgPage page;
  page.width = figure.page.width, page.height = figure.page.height;
  page.width_mm = figure.page.width_mm;
  page.ground = !figure.options.transparent;
  page.title = title_of(figure);
  page.description = figure.line;
  page.metadata = figure.provenance;
  SvgCanvas canvas(page, theme_of(figure), tiles);
  draw(canvas, figure);
  return canvas.finish();
}

Result<std::string> pdf_of(const Figure& figure, TileSource& tiles) {
  load_fonts();
  QBuffer buffer;
  buffer.open(QIODevice::WriteOnly);
  {
    const double mm = figure.page.width_mm > 0 ? figure.page.width_mm / figure.page.width : mm_per_px;  // per pixel
    QPdfWriter writer(&buffer);
    writer.setResolution(pdf_dpi);
    writer.setPageSize(
        QPageSize(QSizeF(figure.page.width * mm * points_per_mm, figure.page.height * mm * points_per_mm),
                  QPageSize::Point, QString(), QPageSize::ExactMatch));
    writer.setPageMargins(QMarginsF());
    writer.setTitle(qstring(title_of(figure)));
    writer.setCreator(QStringLiteral("Cutaway " CUTAWAY_VERSION));
    writer.setDocumentXmpMetadata(xmp_of(figure));
    QPainter painter;
    if (!painter.begin(&writer)) return machine_error("the PDF can't be begun");
    painter.setRenderHints(QPainter::Antialiasing | QPainter::LosslessImageRendering);
    painter.scale(mm / 25.4 * pdf_dpi, mm / 25.4 * pdf_dpi);
    QPainterCanvas canvas(painter, page_area(figure), theme_of(figure), tiles, nullptr, true);
    if (!figure.options.transparent) canvas.fill(canvas.area(), canvas.theme().canvas);
    draw(canvas, figure);
    painter.end();
  }
  return buffer.data().toStdString();
}

Result<std::string> png_of(const Figure& figure, TileSource& tiles) {
  load_fonts();
  const double scale = figure.page.scale;
  const double width = std::round(figure.page.width * scale), height = std::round(figure.page.height * scale);
  if (width * height > most_pixels || width > 32767 || height > 32767)
    return error("the image would have {:.0f} x {:.0f} pixels; 32767 a side and {:.0f} million in all are the most",
                 width, height, most_pixels / 1e6);
  QImage image(static_cast<int>(width), static_cast<int>(height), QImage::Format_ARGB32_Premultiplied);
  if (image.isNull())
    return machine_error("an image of {:.0f} x {:.0f} pixels does not fit into memory", width, height);
  image.fill(figure.options.transparent ? QColor(Qt::transparent) : qcolor(theme_of(figure).canvas));
  QPainter painter(&image);
  painter.setRenderHints(QPainter::Antialiasing | QPainter::TextAntialiasing);
  painter.scale(width / figure.page.width, height / figure.page.height);
  QPainterCanvas canvas(painter, page_area(figure), theme_of(figure), tiles);
  draw(canvas, figure);
  painter.end();
  const double mm = figure.page.width_mm > 0 ? figure.page.width_mm / figure.page.width : mm_per_px;
  image.setDotsPerMeterX(static_cast<int>(std::lround(1000 * scale / mm)));
  image.setDotsPerMeterY(static_cast<int>(std::lround(1000 * scale / mm)));
  image.setText(QStringLiteral("Description"), qstring(figure.line));
  for (const auto& [key, value] : figure.provenance) image.setText(qstring("cutaway-" + key), qstring(value));
  QBuffer buffer;
  buffer.open(QIODevice::WriteOnly);
  if (!image.save(&buffer, "PNG")) return machine_error("the PNG can't be made");
  return buffer.data().toStdString();
}

}  // namespace cutaway
