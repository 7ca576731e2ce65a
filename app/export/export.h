// Writes what a view shows to a file: a figure (.svg .pdf .png) or its numbers (.csv .npz). The command line and the
// window's dialog both call this. The target appears whole or not at all.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "widgets/view.h"

namespace cutaway {

struct ExportOptions {
  bool dark = false;              // a paper's figure is light
  Language language = Language::English;
  float width = 0, height = 0;    // logical pixels of the figure; 0: the preset's
  std::string preset;             // "" (the view's own size), "column", "two-columns", "slide", "post"
  float scale = 2;                // PNG: pixels of the image per logical pixel
  bool transparent = false;       // no ground under the figure
  bool with_text = true;          // the prompt stands in the provenance
};

/// Endings that can be written, with the dot, in the order of the dialog.
std::span<const std::string_view> export_endings();
struct ExportPreset {
  std::string_view name;
  float width = 0, height = 0;    // logical pixels
};
std::span<const ExportPreset> export_presets();

/// What every file carries, in the order of the visible line: model, weights, text, layer, head, step, back end, dtype,
/// program. Keys are English.
std::vector<std::pair<std::string, std::string>> provenance_of(const Scene&, std::string_view view, bool with_text = true);
/// "mini-gpt · weights sha256 248dfc39 · L5 H3 · 24 tokens · step 0 · fp16 · cpu · Cutaway 0.1.0"
std::string provenance_line(const Scene&, std::string_view view);

/// The ending of `file` chooses the format. .pdf and .png need a QGuiApplication. Fails naming the view or the file.
Result<void> export_view(const SnapshotPtr&, std::string_view view, const Selection&, const std::string& file,
                         const ExportOptions&);

}  // namespace cutaway
