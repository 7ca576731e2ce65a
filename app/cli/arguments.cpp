#include "app/cli/arguments.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "app/cli/library.h"

namespace cutaway {

struct Arguments::Parser {
  explicit Parser(const std::string& what, const std::string& call) : app(what, "cutaway " + call), call(call) {}
  CLI::App app;
  std::string call, heading = "Options";
};

Arguments::Arguments(const std::string& call, const std::string& what) : parser_(std::make_unique<Parser>(what, call)) {
  parser_->app.set_help_flag("-h,--help", "Says what this call takes");
  parser_->app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::Throw);
}

Arguments::~Arguments() = default;

Arguments& Arguments::flag(const std::string& name, bool& on, const std::string& help) {
  parser_->app.add_flag(name, on, help)->group(parser_->heading);
  return *this;
}

Arguments& Arguments::option(const std::string& name, Given& value, const std::string& shown_as,
                             const std::string& help) {
  parser_->app
      .add_option_function<std::string>(
          name, [&value](const std::string& text) { value = text; }, help)
      ->type_name(shown_as)
      ->group(parser_->heading);
  return *this;
}

Arguments& Arguments::options(const std::string& name, Words& values, const std::string& shown_as,
                              const std::string& help) {
  parser_->app.add_option(name, values, help)
      ->type_name(shown_as)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->group(parser_->heading);
  return *this;
}

Arguments& Arguments::positional(const std::string& shown_as, std::string& value, const std::string& help,
                                 bool required) {
  parser_->app.add_option(shown_as, value, help)->type_name("")->required(required);
  return *this;
}

Arguments& Arguments::group(const std::string& heading) {
  parser_->heading = heading;
  return *this;
}

Result<bool> Arguments::read(const Words& words) {
  Words reversed;  // as CLI11 wants them
  for (auto word = words.rbegin(); word != words.rend(); ++word) {
    // CLI11 takes "--prompt=" for an option whose value comes next; an empty value is meant.
    if (word->size() > 3 && word->starts_with("--") && word->find('=') == word->size() - 1) {
      reversed.emplace_back();
      reversed.push_back(word->substr(0, word->size() - 1));
    } else {
      reversed.push_back(*word);
    }
  }
  try {
    parser_->app.parse(std::move(reversed));
  } catch (const CLI::CallForHelp&) {
    std::fputs(parser_->app.help().c_str(), stdout);
    return false;
  } catch (const CLI::Error& refused) {
    return error("{}: {} (cutaway {} --help)", parser_->call, refused.what(), parser_->call);
  }
  return true;
}

Result<int64_t> whole(const std::string& option, const std::string& text, int64_t low, int64_t high) {
  int64_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size() || value < low || value > high)
    return error("{} is \"{}\"; a whole number from {} to {} is needed", option, text, low, high);
  return value;
}

Result<int64_t> whole(const std::string& option, const Given& text, int64_t absent, int64_t low, int64_t high) {
  return text ? whole(option, *text, low, high) : Result<int64_t>(absent);
}

Result<double> real(const std::string& option, const std::string& text, double low, double high) {
  double value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size() || !(value >= low && value <= high))
    return error("{} is \"{}\"; a number from {} to {} is needed", option, text, low, high);
  return value;
}

Result<DType> weights_dtype(const std::string& option, const std::string& text) {
  if (text == "fp32") return DType::F32;
  if (text == "fp16") return DType::F16;
  if (text == "bf16") return DType::BF16;
  return error("{} is \"{}\"; weights are stored as fp32, fp16 or bf16", option, text);
}

Result<DType> cache_dtype_of(const std::string& option, const std::string& text) {
  if (const std::optional<DType> dtype = cache_dtype_named(text)) return *dtype;
  return error("{} is \"{}\"; it can be fp32, fp16, bf16, fp8, q8_0 or q4_0", option, text);
}

void ModelOptions::add_to(Arguments& arguments) {
  arguments
      .positional("MODEL", model,
                  "A name of `cutaway list`, a folder with config.json and *.safetensors, or a .gguf file")
      .flag("--json", json, "Prints one JSON object")
      .group("Machine")
      .option("--backend", backend, "NAME", "auto, cpu, vulkan or cuda; auto takes vulkan where the card is real")
      .option("--threads", threads, "N", "Threads of the CPU back end; all of the machine's when not given")
      .option("--dtype", dtype, "TYPE",
              "Storage of weights and cache: fp32, fp16, bf16; the file's own and fp32 when not given")
      .option("--cache-dtype", cache_dtype, "TYPE", "Of the cache alone: fp32, fp16, bf16, fp8, q8_0, q4_0")
      .group("Live switches")
      .option("--attention", attention, "KIND[:key=value,…]", "Another attention kind: see `cutaway list`")
      .option("--mask", mask, "RULE", "causal, bidirectional, prefix:N or window:N in place of the model's own")
      .option("--prefix", prefix, "N", "The same as --mask prefix:N")
      .option("--moe", moe, "key=value,…", "Routing, in models with experts")
      .option("--random-weights", random_weights, "SEED",
              "Runs a blueprint, or a folder, with weights drawn from SEED");
}

Result<OpenOptions> ModelOptions::open_options() const {
  OpenOptions options;
  if (dtype) {
    const Result<DType> type = weights_dtype("--dtype", *dtype);
    if (!type) return type.error();
    options.dtype = *type;
  }
  if (cache_dtype)
    if (const auto type = cache_dtype_of("--cache-dtype", *cache_dtype); !type) return type.error();
  if (random_weights) {
    const Result<int64_t> seed = whole("--random-weights", *random_weights, 0, INT64_MAX);
    if (!seed) return seed.error();
    options.random_seed = static_cast<uint64_t>(*seed);
  }
  if (attention) options.attention = *attention;
  if (mask && prefix) return error("--mask is \"{}\" and --prefix is \"{}\"; only one may be given", *mask, *prefix);
  if (mask) {
    const Result<MaskRule> rule = MaskRule::parse(*mask);
    if (!rule) return error("--mask: {}", rule.error().text);
    options.mask = *mask;
  }
  if (prefix) {
    const Result<int64_t> n = whole("--prefix", *prefix, 0, INT32_MAX);
    if (!n) return n.error();
    options.mask = fmt::format("prefix:{}", *n);
  }
  if (moe) return error("--moe is \"{}\"; {} has no experts", *moe, model);
  return options;
}

Result<ModelPtr> ModelOptions::open(const Backend& backend) const {
  Result<OpenOptions> options = open_options();
  if (!options) return options.error();
  options->blocks = backend.runs_blocks();
  return open_named(model, *options);
}

Result<std::shared_ptr<Backend>> ModelOptions::make_backend() const {
  const Result<int64_t> n = whole("--threads", threads, 0, 1, 1024);
  if (!n) return n.error();
  return choose_backend(backend.value_or("auto"), static_cast<int>(*n));
}

Result<SessionOptions> ModelOptions::session_options(const Backend& on) const {
  if (cache_dtype) {
    const Result<DType> type = cache_dtype_of("--cache-dtype", *cache_dtype);
    if (!type) return type.error();
    return SessionOptions{.cache = *type};
  }
  const Result<DType> type = dtype ? weights_dtype("--dtype", *dtype) : Result<DType>(DType::F32);
  if (!type) return type.error();
  return SessionOptions{.cache = on.caches_as(*type) ? *type : DType::F32};
}

}  // namespace cutaway
