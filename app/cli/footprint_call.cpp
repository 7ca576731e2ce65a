// cutaway footprint: bytes by law (spec dense.md 7.1), from the graph alone; no weights are read.
#include "app/cli/json.h"
#include "app/cli/library.h"
#include "widgets/words.h"

namespace cutaway {

namespace {

/// A way to store an element. Quantised types take whole blocks of 32 with their scale.
struct Storage {
  std::string_view name;
  double bytes = 0;   // per element
  int64_t block = 1;  // elements that share a scale
};
constexpr Storage storages[] = {{"fp32", 4},           {"fp16", 2}, {"bf16", 2}, {"fp8", 1}, {"q8_0", 34. / 32, 32},
                                {"q4_0", 18. / 32, 32}};

Result<Storage> storage_named(const std::string& option, const std::string& name) {
  for (const Storage& storage : storages)
    if (storage.name == name) return storage;
  return error("{} is \"{}\"; it can be fp32, fp16, bf16, fp8, q8_0 or q4_0", option, name);
}

struct Footprint {
  double weights_bytes = 0, cache_bytes = 0, state_bytes = 0, bytes_per_token = 0;
  int64_t parameters = 0;
};

/// Keys and values of every layer: the cached entries' growth laws times the width of an element. fp8 keeps one fp32
/// scale per layer, head and key or value.
Result<Footprint> footprint(const Graph& graph, int64_t context, int64_t batch, const Storage& weights,
                            const Storage& cache) {
  Footprint sum;
  sum.parameters = graph.parameters();
  sum.weights_bytes = static_cast<double>(sum.parameters) * weights.bytes;
  double scales_bytes = 0;
  for (const Node& node : graph.nodes) {
    if (node.op != Op::cache) continue;
    const int64_t heads = node.params.heads, width = node.params.head_dim;
    if (width % cache.block != 0)
      return error("{}: head width is {}; {} stores blocks of {}, so a multiple of {} is needed", node.path, width,
                   cache.name, cache.block, cache.block);
    const double token = static_cast<double>(heads * width) * cache.bytes;
    sum.bytes_per_token += token;
    sum.cache_bytes += token * static_cast<double>(context * batch);
    if (cache.name == "fp8") scales_bytes += static_cast<double>(heads) * 4;
  }
  sum.cache_bytes += scales_bytes * static_cast<double>(batch);
  return sum;
}

Json whole_bytes(double bytes) { return static_cast<int64_t>(bytes + 0.5); }

/// Without --dtype: what this program would take, weights as they are stored and the cache in fp32.
std::string own_dtype(const ModelShape& shape) {
  return shape.stored == DType::F16 ? "fp16" : shape.stored == DType::BF16 ? "bf16" : "fp32";
}

struct FootprintCall {
  std::string model;
  Given context, batch, dtype, cache_dtype;
  bool json = false;
};

Result<void> run(const FootprintCall& call) {
  const Result<ModelShape> shape = read_shape(call.model);
  if (!shape) return shape.error();
  const int64_t n_ctx = shape->spec.n_ctx;
  const Result<int64_t> context = whole("--context", call.context, n_ctx, 1, 1 << 30);
  if (!context) return context.error();
  const Result<int64_t> batch = whole("--batch", call.batch, 1, 1, 1 << 20);
  if (!batch) return batch.error();
  const Result<Storage> weights = storage_named("--dtype", call.dtype.value_or(own_dtype(*shape)));
  if (!weights) return weights.error();
  const Result<Storage> cache = storage_named("--cache-dtype", call.cache_dtype.value_or(call.dtype.value_or("fp32")));
  if (!cache) return cache.error();
  const Result<Footprint> sum = footprint(*shape->graph, *context, *batch, *weights, *cache);
  if (!sum) return sum.error();
  const bool beyond = *context > n_ctx;
  if (call.json)
    return print(Json{{"model", call.model},
                      {"context", *context},
                      {"batch", *batch},
                      {"dtype", weights->name},
                      {"cache_dtype", cache->name},
                      {"parameters", sum->parameters},
                      {"weights_bytes", whole_bytes(sum->weights_bytes)},
                      {"cache_bytes", whole_bytes(sum->cache_bytes)},
                      {"state_bytes", whole_bytes(sum->state_bytes)},
                      {"bytes_per_token", whole_bytes(sum->bytes_per_token)},
                      {"total_bytes", whole_bytes(sum->weights_bytes + sum->cache_bytes + sum->state_bytes)},
                      {"model_context", n_ctx},
                      {"beyond_model_context", beyond},
                      {"provenance", "computed by law"}});
  const auto row = [](std::string_view what, double bytes, const std::string& note) {
    return fmt::format("{:<10} {:>14}  {:>20.0f} B   {}\n", what, say_bytes(bytes), bytes, note);
  };
  std::string text = fmt::format("{}, {} tokens x {} (computed by law)\n", call.model, *context, *batch);
  text += row("weights", sum->weights_bytes, fmt::format("{} parameters in {}", sum->parameters, weights->name));
  text +=
      row("cache", sum->cache_bytes, fmt::format("{} per token, in {}", say_bytes(sum->bytes_per_token), cache->name));
  text += row("state", sum->state_bytes, "no recurrent state");
  text += row("together", sum->weights_bytes + sum->cache_bytes + sum->state_bytes, "");
  if (beyond)
    text += fmt::format("{} was made for at most {} tokens; the bytes are the law's all the same\n", call.model, n_ctx);
  return print(text);
}

}  // namespace

Result<void> footprint_call(const Words& words) {
  FootprintCall call;
  Arguments arguments("footprint", "Bytes of weights, cache and state at a context length, computed by law.");
  arguments.positional("MODEL", call.model, "A name of `cutaway list`, blueprints too, or a folder with config.json")
      .option("--context", call.context, "N", "Tokens; what the model was made for when absent")
      .option("--batch", call.batch, "B", "Sequences, each of that length")
      .option("--dtype", call.dtype, "TYPE",
              "Of weights and cache: fp32, fp16, bf16, fp8, q8_0 or q4_0; as this program keeps them when absent")
      .option("--cache-dtype", call.cache_dtype, "TYPE", "Of the cache alone")
      .flag("--json", call.json, "Prints one JSON object");
  const Result<bool> go_on = arguments.read(words);
  if (!go_on) return go_on.error();
  return *go_on ? run(call) : Result<void>();
}

}  // namespace cutaway
