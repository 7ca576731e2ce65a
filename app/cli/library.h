// What the program finds on this machine: the models and blueprints that ship beside it, and the back ends that run
// them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/backend.h"
#include "engine/model.h"

namespace cutaway {

struct LibraryEntry {
  std::string name;        // "mini-gpt", "gpt2-xl": lower case with hyphens
  std::string folder;      // Hugging Face layout, or a GGUF file; a blueprint holds config.json alone
  bool blueprint = false;  // a shape without weights: runs with random ones only
};
/// Bundled models in the order of bundled_models(), then blueprints by name.
std::vector<LibraryEntry> library();

struct ModelShape {
  ModelSpec spec;
  std::shared_ptr<const Graph> graph;
  std::optional<DType> stored;  // type of the weights in the files; nothing where there are none
  /// What the paper says of a blueprint whose graph doesn't hold all (experts, say); nothing: the graph's own count.
  std::optional<int64_t> published_parameters;
  std::string source;  // a blueprint's: where its figures stand

  int64_t parameters() const { return published_parameters.value_or(graph->parameters()); }
};
/// Whether a blueprint is only a name: its makers have published no shape. read_shape refuses it with the reason.
bool is_undisclosed(const LibraryEntry&);
/// The shape of a bundled model, a blueprint or a folder, for laws: nothing is computed and no weight is read. A folder
/// with weights is checked against them as if it were opened; one with config.json alone is taken at its word.
Result<ModelShape> read_shape(const std::string& model);
/// A bundled name, a blueprint's name (needs options.random_seed) or a folder. Fails with Fault::Machine when the
/// weights need more memory than is free.
Result<ModelPtr> open_named(const std::string& model, const OpenOptions&, Progress* = nullptr);

/// The same without weights and graph: spec and tokenizer alone, for what only reads text.
Result<ModelPtr> open_tokenizer(const std::string& model);

struct DeviceEntry {
  std::string backend;    // "cpu", "vulkan"
  std::string name;       // "AVX-512, 2 threads", "llvmpipe (LLVM 15.0.6, 256 bits)"
  bool hardware = false;  // a real graphics card; a software renderer is not one
};
std::vector<DeviceEntry> devices();
/// "auto", "cpu", "vulkan" or "cuda"; threads 0: all. auto takes vulkan only where the card is real.
Result<std::shared_ptr<Backend>> choose_backend(std::string_view name, int threads);

}  // namespace cutaway
