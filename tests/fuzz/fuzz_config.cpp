// Any bytes as a config.json: every architecture reads it or refuses it; what it accepts makes a graph.
#include <cstdlib>

#include "engine/architecture.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cutaway;
  const auto config = Config::parse("config.json", {reinterpret_cast<const char*>(data), size});
  if (!config) {
    if (!config.error().text.starts_with("config.json")) std::abort();
    return 0;
  }
  for (const Architecture& architecture : architectures()) {
    const auto spec = architecture.read_config(*config);
    if (!spec || spec->n_layers() > 16 || spec->encoder_layers.size() > 16) continue;
    bool possible = true;
    for (const LayerSpec& layer : spec->layers) possible = possible && check_attention(layer.attention);
    if (!possible) continue;
    const Graph graph = build_graph(*spec);
    for (const TensorSchema& need : graph.schema)
      if (architecture.source(*spec, need.name).names.empty()) std::abort();
    if (graph.parameters() <= 0) std::abort();
  }
  return 0;
}
