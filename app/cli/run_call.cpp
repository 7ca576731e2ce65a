// cutaway run
#include <cmath>

#include "app/cli/json.h"
#include "engine/trace.h"

namespace cutaway {

namespace {

struct RunOptions {
  ModelOptions model;
  InputOptions input;
  SamplingOptions sampling;
  Given trace;
  Words taps;
};

constexpr int64_t default_steps = 24;

Json choices(const Model& model, std::span<const TokenChoice> best) {
  Json list = Json::array();
  for (const TokenChoice& choice : best.first(std::min<size_t>(best.size(), 10)))
    list.push_back({{"id", choice.id}, {"piece", piece_of(model, choice.id)}, {"logprob", choice.logprob}});
  return list;
}

std::vector<int32_t> output_ids(const Generated& made) {
  std::vector<int32_t> ids;
  for (const Generated::Token& token : made.tokens) ids.push_back(token.choice.id);
  return ids;
}

/// Index of the first generated end token, or null: it is reported, not obeyed.
Json end_token_at(const Generated& made, const Model& model) {
  for (size_t i = 0; i < made.tokens.size(); ++i) {
    const int32_t id = made.tokens[i].choice.id;
    if (id == model.spec.eos_id || (model.tokenizer && id == model.tokenizer->specials().eos)) return i;
  }
  return nullptr;
}

Json as_json(const Generated& made, const Input& input) {
  const Snapshot& step = *made.step;
  const Model& model = *step.model;
  const std::vector<int32_t> ids = output_ids(made);
  Json said = {{"model", model.name},  {"backend", step.backend_name}, {"input_ids", input.ids}, {"output_ids", ids},
               {"prompt", input.text}, {"text", text_of(model, ids)},  {"steps", Json::array()}};
  for (const Generated::Token& token : made.tokens)
    said["steps"].push_back({{"id", token.choice.id},
                             {"piece", piece_of(model, token.choice.id)},
                             {"logprob", token.choice.logprob},
                             {"top", choices(model, token.top)},
                             {"ms", token.ms}});
  said["end_token_at"] = end_token_at(made, model);
  said["cache_dtype"] = cache_dtype_name(made.session->options().cache);
  said["cache_bytes"] = step.cache_used_bytes();
  said["cache_allocated_bytes"] = step.cache_allocated_bytes();
  said["state_bytes"] = 0;  // no recurrent state in these architectures
  said["weights_bytes"] = model.weights->bytes();
  said["prefill_ms"] = made.prefill_ms;
  said["decode_ms"] = made.decode_ms;
  if (model.random_weights) said["random_weights"] = true;
  if (model.spec.objective == Objective::MaskedLm) {
    said["fills"] = Json::array();
    for (const Fill& fill : step.fills)
      said["fills"].push_back({{"position", fill.position}, {"top", choices(model, fill.best)}});
  }
  if (!step.pooled.empty()) said[model.spec.pooling == Pooling::Mean ? "embedding" : "pooled"] = step.pooled;
  return said;
}

std::string as_text(const Generated& made, const Input& input) {
  const Snapshot& step = *made.step;
  const Model& model = *step.model;
  if (model.spec.objective == Objective::CausalLm) {
    if (model.tokenizer) return input.text + text_of(model, output_ids(made)) + "\n";
    std::string text;
    for (const int32_t id : output_ids(made)) text += fmt::format("{}{}", text.empty() ? "" : ",", id);
    return text + "\n";
  }
  std::string text;
  for (const Fill& fill : step.fills) {
    text += fmt::format("position {}:", fill.position);
    for (const TokenChoice& choice : fill.best)
      text += fmt::format("  {} {:.1f} %", piece_of(model, choice.id), 100 * std::exp(choice.logprob));
    text += "\n";
  }
  if (!step.pooled.empty()) {
    text += fmt::format("{} of {} values:", model.spec.pooling == Pooling::Mean ? "embedding" : "pooled",
                        step.pooled.size());
    for (size_t i = 0; i < std::min<size_t>(8, step.pooled.size()); ++i) text += fmt::format(" {:.5f}", step.pooled[i]);
    text += step.pooled.size() > 8 ? " …\n" : "\n";
  }
  if (text.empty())
    text = fmt::format("{} tokens read; no mask token among them, so nothing to fill\n", input.ids.size());
  return text;
}

/// What has to be recorded for the trace, if there is to be one.
Result<Taps> taps_of(const RunOptions& options, const Graph& graph, int64_t positions) {
  if (!options.trace) return Taps{};
  Result<Taps> taps = trace_taps(graph, options.taps, positions);
  if (!taps) return error("--tap: {}", taps.error().text);
  return taps;
}

Result<void> check_trace(const RunOptions& options) {
  if (options.trace && !options.trace->ends_with(".safetensors"))
    return error("--trace is \"{}\"; a trace ends in .safetensors", *options.trace);
  if (!options.trace && !options.taps.empty())
    return error("--tap is \"{}\" and --trace is not given; taps pick what a trace holds", options.taps[0]);
  return {};
}

Result<void> run(const RunOptions& options) {
  if (const Result<void> trace = check_trace(options); !trace) return trace;
  const Result<std::shared_ptr<Backend>> backend = options.model.make_backend();
  if (!backend) return backend.error();
  const Result<ModelPtr> model = options.model.open(**backend);
  if (!model) return model.error();
  const Result<int64_t> asked = options.sampling.count(**model, 0);
  if (!asked) return asked.error();
  const Result<Sampling> how = options.sampling.sampling();
  if (!how) return how.error();
  const Result<Input> input = options.input.read(**model, std::max<int64_t>(0, *asked - 1));
  if (!input) return input.error();
  const int64_t n = input->positions();
  const int64_t room = (*model)->spec.n_ctx - n + 1;  // the last token is chosen, not run
  const Result<int64_t> steps = options.sampling.count(**model, std::min(default_steps, room));
  if (!steps) return steps.error();
  const Result<SessionOptions> session = options.model.session_options(**backend);
  if (!session) return session.error();
  const Result<Taps> taps = taps_of(options, *(*model)->graph, n + std::max<int64_t>(0, *steps - 1));
  if (!taps) return taps.error();
  const Result<Generated> made = generate(*model, *backend, *input, *steps, *how, *taps, *session);
  if (!made) return made.error();
  if (options.trace) {
    const Result<void> written = write_trace(made->step, *options.trace, options.taps, "cutaway " CUTAWAY_VERSION);
    if (!written) return written;
  }
  return options.model.json ? print(as_json(*made, *input)) : print(as_text(*made, *input));
}

}  // namespace

Result<void> run_call(const Words& words) {
  RunOptions options;
  Arguments arguments("run", "Runs a model and prints text; a masked model's fills; a sentence encoder's embedding.");
  options.model.add_to(arguments);
  options.input.add_to(arguments);
  options.sampling.add_to(arguments);
  arguments.group("Trace")
      .option("--trace", options.trace, "FILE", "Writes what the model did to FILE.safetensors")
      .options("--tap", options.taps, "GLOB",
               "Names to put in it, may be repeated; all but q, k, v and hidden when absent");
  const Result<bool> go_on = arguments.read(words);
  if (!go_on) return go_on.error();
  return *go_on ? run(options) : Result<void>();
}

}  // namespace cutaway
