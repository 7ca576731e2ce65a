// Writes what a view shows to a file: a figure (.svg .pdf .png .html) or its numbers (.csv .npz). The command line and
// the window's dialog both call this. The target appears whole or not at all.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "widgets/view.h"

namespace cutaway {

struct ExportOptions {
  bool dark = false;  // a paper's figure is light
  Language language = Language::English;
  std::string preset;           // a name of export_presets(); "": a figure of 820 x 760
  float width = 0, height = 0;  // logical pixels of the figure; 0: the preset's
  float scale = 0;              // PNG: pixels of the image per logical pixel; 0: the preset's
  bool transparent = false;     // no ground under the figure
  bool with_text = true;        // the prompt stands in the provenance
};

struct ExportPreset {
  std::string_view name;        // "column": one column of a journal
  float width = 0, height = 0;  // logical pixels; text of 11 px is the preset's smallest size in print
  double width_mm = 0;          // 0: for screens
  float scale = 2;              // of a PNG
};
std::span<const ExportPreset> export_presets();
/// Endings that can be written, with the dot, in the order of the dialog.
std::span<const std::string_view> export_endings();
/// Whether that kind of file needs a QGuiApplication.
bool export_needs_gui(const std::string& file);
/// Fails where the ending of the file is none of them, where its folder is missing, or where the view has no such name.
Result<void> check_export(std::string_view view, const std::string& file);

/// What every file carries, in the order of the visible line: program, model, weights, view, layer, head, step, back
/// end, dtype, text … Keys are English.
using Provenance = std::vector<std::pair<std::string, std::string>>;
Provenance provenance_of(const Scene&, std::string_view view, bool with_text = true);
/// "mini-gpt · weights sha256 248dfc39 · L5 H3 · 24 tokens · step 0 · causal mask · cpu · fp16 · Cutaway 0.1.0"
std::string provenance_line(const Scene&, std::string_view view);

/// The ending of `file` chooses the format. See export_needs_gui. Fails naming the view or the file.
Result<void> export_view(const SnapshotPtr&, std::string_view view, const Selection&, const std::string& file,
                         const ExportOptions&);
/// The bytes of such a file, for a preview or the clipboard; `ending` is ".svg".
Result<std::string> export_bytes(const SnapshotPtr&, std::string_view view, const Selection&, std::string_view ending,
                                 const ExportOptions&);

}  // namespace cutaway
