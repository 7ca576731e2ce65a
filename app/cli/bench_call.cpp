// cutaway bench: real runs, medians over --repeat.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>

#include "app/cli/json.h"

namespace cutaway {

namespace {

using Clock = std::chrono::steady_clock;

struct BenchCall {
  ModelOptions model;
  Given prefill, decode, repeat;
};

struct Timings {
  std::vector<double> prefill_ms, decode_ms, first_map_ms;
};

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const size_t n = values.size();
  return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/// Highest resident memory of this process so far.
int64_t peak_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<int64_t>(usage.ru_maxrss) * 1024;
}

/// Ids spread over the vocabulary, the same in every run.
std::vector<int32_t> some_ids(int64_t n, int64_t vocab) {
  std::vector<int32_t> ids;
  uint64_t state = 1;
  for (int64_t i = 0; i < n; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    ids.push_back(static_cast<int32_t>((state >> 33) % static_cast<uint64_t>(vocab)));
  }
  return ids;
}

/// The maps of every head of the first layer, cell by cell up to 512 x 512: what the head grid shows first.
Result<void> first_maps(const SnapshotPtr& step) {
  const std::vector<NodeId> maps = step->graph().with(Role::Probs);
  const int64_t T = step->positions();
  for (int64_t head = 0; head < step->graph()[maps.front()].params.heads; ++head) {
    const Result<Tile> tile = step->backend->tile({.step = step,
                                                   .probs = maps.front(),
                                                   .head = head,
                                                   .queries = {0, T},
                                                   .keys = {0, T},
                                                   .rows = std::min<int64_t>(T, 512),
                                                   .columns = std::min<int64_t>(T, 512)});
    if (!tile) return tile.error();
  }
  return {};
}

Result<void> measure(const ModelPtr& model, const std::shared_ptr<Backend>& backend, const SessionOptions& options,
                     const std::vector<int32_t>& ids, int64_t decode, Timings& timings) {
  const Result<std::unique_ptr<Session>> session = Session::start(model, backend, options);
  if (!session) return session.error();
  Clock::time_point start = Clock::now();
  const Result<SnapshotPtr> read = (*session)->read_ids(ids);
  if (!read) return read.error();
  timings.prefill_ms.push_back(ms_since(start));
  start = Clock::now();
  const Result<void> maps = first_maps(*read);
  if (!maps) return maps;
  timings.first_map_ms.push_back(ms_since(start));
  start = Clock::now();
  for (int64_t i = 0; i < decode; ++i) {
    const Result<SnapshotPtr> step = (*session)->step(Sampling{});
    if (!step) return step.error();
  }
  if (decode > 0) timings.decode_ms.push_back(ms_since(start));
  return {};
}

Json describe(const Model& model, const Backend& backend, int64_t prefill, int64_t decode, const Timings& timings,
              size_t readback_bytes) {
  Json said = {{"model", model.name},
               {"backend", backend.info().name},
               {"device", backend.info().device},
               {"prefill", prefill},
               {"decode", decode},
               {"repeat", timings.prefill_ms.size()}};
  said["prefill_tokens_per_s"] = 1000. * static_cast<double>(prefill) / median(timings.prefill_ms);
  said["decode_tokens_per_s"] = nullptr;  // an encoder decodes nothing
  if (decode > 0) said["decode_tokens_per_s"] = 1000. * static_cast<double>(decode) / median(timings.decode_ms);
  said["first_map_ms"] = median(timings.first_map_ms);
  said["readback_bytes"] = readback_bytes;
  said["peak_bytes"] = peak_bytes();
  said["weights_bytes"] = model.weights->bytes();
  return said;
}

Result<void> run(const BenchCall& call) {
  const Result<std::shared_ptr<Backend>> backend = call.model.make_backend();
  if (!backend) return backend.error();
  const Result<ModelPtr> model = call.model.open(**backend);
  if (!model) return model.error();
  const ModelSpec& spec = (*model)->spec;
  const bool generates = spec.objective == Objective::CausalLm;
  const Result<int64_t> prefill =
      whole("--prefill", call.prefill, std::min<int64_t>(128, spec.n_ctx / 2 + 1), 1, spec.n_ctx);
  if (!prefill) return prefill.error();
  const int64_t room = spec.n_ctx - *prefill;
  const Result<int64_t> asked = whole("--decode", call.decode, std::min<int64_t>(32, room), 0, room);
  if (!asked) return asked.error();
  const int64_t decode = generates ? *asked : 0;  // an encoder decodes nothing, and its answer says so
  const Result<int64_t> repeat = whole("--repeat", call.repeat, 3, 1, 1000);
  if (!repeat) return repeat.error();
  const Result<SessionOptions> options = call.model.session_options(**backend);
  if (!options) return options.error();
  const std::vector<int32_t> ids = some_ids(*prefill, spec.vocab_size);
  Timings warm_up, timings;
  const Result<void> warm = measure(*model, *backend, *options, ids, std::min<int64_t>(decode, 1), warm_up);
  if (!warm) return warm;
  const size_t before = (*backend)->bytes_read_back();
  for (int64_t i = 0; i < *repeat; ++i) {
    const Result<void> measured = measure(*model, *backend, *options, ids, decode, timings);
    if (!measured) return measured;
  }
  const size_t readback_bytes = (*backend)->bytes_read_back() - before;
  const Json said = describe(**model, **backend, *prefill, decode, timings, readback_bytes);
  if (call.model.json) return print(said);
  std::string text = fmt::format("{} on {} ({}), median of {}\n", (*model)->name, said["backend"].get<std::string>(),
                                 said["device"].get<std::string>(), *repeat);
  text +=
      fmt::format("prefill    {:>10.1f} tokens/s  ({} tokens)\n", said["prefill_tokens_per_s"].get<double>(), *prefill);
  if (decode > 0)
    text +=
        fmt::format("decode     {:>10.1f} tokens/s  ({} tokens)\n", said["decode_tokens_per_s"].get<double>(), decode);
  text += fmt::format("first map  {:>10.2f} ms        (all heads of the first layer)\n",
                      said["first_map_ms"].get<double>());
  text += fmt::format("read back  {:>10} B\npeak       {:>10.1f} MiB\n", readback_bytes,
                      static_cast<double>(peak_bytes()) / (1 << 20));
  return print(text);
}

}  // namespace

Result<void> bench_call(const Words& words) {
  BenchCall call;
  Arguments arguments("bench", "Tokens per second, first-map time, bytes read back; one warm-up, then the median.");
  call.model.add_to(arguments);
  arguments.group("Bench")
      .option("--prefill", call.prefill, "N", "Tokens read at once, 128 when absent")
      .option("--decode", call.decode, "N", "Tokens generated one by one, 32 when absent")
      .option("--repeat", call.repeat, "N", "Runs, 3 when absent");
  const Result<bool> go_on = arguments.read(words);
  if (!go_on) return go_on.error();
  return *go_on ? run(call) : Result<void>();
}

}  // namespace cutaway
