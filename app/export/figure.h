// A view as a figure: title above, the view with its legend, where it comes from below; on each canvas that makes a
// file.
#pragma once

#include "app/export/export.h"

namespace cutaway {

struct Figure {
  View& view;
  const Scene& scene;
  const ExportPreset& page;
  const ExportOptions& options;
  const Provenance& provenance;
  const std::string& line;  // the same as one visible line
};

/// What a reader of the file's properties sees: the view says layer and head in its own title.
std::string title_of(const Figure&);
/// The part of the page that the view draws in.
Rect view_area(const Figure&);

Result<std::string> svg_of(const Figure&, TileSource&);
/// Both need a QGuiApplication.
Result<std::string> pdf_of(const Figure&, TileSource&);
Result<std::string> png_of(const Figure&, TileSource&);
/// The numbers behind the picture: a long table, and arrays for NumPy with the provenance as `meta`.
Result<std::string> csv_of(const Figure&, TileSource&);
Result<std::string> npz_of(const Figure&, TileSource&);
/// One page for a browser: the SVG, a readout of each cell under the mouse, the table. No script, no network.
Result<std::string> html_of(const Figure&, TileSource&);

}  // namespace cutaway
