// The numbers behind a picture: CSV and NPZ. Headers are English and the point is the decimal separator, whatever the
// language.
#include "app/export/figure.h"
#include "app/export/npz.h"

namespace cutaway {

namespace {

/// A field of RFC 4180: in quotes where it holds a comma, a quote or an end of line.
std::string csv_field(const std::string& value) {
  if (value.find_first_of(",\"\r\n") == std::string::npos) return value;
  std::string quoted = "\"";
  for (const char c : value) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

std::string json_string(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    if (static_cast<unsigned char>(c) < 0x20)
      quoted += fmt::format("\\u{:04x}", static_cast<int>(c));
    else
      quoted += c;
  }
  return quoted + "\"";
}

}  // namespace

/// The provenance is the last column; only its first row is filled, so that the table stays small and every reader of
/// CSV can read it.
Result<std::string> csv_of(const Figure& figure, TileSource& tiles) {
  Table table = figure.view.table(figure.scene, tiles);
  if (table.rows.empty()) table.rows.emplace_back(table.columns.size());
  std::string file;
  for (const std::string& column : table.columns) file += csv_field(column) + ",";
  file += "provenance\n";
  for (size_t row = 0; row < table.rows.size(); ++row) {
    for (const std::string& value : table.rows[row]) file += csv_field(value) + ",";
    file += row == 0 ? csv_field(figure.line) + "\n" : "\n";
  }
  return file;
}

Result<std::string> npz_of(const Figure& figure, TileSource& tiles) {
  std::string meta = "{";
  for (const auto& [key, value] : figure.provenance)
    meta += fmt::format("{}{}: {}", meta.size() > 1 ? ", " : "", json_string(key), json_string(value));
  std::vector<ZipEntry> entries;
  for (const Array& array : figure.view.arrays(figure.scene, tiles))
    entries.push_back({array.name + ".npy", npy_of(array)});
  entries.push_back({"meta.npy", npy_of_text(meta + "}")});
  return zip_stored(entries);
}

}  // namespace cutaway
