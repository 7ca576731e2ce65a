// A model that can run: spec, graph, weights, tokenizer and where they came from. Immutable and shared.
#pragma once

#include <atomic>
#include <functional>

#include "engine/graph.h"
#include "engine/tokenizer.h"
#include "engine/weights.h"

namespace cutaway {

struct Model {
  std::string name;  // "mini-gpt", or the folder's name
  std::string path;  // folder, empty for random weights
  ModelSpec spec;
  std::shared_ptr<const Graph> graph;
  std::shared_ptr<const Weights> weights;      // null for a trace
  std::shared_ptr<const Tokenizer> tokenizer;  // null: ids only
  std::string weights_sha256;                  // first 8 hex digits stand in provenance lines; empty for random weights
  bool random_weights = false;
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
  std::string attention;                // "" or "window:size=64", "mha": a live switch
  std::string mask;                     // "" or a MaskRule text
};

/// Opens a folder in Hugging Face layout (or nanoGPT's names). Every refusal names file, key and both values.
Result<ModelPtr> open_model(const std::string& folder, const OpenOptions&, Progress* progress = nullptr);

}  // namespace cutaway
