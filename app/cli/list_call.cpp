// cutaway list
#include "app/cli/json.h"
#include "app/cli/library.h"
#include "engine/architecture.h"
#include "widgets/view.h"

namespace cutaway {

namespace {

std::string_view name_of(Objective objective) {
  switch (objective) {
    case Objective::CausalLm:
      return "causal-lm";
    case Objective::MaskedLm:
      return "masked-lm";
    case Objective::Embedding:
      return "embedding";
  }
  return "";
}

Json describe(const LibraryEntry& entry, const ModelShape& shape) {
  const ModelSpec& spec = shape.spec;
  return {{"name", entry.name},
          {"architecture", spec.architecture},
          {"attention", spec.layers.empty() ? "" : spec.layers[0].attention.kind},
          {"params", shape.parameters()},
          {"objective", name_of(spec.objective)},
          {"layers", spec.n_layers()},
          {"heads", spec.layers.empty() ? 0 : spec.layers[0].attention.n_heads},
          {"d_model", spec.d_model},
          {"context", spec.n_ctx},
          {"vocab_size", spec.vocab_size},
          {"folder", entry.folder}};
}

/// A name whose makers say nothing more.
Json undisclosed(const LibraryEntry& entry) {
  return {{"name", entry.name}, {"undisclosed", true}, {"params", nullptr}, {"folder", entry.folder}};
}

Json collect() {
  Json said = {{"models", Json::array()},  {"blueprints", Json::array()}, {"attention", Json::array()},
               {"routing", Json::array()}, {"views", Json::array()},      {"backends", Json::array()},
               {"devices", Json::array()}};
  for (const LibraryEntry& entry : library())
    if (const Result<ModelShape> shape = read_shape(entry.name))
      said[entry.blueprint ? "blueprints" : "models"].push_back(describe(entry, *shape));
    else if (is_undisclosed(entry))
      said["blueprints"].push_back(undisclosed(entry));
  for (const AttentionKind& kind : attention_kinds()) said["attention"].push_back(kind.name);
  for (const ViewKind& view : view_kinds()) said["views"].push_back(view.id);
  for (const DeviceEntry& device : devices()) {
    if (said["backends"].empty() || said["backends"].back() != device.backend)
      said["backends"].push_back(device.backend);
    said["devices"].push_back({{"backend", device.backend}, {"name", device.name}, {"hardware", device.hardware}});
  }
  return said;
}

std::string names(const Json& list) {
  std::string text;
  for (const Json& name : list) text += (text.empty() ? "" : ", ") + name.get<std::string>();
  return text.empty() ? "none" : text;
}

std::string as_text(const Json& said) {
  std::string text;
  for (const char* what : {"models", "blueprints"}) {
    text += fmt::format("{}\n", what);
    for (const Json& one : said[what]) {
      const auto name = one["name"].get<std::string>();
      if (one.contains("undisclosed")) {
        text += fmt::format("  {:<18} undisclosed\n", name);
        continue;
      }
      text += fmt::format("  {:<18} {:<11} {:<5} {:>9.1f} M  context {:<6} {}\n", name,
                          one["architecture"].get<std::string>(), one["attention"].get<std::string>(),
                          one["params"].get<double>() / 1e6, one["context"].get<int64_t>(),
                          one["objective"].get<std::string>());
    }
  }
  for (const char* what : {"attention", "routing", "views", "backends"})
    text += fmt::format("{:<10} {}\n", what, names(said[what]));
  for (const Json& device : said["devices"])
    text += fmt::format("{:<10} {}: {}\n", "device", device["backend"].get<std::string>(),
                        device["name"].get<std::string>());
  return text;
}

}  // namespace

Result<void> list_call(const Words& words) {
  bool json = false;
  Arguments arguments("list", "Models bundled, blueprints, attention kinds, views, back ends and devices found.");
  arguments.flag("--json", json, "Prints one JSON object");
  const Result<bool> go_on = arguments.read(words);
  if (!go_on) return go_on.error();
  if (!*go_on) return {};
  const Json said = collect();
  return json ? print(said) : print(as_text(said));
}

}  // namespace cutaway
