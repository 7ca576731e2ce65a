// A model that can run: spec, graph, weights, tokenizer and where they came from. Immutable and shared.
#pragma once

#include <atomic>
#include <functional>

#include "engine/config.h"
#include "engine/graph.h"
#include "engine/tokenizer.h"
#include "engine/weights.h"

namespace cutaway {

struct Model {
  std::string name;  // "mini-gpt", or the folder's name, or the file's without its ending
  std::string path;  // folder or GGUF file, empty for random weights
  ModelSpec spec;
  std::shared_ptr<const Graph> graph;
  std::shared_ptr<const Weights> weights;      // null for a trace
  std::shared_ptr<const Tokenizer> tokenizer;  // null: ids only
  std::string weights_sha256;                  // first 8 hex digits stand in provenance lines; empty for random weights
  bool random_weights = false;
  std::shared_ptr<const Model> switched_from;  // before a live switch (engine/switch.h); null without one
};
using ModelPtr = std::shared_ptr<const Model>;

/// Reported while something long runs; set `cancelled` from any thread and the work ends with Fault::Ours "cancelled".
struct Progress {
  std::atomic<bool> cancelled{false};
  std::atomic<float> fraction{0};
};

struct OpenOptions {
  std::optional<DType> dtype;           // storage of the weights; nothing: the file's own
  std::optional<uint64_t> random_seed;  // weights at random instead of from the files
  std::string attention;                // "" or "gqa:kv_heads=2", "window:size=64": a live switch
  std::string mask;                     // "" or a MaskRule text
  bool blocks = false;  // without a dtype: matrices of a block type stay as the file has them, for kernels that know
};

/// Opens a folder in Hugging Face layout (or nanoGPT's names) or a GGUF file. Every refusal names file, key and both
/// values.
Result<ModelPtr> open_model(const std::string& path, const OpenOptions&, Progress* progress = nullptr);

/// What open_model reads first, and what it reads last: the config, and the tokenizer (null when there is none).
Result<Config> read_model_config(const std::string& path);
Result<std::shared_ptr<const Tokenizer>> read_model_tokenizer(const std::string& path);

}  // namespace cutaway
