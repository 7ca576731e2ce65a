// From a folder to a model: config.json, graph, weights, tokenizer, and the live switches of OpenOptions.
#include "engine/model.h"

#include <unistd.h>

#include <algorithm>
#include <new>

#include "engine/files/bounded_reader.h"
#include "engine/files/json_text.h"
#include "engine/files/tensor_files.h"
#include "engine/gguf_model.h"
#include "engine/switch.h"
#include "engine/tokenizers/gguf_tokenizer.h"
#include "engine/tokenizers/old_files.h"

namespace cutaway {
namespace {

constexpr uint64_t max_hashed_bytes = 1 << 30;  // a larger checkpoint opens without a fingerprint rather than slowly

using FilesPtr = std::shared_ptr<const TensorFiles>;
using TokenizerPtr = std::shared_ptr<const Tokenizer>;

std::string trimmed(std::string folder) {
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  return folder;
}

Result<const Architecture*> architecture_of(const Config& config) {
  const Result<std::string> type = config.text("model_type", {});
  std::vector<std::string_view> known;
  for (const Architecture& one : architectures())
    known.insert(known.end(), one.model_types.begin(), one.model_types.end());
  if (!config.has("model_type"))
    return error("{}: model_type is missing; known are {}", config.file(), fmt::join(known, ", "));
  if (!type) return type.error();
  if (const Architecture* found = architecture_for(*type)) return found;
  return error("{}: model_type is \"{}\"; known are {}", config.file(), *type, fmt::join(known, ", "));
}

/// The folder of the pooling module as modules.json says, "1_Pooling" where it stands without, or nothing.
Result<std::optional<std::string>> pooling_folder(const std::string& folder) {
  const std::string list = folder + "/modules.json";
  if (!is_file(list))
    return is_file(folder + "/1_Pooling/config.json") ? std::optional<std::string>("1_Pooling") : std::nullopt;
  const Result<std::string> text = read_text_file(list, 1 << 20);
  if (!text) return text.error();
  const Result<nlohmann::json> modules = parse_json("modules.json", *text, 8);
  if (!modules) return modules.error();
  if (!modules->is_array()) return error("modules.json holds {}; a list is needed", modules->type_name());
  for (const nlohmann::json& module : *modules) {
    const auto type = module.is_object() ? module.find("type") : module.end();
    if (type == module.end() || !type->is_string()) return error("modules.json: a module has no type");
    if (!type->get<std::string>().ends_with("Pooling")) continue;
    const auto path = module.find("path");
    if (path == module.end() || !path->is_string()) return error("modules.json: the pooling module has no path");
    const std::string name = path->get<std::string>();
    if (name.empty() || name.find_first_of("/\\:") != std::string::npos || name.starts_with("."))
      return error("modules.json: the pooling module's path is \"{}\"; only names inside the folder are read", name);
    return std::optional<std::string>(name);
  }
  return std::optional<std::string>();
}

/// A sentence encoder's folder says how tokens become one vector.
Result<void> read_pooling(const std::string& folder, ModelSpec& spec) {
  const auto name = pooling_folder(folder);
  if (!name) return name.error();
  if (!*name) return {};
  const Result<Config> config = Config::read(fmt::format("{}/{}/config.json", folder, **name));
  if (!config) return config.error();
  const Result<bool> mean = config->boolean("pooling_mode_mean_tokens", false);
  if (!mean) return mean.error();
  if (!*mean)
    return error("{}/{}: pooling_mode_mean_tokens is false; other poolings are not read", **name, config->file());
  spec.pooling = Pooling::Mean;
  spec.has_head = false;
  spec.objective = Objective::Embedding;
  return {};
}

Result<void> apply(const OpenOptions& options, ModelSpec& spec) {
  if (!options.mask.empty()) {
    const Result<MaskRule> rule = MaskRule::parse(options.mask);
    if (!rule) return rule.error();
    const size_t own = spec.encoder_decoder() ? 1 : spec.masks.size();  // the first is the decoder's on itself
    for (size_t slot = 0; slot < own; ++slot) spec.masks[slot] = *rule;
  }
  for (const LayerSpec& layer : spec.layers)
    if (auto ok = check_attention(layer.attention); !ok) return ok;
  return {};
}

/// Rows of the token embedding win over vocab_size: checkpoints pad it, and only there (spec/dense.md 12.3).
void adopt_vocabulary(const TensorFiles& files, const Architecture& architecture, ModelSpec& spec) {
  const Graph graph = build_graph(spec);
  for (const Node& node : graph.nodes) {
    if (node.op != Op::embedding || graph[node.inputs[0]].op != Op::tokens) continue;
    const TensorSchema& table = graph.schema[static_cast<size_t>(node.weights[0])];
    for (const std::string& name : source_in(files, architecture, spec, table.name).names) {
      const FileTensor* have = files.find(name);
      if (!have || have->shape.size() != 2 || have->shape[1] != table.shape[1] || have->shape[0] < 1) continue;
      if (have->shape[0] == spec.vocab_size) return;
      spec.vocab_size = have->shape[0];
      std::erase_if(spec.said, [](const auto& key) { return key.first == "vocab_size"; });
      return;
    }
  }
}

Result<void> check_memory(const std::string& name, size_t bytes) {
  const uint64_t have =
      static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  if (bytes <= have) return {};
  return machine_error("the weights of {} take {} bytes; this machine has {} bytes of memory", name, bytes, have);
}

/// Fills in what comes from the weight files, or at random.
Result<void> add_weights(const OpenOptions& options, const Architecture& architecture, const FilesPtr& gguf,
                         Model& model) {
  if (options.random_seed) {
    model.graph = std::make_shared<const Graph>(build_graph(model.spec));
    model.weights = random_weights(*model.graph, *options.random_seed, options.dtype.value_or(DType::F32));
    model.random_weights = true;
    return check_memory(model.name, model.weights->bytes());
  }
  auto files = gguf ? Result<FilesPtr>(gguf) : TensorFiles::open_folder(model.path);
  if (!files) return files.error();
  const auto file_has = [&](const std::string& name) {
    return (*files)->find(gguf ? gguf_name(*gguf->gguf(), name) : name) != nullptr;
  };
  const bool sentence_encoder = model.spec.pooling == Pooling::Mean;
  if (architecture.adapt && !sentence_encoder) architecture.adapt(model.spec, file_has);
  adopt_vocabulary(**files, architecture, model.spec);
  model.graph = std::make_shared<const Graph>(build_graph(model.spec));
  auto weights = bind_weights(*files, architecture, model.spec, *model.graph, options.dtype, options.blocks);
  if (!weights) return weights.error();
  model.weights = std::move(*weights);
  if (auto ok = check_memory(model.name, model.weights->bytes()); !ok) return ok;
  if ((*files)->bytes() <= max_hashed_bytes) model.weights_sha256 = (*files)->sha256();
  return {};
}

/// A GGUF file says how token vectors become one as well: 1 the mean, 2 the first.
Result<void> read_gguf_pooling(const Gguf& gguf, ModelSpec& spec) {
  const auto type = gguf.integer(fmt::format("{}.pooling_type", spec.architecture), 0);
  if (!type) return type.error();
  if (*type != 1 || spec.objective == Objective::CausalLm) return {};
  spec.pooling = Pooling::Mean;
  spec.has_head = false;
  spec.objective = Objective::Embedding;
  return {};
}

/// Opens the file that is the whole model, or checks that there is a folder: null.
Result<FilesPtr> open_gguf(const std::string& path) {
  if (is_file(path)) {
    auto files = TensorFiles::open_file(path);
    if (files && !(*files)->gguf())
      return error("{} is no GGUF file; a folder with config.json and *.safetensors, or a GGUF file, is a model", path);
    return files;
  }
  if (!is_folder(path)) return error("{} is not a folder with a model", path);
  if (!is_file(path + "/config.json")) return error("{} has no config.json", path);
  return FilesPtr();
}

Result<TokenizerPtr> open_tokenizer(const std::string& folder, const FilesPtr& gguf) {
  if (gguf) return read_gguf_tokenizer(*gguf->gguf());
  const std::string file = folder + "/tokenizer.json";
  return is_file(file) ? Tokenizer::read(file) : read_old_tokenizer(folder);
}

Result<Config> open_config(const std::string& folder, const FilesPtr& gguf) {
  return gguf ? gguf_config(*gguf) : Config::read(folder + "/config.json");
}

Result<ModelPtr> open_checked(const std::string& path, const OpenOptions& options, Progress* progress) {
  const auto report = [&](float fraction) {
    if (progress) progress->fraction = fraction;
    return !(progress && progress->cancelled);
  };
  const Error cancelled{"cancelled", Fault::Ours};
  auto model = std::make_shared<Model>();
  model->path = trimmed(path);
  const auto gguf = open_gguf(model->path);
  if (!gguf) return gguf.error();
  model->name = file_name(model->path);
  if (*gguf && model->name.ends_with(".gguf")) model->name.resize(model->name.size() - 5);
  const Result<Config> config = open_config(model->path, *gguf);
  if (!config) return config.error();
  const auto architecture = architecture_of(*config);
  if (!architecture) return architecture.error();
  Result<ModelSpec> spec = (*architecture)->read_config(*config);
  if (!spec) return spec.error();
  model->spec = std::move(*spec);
  model->spec.name = model->name;
  auto ok = *gguf ? read_gguf_pooling(*(*gguf)->gguf(), model->spec) : read_pooling(model->path, model->spec);
  if (!ok) return ok.error();
  if (ok = apply(options, model->spec); !ok) return ok.error();
  if (!report(0.1f)) return cancelled;
  if (ok = add_weights(options, **architecture, *gguf, *model); !ok) return ok.error();
  if (!report(0.6f)) return cancelled;
  auto tokenizer = open_tokenizer(model->path, *gguf);
  if (!tokenizer) return tokenizer.error();
  model->tokenizer = std::move(*tokenizer);
  if (model->tokenizer && model->spec.eos_id < 0) model->spec.eos_id = model->tokenizer->specials().eos;
  if (!report(1)) return cancelled;
  const bool overruled = options.attention.starts_with("window") && !options.mask.empty();  // a mask says more
  if (options.attention.empty() || overruled) return ModelPtr(model);
  return switch_attention(model, options.attention);
}

}  // namespace

Result<ModelPtr> open_model(const std::string& path, const OpenOptions& options, Progress* progress) {
  try {
    return open_checked(path, options, progress);
  } catch (const std::bad_alloc&) {
    return machine_error("{}: not enough memory to open it", path);
  }
}

Result<Config> read_model_config(const std::string& path) {
  const auto gguf = open_gguf(trimmed(path));
  if (!gguf) return gguf.error();
  return open_config(path, *gguf);
}

Result<TokenizerPtr> read_model_tokenizer(const std::string& path) {
  const auto gguf = open_gguf(trimmed(path));
  if (!gguf) return gguf.error();
  return open_tokenizer(path, *gguf);
}

}  // namespace cutaway
