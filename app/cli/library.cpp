#include "app/cli/library.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "app/assets.h"
#include "app/device.h"
#include "engine/architecture.h"
#include "engine/files/bounded_reader.h"
#include "gpu/vulkan_backend.h"

namespace cutaway {

namespace {

constexpr std::string_view undisclosed = "undisclosed";  // model_type of a blueprint that is only a name

Result<LibraryEntry> find(const std::string& model) {
  for (LibraryEntry& entry : library())
    if (entry.name == model) return entry;
  if (is_folder(model)) return LibraryEntry{model, model, false};
  if (is_file(model) && model.ends_with(".gguf")) return LibraryEntry{model, model, false};
  if (is_file(model))
    return error("{} is a file; a model is a folder with config.json and *.safetensors, or a .gguf file", model);
  return error("MODEL is \"{}\"; that is no name of `cutaway list` and no folder", model);
}

/// Bytes that can be had without swapping; 0 when the system doesn't say.
double free_memory_bytes() {
  std::ifstream file("/proc/meminfo");
  for (std::string key, rest; file >> key && std::getline(file, rest);)
    if (key == "MemAvailable:") return std::stod(rest) * 1024;
  return 0;
}

Result<void> check_memory(const Graph& graph, const std::string& name, const OpenOptions& options) {
  const double bytes =
      static_cast<double>(graph.parameters()) * static_cast<double>(bytes_of(options.dtype.value_or(DType::F32)));
  const double free_bytes = free_memory_bytes();
  if (free_bytes > 0 && bytes > free_bytes)
    return machine_error("{}: the weights take {:.1f} GiB; this machine has {:.1f} GiB free", name, bytes / (1 << 30),
                         free_bytes / (1 << 30));
  return {};
}

bool has_weights(const std::string& folder) {
  if (is_file(folder)) return true;  // a GGUF file
  std::error_code failed;
  for (const auto& one : std::filesystem::directory_iterator(folder, failed))
    if (one.path().extension() == ".safetensors") return true;
  return false;
}

Result<ModelShape> shape_of_config(const LibraryEntry& entry) {
  const Result<Config> config = read_model_config(entry.folder);
  if (!config) return config.error();
  const Result<std::string> type = config->text("model_type", std::nullopt);
  if (!type) return type.error();
  const Result<std::string> source = entry.blueprint ? config->text("source", "") : Result<std::string>("");
  if (!source) return source.error();
  if (entry.blueprint && *type == undisclosed)
    return error("{}: shape and size are undisclosed, nothing can be computed. {}", entry.name, *source);
  const Architecture* architecture = architecture_for(*type);
  if (!architecture) return error("{}: model_type is \"{}\", which is not known", config->file(), *type);
  Result<ModelSpec> spec = architecture->read_config(*config);
  if (!spec) return spec.error();
  spec->name = entry.name;
  if (is_file(entry.folder + "/1_Pooling/config.json")) {  // a sentence encoder: the body and a mean
    spec->pooling = Pooling::Mean;
    spec->has_head = false;
    spec->objective = Objective::Embedding;
  }
  ModelShape shape{*spec, std::make_shared<const Graph>(build_graph(*spec)), std::nullopt, std::nullopt, *source};
  if (!entry.blueprint || !config->has("published_parameters")) return shape;
  const Result<int64_t> published = config->integer("published_parameters", std::nullopt, 1, int64_t{1} << 50);
  if (!published) return published.error();
  shape.published_parameters = *published;
  return shape;
}

/// Whether this machine has a graphics card at all, told by its device nodes: asking Vulkan wakes the software
/// renderer, which costs 150 ms and 45 MiB where there is none.
bool card_may_be_there() {
  std::error_code failed;
  for (const auto& node : std::filesystem::directory_iterator("/dev", failed)) {
    const std::string name = node.path().filename().string();
    if (name == "dri" || name == "dxg" || name.starts_with("nvidia")) return true;
  }
  return false;
}

}  // namespace

std::vector<LibraryEntry> library() {
  std::vector<LibraryEntry> entries;
  for (const std::string& name : bundled_models()) entries.push_back({name, asset("models/" + name), false});
  std::vector<LibraryEntry> shapes;
  std::error_code failed;
  for (const auto& one : std::filesystem::directory_iterator(asset("blueprints"), failed))
    if (is_file((one.path() / "config.json").string()))
      shapes.push_back({one.path().filename().string(), one.path().string(), true});
  std::ranges::sort(shapes, {}, &LibraryEntry::name);
  entries.insert(entries.end(), shapes.begin(), shapes.end());
  return entries;
}

bool is_undisclosed(const LibraryEntry& entry) {
  if (!entry.blueprint) return false;
  const Result<Config> config = read_model_config(entry.folder);
  return config && config->text("model_type", "") && *config->text("model_type", "") == undisclosed;
}

Result<ModelShape> read_shape(const std::string& model) {
  const Result<LibraryEntry> entry = find(model);
  if (!entry) return entry.error();
  if (!entry->blueprint && has_weights(entry->folder)) {
    const Result<ModelPtr> opened = open_model(entry->folder, {});
    if (!opened) return opened.error();
    return ModelShape{(*opened)->spec, (*opened)->graph, (*opened)->weights->storage_dtype(), std::nullopt, {}};
  }
  return shape_of_config(*entry);
}

Result<ModelPtr> open_named(const std::string& model, const OpenOptions& options, Progress* progress) {
  const Result<LibraryEntry> entry = find(model);
  if (!entry) return entry.error();
  if (entry->blueprint && !options.random_seed)
    return error("{} is a blueprint, a shape without weights; add --random-weights SEED", model);
  if (options.random_seed) {
    const Result<ModelShape> shape = shape_of_config(*entry);
    if (!shape) return shape.error();
    const Result<void> fits = check_memory(*shape->graph, model, options);
    if (!fits) return fits.error();
  }
  return open_model(entry->folder, options, progress);
}

Result<ModelPtr> open_tokenizer(const std::string& model) {
  const Result<LibraryEntry> entry = find(model);
  if (!entry) return entry.error();
  Result<std::shared_ptr<const Tokenizer>> tokenizer = read_model_tokenizer(entry->folder);
  if (!tokenizer) return tokenizer.error();
  if (!*tokenizer) return error("{} has no tokenizer.json", model);
  const Result<ModelShape> shape = shape_of_config(*entry);
  if (!shape && !is_file(entry->folder)) return shape.error();  // a GGUF vocabulary may be of any architecture
  auto opened = std::make_shared<Model>();
  opened->name = model;
  opened->path = entry->folder;
  opened->spec.vocab_size = (*tokenizer)->size();
  if (shape) opened->spec = shape->spec;
  opened->tokenizer = std::move(*tokenizer);
  return ModelPtr(opened);
}

std::vector<DeviceEntry> devices() {
  std::vector<DeviceEntry> entries = {{"cpu", make_cpu_backend(0)->info().device, true}};
  for (const DeviceFound& device : devices_found())
    if (device.usable) entries.push_back({"vulkan", device.name, !device.is_cpu});
  return entries;
}

Result<std::shared_ptr<Backend>> choose_backend(std::string_view name, int threads) {
  const auto is_card = [](const DeviceFound& device) { return device.usable && !device.is_cpu; };
  if (name == "cuda") return machine_error("--backend is cuda; there is no CUDA back end in this build");
  const bool found = name == "auto" && card_may_be_there() && std::ranges::any_of(devices_found(), is_card);
  if (name == "vulkan" || found) {
    const Result<std::shared_ptr<Device>> device = shared_device();
    if (device) return make_vulkan_backend(*device);
    if (name == "vulkan") return device.error();
  }
  if (name == "auto" || name == "cpu") return make_cpu_backend(threads);
  return error("--backend is \"{}\"; it can be auto, cpu, vulkan or cuda", name);
}

}  // namespace cutaway
