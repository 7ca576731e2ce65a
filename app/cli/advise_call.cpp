// cutaway advise: reasons from the table of advice.cpp, figures by law from the graph of the model that it names.
#include <algorithm>
#include <cmath>

#include "app/cli/advice.h"
#include "app/cli/json.h"
#include "app/cli/library.h"
#include "engine/footprint.h"
#include "widgets/words.h"

namespace cutaway {

namespace {

constexpr double default_params = 124e6;  // GPT-2's and about BERT's: what a small machine runs well
constexpr int64_t default_window = 1024;  // keys that a stream keeps

struct Wish {
  Task task = Task::Chat;
  double params = default_params;
  int64_t context = 0;      // tokens; 0: what the model was made for
  double memory_bytes = 0;  // 0: not said
  double tokens = 0;        // of training; 0: not said
};

/// One row of the answer; rank 0 is the table's first.
struct Recommendation {
  const Advice* advice = nullptr;
  std::string model;  // empty: none of that kind here
  std::vector<std::string> reasons;
  Json figures = Json::object();
  int rank = 0;
};

/// Figures in fp16, the width that such models are served in (spec dense.md 7.1 and 8).
struct Law {
  double parameters = 0, weights_bytes = 0, cache_bytes = 0, token_flops = 0;
  int64_t context = 0;
  double total() const { return weights_bytes + cache_bytes; }
};

Law law_of(const ModelShape& shape, const Option& option, int64_t context) {
  const Graph& graph = *shape.graph;
  Law law;
  law.context = context;
  law.parameters = static_cast<double>(shape.parameters());
  law.weights_bytes = 2 * law.parameters;
  const int64_t kept = option.mask == "window" ? std::min(context, default_window) : context;
  law.cache_bytes = footprint(graph, {kept, kept}, {.cache = storage_named("fp16")}).used;
  for (const Node& node : graph.nodes) law.token_flops += graph.flops(node.id, kept - 1, 1);
  return law;
}

/// The model of the option's list whose size is nearest to the wished one; those that fit the memory come first.
std::string nearest(const Option& option, const Wish& wish) {
  std::string best;
  double best_distance = INFINITY;
  for (const std::string_view name : option.models) {
    const Result<ModelShape> shape = read_shape(std::string(name));
    if (!shape) continue;
    const Law law = law_of(*shape, option, wish.context > 0 ? wish.context : shape->spec.n_ctx);
    double distance = std::abs(std::log(law.parameters / wish.params));
    if (wish.memory_bytes > 0 && law.total() > wish.memory_bytes) distance += 100;
    if (wish.context > shape->spec.n_ctx && option.mask != "window") distance += 50;
    if (distance < best_distance) best_distance = distance, best = name;
  }
  return best;
}

void add_figures(Recommendation& row, const Wish& wish, const ModelShape& shape) {
  const Option& option = *row.advice->option;
  const Law law = law_of(shape, option, wish.context > 0 ? wish.context : shape.spec.n_ctx);
  const bool encodes = option.architecture == "encoder";
  row.figures = {{"parameters", static_cast<int64_t>(law.parameters)},
                 {"context", law.context},
                 {"dtype", "fp16"},
                 {"weights_bytes", static_cast<int64_t>(law.weights_bytes)},
                 {"cache_bytes", static_cast<int64_t>(law.cache_bytes)},
                 {"total_bytes", static_cast<int64_t>(law.total())},
                 {"flops_per_token", law.token_flops}};
  row.reasons.push_back(encodes ? fmt::format("{} keeps no cache: 0 B per token (law)", row.model)
                                : fmt::format("The cache of {} takes {} at {} tokens in fp16 (law)", row.model,
                                              say_bytes(law.cache_bytes), law.context));
  if (option.mask == "window")
    row.reasons.push_back(fmt::format("The window is {} keys; try --mask window:{}", default_window, default_window));
  if (option.mask == "prefix") row.reasons.push_back("Try it on any text with --prefix N");
  if (wish.context > shape.spec.n_ctx) {
    row.reasons.push_back(fmt::format("{} has positions for {} tokens, not for {}: longer ones need other positions",
                                      row.model, shape.spec.n_ctx, wish.context));
  }
  if (wish.memory_bytes > 0) {
    const bool fits = law.total() <= wish.memory_bytes;
    row.figures["fits"] = fits;
    row.reasons.push_back(fmt::format("Weights and cache take {} in fp16, of {} (law): {}", say_bytes(law.total()),
                                      say_bytes(wish.memory_bytes), fits ? "fits" : "does not fit"));
    if (!fits) row.rank += 40;
  }
  if (wish.tokens > 0) {
    row.figures["training_flops"] = 6 * law.parameters * wish.tokens;
    row.figures["tokens_per_parameter"] = wish.tokens / law.parameters;
    row.reasons.push_back(
        fmt::format("{:.1f} training tokens a parameter; about 20 is compute-optimal (Hoffmann et al. 2022, "
                    "arXiv 2203.15556)",
                    wish.tokens / law.parameters));
  }
}

std::vector<Recommendation> recommend(const Wish& wish) {
  std::vector<Recommendation> rows;
  for (const Advice& one : advice()) {
    if (one.task != wish.task) continue;
    Recommendation row;
    row.advice = &one;
    row.rank = static_cast<int>(rows.size());
    row.reasons = {fmt::format("{} ({})", one.reason, one.source)};
    row.model = nearest(*one.option, wish);
    if (const Result<ModelShape> shape = read_shape(row.model); !row.model.empty() && shape)
      add_figures(row, wish, *shape);
    if (row.model.empty()) row.reasons.push_back("This version of Cutaway holds no model of that kind to try");
    rows.push_back(std::move(row));
  }
  std::ranges::stable_sort(rows, {}, &Recommendation::rank);
  return rows;
}

Json as_json(const std::vector<Recommendation>& rows) {
  Json ranked = Json::array();
  for (const Recommendation& row : rows) {
    const Option& option = *row.advice->option;
    ranked.push_back({{"architecture", option.architecture},
                      {"attention", option.attention},
                      {"mask", option.mask},
                      {"ffn", option.ffn},
                      {"objective", option.objective},
                      {"model", row.model.empty() ? Json() : Json(row.model)},
                      {"reasons", row.reasons},
                      {"figures", row.figures}});
  }
  return {{"ranked", ranked}};
}

std::string as_text(const std::vector<Recommendation>& rows) {
  std::string text;
  for (size_t i = 0; i < rows.size(); ++i) {
    const Option& option = *rows[i].advice->option;
    text += fmt::format("{}. {}, {} attention, {} mask, {} feed-forward, {}{}{}\n", i + 1, option.architecture,
                        option.attention, option.mask, option.ffn, option.objective, rows[i].model.empty() ? "" : ": ",
                        rows[i].model);
    for (const std::string& reason : rows[i].reasons) text += "   - " + reason + "\n";
  }
  return text;
}

struct AdviseCall {
  Given task, params, context, memory, tokens;
  bool json = false;
};

Result<Wish> read_wish(const AdviseCall& call) {
  Wish wish;
  std::string names;
  const TaskName* found = nullptr;
  for (const TaskName& one : task_names()) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", one.name);
    if (call.task && one.name == *call.task) found = &one;
  }
  if (!call.task) return error("--task is not given; it can be {}", names);
  if (!found) return error("--task is \"{}\"; it can be {}", *call.task, names);
  wish.task = found->task;
  for (const auto& [option, text, value] :
       {std::tuple("--params", &call.params, &wish.params), std::tuple("--memory", &call.memory, &wish.memory_bytes),
        std::tuple("--tokens", &call.tokens, &wish.tokens)}) {
    if (!*text) continue;
    const Result<double> number = real(option, **text, 1e-3, 1e18);
    if (!number) return number.error();
    *value = *number;
  }
  wish.memory_bytes *= 1 << 30;
  const Result<int64_t> context = whole("--context", call.context, 0, 1, 1 << 30);
  if (!context) return context.error();
  wish.context = *context;
  return wish;
}

}  // namespace

Result<void> advise_call(const Words& words) {
  AdviseCall call;
  Arguments arguments("advise",
                      "Recommends architecture, attention and objective for a task: reasons with their sources, "
                      "figures by law.");
  arguments
      .option("--task", call.task, "TASK",
              "chat, code, classification, embedding, translation, summary, infilling or stream")
      .option("--params", call.params, "N", "Parameters, 124e6 when absent")
      .option("--context", call.context, "N", "Tokens that must be seen at once")
      .option("--memory", call.memory, "GiB", "Memory for weights and cache")
      .option("--tokens", call.tokens, "N", "Tokens there are to train on")
      .flag("--json", call.json, "Prints one JSON object");
  const Result<bool> go_on = arguments.read(words);
  if (!go_on) return go_on.error();
  if (!*go_on) return {};
  const Result<Wish> wish = read_wish(call);
  if (!wish) return wish.error();
  const std::vector<Recommendation> rows = recommend(*wish);
  return call.json ? print(as_json(rows)) : print(as_text(rows));
}

}  // namespace cutaway
