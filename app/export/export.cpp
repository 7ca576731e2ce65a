#include "app/export/export.h"

#include <algorithm>
#include <filesystem>

#include "app/export/figure.h"
#include "engine/files/atomic_file.h"

namespace cutaway {

namespace {

/// A kind of file: one line an entry, in the order of the dialog.
struct Exporter {
  std::string_view ending;
  Result<std::string> (*bytes)(const Figure&, TileSource&);
  bool needs_gui = false;  // a QGuiApplication, for its fonts and painters
};
constexpr Exporter exporters[] = {
    {".svg", svg_of}, {".pdf", pdf_of, true}, {".png", png_of, true},
    {".csv", csv_of}, {".npz", npz_of},       {".html", html_of},
};

const Exporter* exporter_of(std::string_view ending) {
  const auto found = std::ranges::find(exporters, ending, &Exporter::ending);
  return found == std::end(exporters) ? nullptr : &*found;
}

// Views set their smallest text in 11 px; a preset's width makes that the size its medium wants: 7 pt in print, 24 px
// on a slide, 16 px in a post.
constexpr ExportPreset presets[] = {
    {"column", 396, 480, 89, 5.31f},  // 600 dpi
    {"two-columns", 815, 560, 183, 5.31f},
    {"slide", 880, 495, 0, 1920.f / 880},
    {"post", 825, 620, 0, 2400.f / 825},
};
constexpr ExportPreset own_size = {"", 820, 760, 0, 2};

std::string joined(std::span<const std::string_view> names) {
  std::string text;
  for (const std::string_view name : names) text += fmt::format("{}{}", text.empty() ? "" : " ", name);
  return text;
}

/// The line of the figure and the text that the model read.
std::string provenance_text(const Scene& scene, std::string_view view, bool with_text) {
  std::string text = provenance_line(scene, view);
  if (with_text && !scene.step->text.empty()) text += " · text: " + scene.step->text;
  return text;
}

/// Speaks another language for as long as it lives.
class Speaking {
 public:
  explicit Speaking(Language now) : before_(language()) { set_language(now); }
  ~Speaking() { set_language(before_); }

 private:
  Language before_;
};

Result<ExportPreset> page_of(const ExportOptions& options) {
  ExportPreset page = own_size;
  if (!options.preset.empty()) {
    const auto found = std::ranges::find(presets, options.preset, &ExportPreset::name);
    if (found == std::end(presets)) {
      std::string names;
      for (const ExportPreset& preset : presets) names += fmt::format("{}{}", names.empty() ? "" : ", ", preset.name);
      return error("preset is \"{}\"; it can be {}", options.preset, names);
    }
    page = *found;
  }
  if (options.width > 0 && options.height > 0) {
    page.width_mm *= options.width / page.width;
    page.width = options.width, page.height = options.height;
    if (options.preset.empty()) page.scale = 1;  // a size in pixels is the size of the image
  }
  if (options.scale > 0) page.scale = options.scale;
  return page;
}

std::string ending_of(const std::string& file) {
  std::string ending = std::filesystem::path(file).extension().string();
  std::ranges::transform(ending, ending.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return ending;
}

}  // namespace

std::span<const ExportPreset> export_presets() { return presets; }

std::span<const std::string_view> export_endings() {
  static const std::vector<std::string_view> endings = [] {
    std::vector<std::string_view> all;
    for (const Exporter& exporter : exporters) all.push_back(exporter.ending);
    return all;
  }();
  return endings;
}

bool export_needs_gui(const std::string& file) {
  const Exporter* exporter = exporter_of(ending_of(file));
  return exporter && exporter->needs_gui;
}

Result<void> check_export(std::string_view view, const std::string& file) {
  const std::span<const ViewKind> kinds = view_kinds();
  if (std::ranges::find(kinds, view, &ViewKind::id) == kinds.end()) {
    std::vector<std::string_view> names;
    for (const ViewKind& kind : kinds) names.push_back(kind.id);
    return error("view is \"{}\"; it can be {}", view, joined(names));
  }
  const std::string ending = ending_of(file);
  if (!exporter_of(ending))
    return error("\"{}\" ends in \"{}\"; it can end in {}", file, ending, joined(export_endings()));
  std::error_code failed;
  const std::filesystem::path folder = std::filesystem::absolute(file, failed).parent_path();
  if (!std::filesystem::is_directory(folder, failed)) return error("{}: there is no folder {}", file, folder.string());
  if (std::filesystem::is_directory(file, failed)) return error("{}: a folder has that name", file);
  return {};
}

Result<std::string> export_bytes(const SnapshotPtr& step, std::string_view id, const Selection& at,
                                 std::string_view ending, const ExportOptions& options) {
  const std::unique_ptr<View> view = make_view(id);
  if (!view) return error("view is \"{}\", which is not known", id);
  const Speaking speaking(options.language);
  if (const std::string refusal = view->refusal(*step); !refusal.empty()) return error("view {}: {}", id, refusal);
  const Exporter* exporter = exporter_of(ending);
  if (!exporter) return error("the ending \"{}\" can't be written; it can be {}", ending, joined(export_endings()));
  const Result<ExportPreset> page = page_of(options);
  if (!page) return page.error();
  const Scene scene{step, at};
  const Provenance provenance = provenance_of(scene, id, options.with_text);
  const std::string line = provenance_text(scene, id, options.with_text);
  WaitingTiles tiles;
  return exporter->bytes({*view, scene, *page, options, provenance, line}, tiles);
}

Result<void> export_view(const SnapshotPtr& step, std::string_view view, const Selection& at, const std::string& file,
                         const ExportOptions& options) {
  const Result<void> possible = check_export(view, file);
  if (!possible) return possible;
  const Result<std::string> bytes = export_bytes(step, view, at, ending_of(file), options);
  if (!bytes) return bytes.error();
  const Result<void> written = write_file(file, *bytes);
  if (!written && written.error().text.find(file) == std::string::npos)  // the file is a link to what it names
    return Error{fmt::format("{}: {}", file, written.error().text), written.error().fault};
  return written;
}

}  // namespace cutaway
