// cutaway footprint: bytes by law (spec dense.md 7.1), from the graph alone; no weights are read.
#include "app/cli/json.h"
#include "app/cli/library.h"
#include "engine/footprint.h"
#include "engine/paged.h"
#include "widgets/words.h"

namespace cutaway {

namespace {

Result<const Storage*> storage_of(const std::string& option, const std::string& name) {
  std::string known;
  for (const Storage& storage : storages()) known += fmt::format("{}{}", known.empty() ? "" : ", ", storage.name);
  if (const Storage* storage = storage_named(name)) return storage;
  return error("{} is \"{}\"; it can be one of {}", option, name, known);
}

/// Without --dtype: what this program would take, weights as they are stored and the cache in fp32.
std::string own_dtype(const ModelShape& shape) {
  return shape.stored == DType::F16 ? "fp16" : shape.stored == DType::BF16 ? "bf16" : "fp32";
}

struct FootprintCall {
  std::string model;
  Given context, source, batch, dtype, cache_dtype;
  bool json = false;
};

/// Memory of graphics cards that people have, in GiB as their makers print it.
constexpr int cards_gib[] = {8, 12, 16, 24, 40, 48, 80, 141};
constexpr double most_bytes = 9e18;  // what a JSON integer holds

struct Answer {
  FootprintCall call;
  ModelShape shape;
  Lengths lengths;
  int64_t batch = 1;
  const Storage *weights = nullptr, *cache = nullptr;
  Footprint sum;

  FootprintOptions options() const { return {batch, cache}; }
  double weights_bytes() const { return static_cast<double>(shape.parameters()) * weights->bytes(); }
  double total() const { return weights_bytes() + sum.used; }
  bool beyond() const { return lengths.tokens > shape.spec.n_ctx; }
};

Result<Answer> answer(const FootprintCall& call) {
  Answer made;
  made.call = call;
  Result<ModelShape> shape = read_shape(call.model);
  if (!shape) return shape.error();
  made.shape = std::move(*shape);
  const Result<int64_t> context = whole("--context", call.context, made.shape.spec.n_ctx, 1, 1 << 30);
  if (!context) return context.error();
  const Result<int64_t> source = whole("--source", call.source, *context, 1, 1 << 30);
  if (!source) return source.error();
  const Result<int64_t> batch = whole("--batch", call.batch, 1, 1, 1 << 20);
  if (!batch) return batch.error();
  made.lengths = {*context, *source}, made.batch = *batch;
  const Result<const Storage*> weights = storage_of("--dtype", call.dtype.value_or(own_dtype(made.shape)));
  if (!weights) return weights.error();
  const Result<const Storage*> cache =
      storage_of("--cache-dtype", call.cache_dtype.value_or(call.dtype.value_or("fp32")));
  if (!cache) return cache.error();
  made.weights = *weights, made.cache = *cache;
  made.sum = footprint(*made.shape.graph, made.lengths, made.options());
  if (made.total() > most_bytes)
    return error("--context is {} and --batch is {}: together {:.3g} bytes, more than {:.3g}", *context, *batch,
                 made.total(), most_bytes);
  return made;
}

Json whole_bytes(double bytes) { return static_cast<int64_t>(bytes + 0.5); }

/// One sentence for a cache that can't be stored as asked; empty when it can.
std::string stand_in(const Answer& a) {
  if (!a.sum.stands_in) return "";
  const Node& node = (*a.shape.graph)[*a.sum.stands_in];
  return fmt::format("{}: heads are {} wide; {} stores blocks of {}, so such caches are counted in fp16", node.path,
                     node.params.head_dim, a.cache->name, a.cache->block);
}

Json as_json(const Answer& a) {
  Json cards = Json::array();
  for (const int gib : cards_gib) {
    const double bytes = static_cast<double>(gib) * (1 << 30);
    const auto longest = longest_text(*a.shape.graph, a.options(), bytes - a.weights_bytes());
    cards.push_back(
        {{"gib", gib}, {"fits", a.total() <= bytes}, {"longest_context", longest ? Json(*longest) : Json()}});
  }
  Json said{{"model", a.call.model},
            {"context", a.lengths.tokens},
            {"batch", a.batch},
            {"dtype", a.weights->name},
            {"cache_dtype", a.cache->name},
            {"parameters", a.shape.parameters()},
            {"parameters_are", a.shape.published_parameters ? "published" : "counted"},
            {"weights_bytes", whole_bytes(a.weights_bytes())},
            {"cache_bytes", whole_bytes(a.sum.used)},
            {"cache_allocated_bytes", whole_bytes(a.sum.allocated)},
            {"state_bytes", 0},
            {"bytes_per_token", whole_bytes(a.sum.per_token)},
            {"bytes_per_token_beyond_windows", whole_bytes(a.sum.per_token_beyond)},
            {"bytes_per_source_token", whole_bytes(a.sum.per_source_token)},
            {"total_bytes", whole_bytes(a.total())},
            {"model_context", a.shape.spec.n_ctx},
            {"beyond_model_context", a.beyond()},
            {"cards", cards},
            {"provenance", "computed by law"}};
  if (const std::string note = stand_in(a); !note.empty()) said["note"] = note;
  if (a.sum.per_source_token > 0) said["source_context"] = a.lengths.source;
  if (!a.shape.source.empty()) said["source"] = a.shape.source;
  return said;
}

/// How much of each card it takes, or that it doesn't fit; and how long a text the card could hold.
std::string say_cards(const Answer& a) {
  std::string text = "card         filled   longest context\n";
  for (const int gib : cards_gib) {
    const double bytes = static_cast<double>(gib) * (1 << 30), filled = 100 * a.total() / bytes;
    const auto longest = longest_text(*a.shape.graph, a.options(), bytes - a.weights_bytes());
    const std::string share = filled > 100 ? "too small" : fmt::format("{:.1f} %", filled);
    text += fmt::format("{:>3} GiB  {:>10}   {}\n", gib, share,
                        !longest        ? "any"
                        : *longest == 0 ? "none: the weights alone are larger"
                                        : say_integer(*longest));
  }
  return text;
}

std::string per_token(const Answer& a) {
  std::string text = say_bytes(a.sum.per_token) + " per token";
  if (a.sum.per_token_beyond != a.sum.per_token)
    text += fmt::format(", {} beyond the window", say_bytes(a.sum.per_token_beyond));
  if (a.sum.per_source_token > 0)
    text += fmt::format(", {} per token of the source", say_bytes(a.sum.per_source_token));
  return text;
}

std::string as_text(const Answer& a) {
  const auto row = [](std::string_view what, double bytes, const std::string& note) {
    return fmt::format("{:<10} {:>14}  {:>20.0f} B   {}\n", what, say_bytes(bytes), bytes, note);
  };
  const std::string source = a.sum.per_source_token > 0 ? fmt::format(" and {} of source", a.lengths.source) : "";
  std::string text =
      fmt::format("{}, {} tokens{} x {} (computed by law)\n", a.call.model, a.lengths.tokens, source, a.batch);
  text += row("weights", a.weights_bytes(),
              fmt::format("{} parameters{} in {}", a.shape.parameters(),
                          a.shape.published_parameters ? " as published," : "", a.weights->name));
  text += row("cache", a.sum.used, fmt::format("{}, in {}", per_token(a), a.cache->name));
  text += row("in pages", a.sum.allocated, fmt::format("the same in whole pages of {} tokens", page_rows));
  text += row("state", 0, "no recurrent state");
  text += row("together", a.total(), "weights and cache") + say_cards(a);
  if (const std::string note = stand_in(a); !note.empty()) text += note + "\n";
  if (a.beyond())
    text += fmt::format("{} was made for at most {} tokens; the bytes are the law's all the same\n", a.call.model,
                        a.shape.spec.n_ctx);
  if (!a.shape.source.empty()) text += a.shape.source + "\n";
  return text;
}

Result<void> run(const FootprintCall& call) {
  const Result<Answer> made = answer(call);
  if (!made) return made.error();
  return call.json ? print(as_json(*made)) : print(as_text(*made));
}

}  // namespace

Result<void> footprint_call(const Words& words) {
  FootprintCall call;
  Arguments arguments("footprint", "Bytes of weights, cache and state at a context length, computed by law.");
  arguments.positional("MODEL", call.model, "A name of `cutaway list`, blueprints too, or a folder with config.json")
      .option("--context", call.context, "N", "Tokens; what the model was made for when absent")
      .option("--source", call.source, "N", "Encoder-decoder: tokens of the source; as many as --context when absent")
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
