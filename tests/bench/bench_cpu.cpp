// Measures the CPU backend on the shape of GPT-2 124M with n_positions 2048 and random weights, or on a model. It
// answers one line of JSON to each line of standard input, so that a driver can take turns between it and its peers:
//
//   prefill T     seconds to read T tokens and make the logits of the last
//   decode N P    seconds to generate N tokens after P
//   map T         milliseconds to the first attention maps of all heads of a layer, T tokens already read
//   read          GB/s of reading memory, as fast as these threads can
//   product       GFLOP/s of Eigen's own square product, one a thread at a time
//   memory        bytes of the weights and the most that this process ever held
//
//   cutaway_bench --threads 2 [--dtype F16 | --model FILE.gguf] [--cache-dtype fp16]
#include <immintrin.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <sstream>
#include <thread>

#include "engine/architecture.h"
#include "engine/cpu/levels.h"
#include "engine/snapshot.h"

namespace cutaway {
void eigen_product_v1(const float*, const float*, float*, long);
void eigen_product_v3(const float*, const float*, float*, long);
void eigen_product_v4(const float*, const float*, float*, long);
}  // namespace cutaway

using namespace cutaway;

namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

struct Aligned {
  float* data;
  explicit Aligned(size_t n) : data(static_cast<float*>(::operator new[](n * sizeof(float), std::align_val_t{64}))) {
    for (size_t i = 0; i < n; ++i) data[i] = static_cast<float>(i % 7) * 0.1f;
  }
  ~Aligned() { ::operator delete[](data, std::align_val_t{64}); }
  Aligned(const Aligned&) = delete;
  Aligned& operator=(const Aligned&) = delete;
};

ModelPtr gpt2_124m(DType storage) {
  auto model = std::make_shared<Model>();
  ModelSpec& spec = model->spec;
  spec.name = spec.architecture = model->name = "gpt2";
  spec.vocab_size = 50257, spec.d_model = 768, spec.n_ctx = 2048;
  LayerSpec layer;
  layer.attention = {.d_model = 768, .n_heads = 12, .n_kv_heads = 12, .head_dim = 64, .scale = 0.125f};
  layer.ffn = {.activation = Activation::GeluTanh, .d_ff = 3072};
  spec.layers.assign(12, layer);
  spec.masks = {MaskRule{}};
  auto graph = std::make_shared<Graph>(build_graph(spec));
  model->weights = random_weights(*graph, 1, storage);
  model->graph = std::move(graph);
  model->random_weights = true;
  return model;
}

/// Runs f(thread) on n threads at once; the seconds that all of them took.
template <class F>
double on_threads(int n, F f) {
  std::vector<std::thread> threads;
  const auto start = Clock::now();
  for (int i = 1; i < n; ++i) threads.emplace_back(f, i);
  f(0);
  for (std::thread& thread : threads) thread.join();
  return seconds_since(start);
}

/// Best of several passes over 512 MB, cut between the threads.
double read_gb_per_s(int threads) {
  const size_t n = size_t{128} << 20;
  static const Aligned memory(n);
  double best = 0;
  static std::atomic<int> sink;  // keeps the reads from being left out
  for (int pass = 0; pass < 5; ++pass) {
    const double seconds = on_threads(threads, [&](int thread) {
      const size_t part = n / static_cast<size_t>(threads) / 64 * 64;
      const float* p = memory.data + static_cast<size_t>(thread) * part;
      __m128i sums[8] = {};
      for (size_t i = 0; i < part; i += 32) {
        _mm_prefetch(reinterpret_cast<const char*>(p + i + 512), _MM_HINT_T0);
        _mm_prefetch(reinterpret_cast<const char*>(p + i + 528), _MM_HINT_T0);
        for (size_t k = 0; k < 8; ++k)
          sums[k] = _mm_xor_si128(sums[k], _mm_load_si128(reinterpret_cast<const __m128i*>(p + i + 4 * k)));
      }
      for (const __m128i& sum : sums) sink = _mm_cvtsi128_si32(sum);
    });
    best = std::max(best, static_cast<double>(n) * sizeof(float) / seconds / 1e9);
  }
  return best;
}

double eigen_gflops(int threads) {
  const long n = 1024;
  const std::string_view level = best_kernels().level;
  const auto product = level == "v4" ? eigen_product_v4 : level == "v3" ? eigen_product_v3 : eigen_product_v1;
  const auto size = static_cast<size_t>(n * n);
  const Aligned a(size), b(size), c(size * static_cast<size_t>(threads));
  double best = 0;
  for (int pass = 0; pass < 7; ++pass) {
    const double seconds = on_threads(
        threads, [&](int thread) { product(a.data, b.data, c.data + static_cast<size_t>(thread) * size, n); });
    best = std::max(best, 2e-9 * static_cast<double>(n * n * n * threads) / seconds);
  }
  return best;
}

class Bench {
 public:
  Bench(int threads, ModelPtr model, DType cache)
      : threads_(threads), model_(std::move(model)), cache_(cache), backend_(make_cpu_backend(threads)) {
    plan_ = std::move(*backend_->compile(model_, default_taps(*model_->graph)));
  }

  std::string answer(const std::string& line) {
    std::istringstream words(line);
    std::string what;
    int64_t n = 512, past = 512;
    words >> what >> n >> past;
    if (what == "prefill" || what == "decode") {
      const double seconds = what == "prefill" ? prefill(n) : decode(n, past);
      return fmt::format("{{\"seconds\":{:.6f},\"nodes_ms\":{}}}", seconds, times());
    }
    if (what == "map") return fmt::format("{{\"ms\":{:.3f}}}", first_map_ms(n));
    if (what == "read") return fmt::format("{{\"gb_per_s\":{:.2f}}}", read_gb_per_s(threads_));
    if (what == "product") return fmt::format("{{\"gflops\":{:.1f}}}", eigen_gflops(threads_));
    if (what == "memory") return memory();
    return R"({"error":"prefill T, decode N P, map T, read, product or memory"})";
  }

 private:
  std::vector<int32_t> ids(int64_t n) const {
    std::vector<int32_t> result;
    for (int64_t i = 0; i < n; ++i) result.push_back(static_cast<int32_t>(i * 7919 % model_->spec.vocab_size));
    return result;
  }

  void start() {
    step_ = std::make_shared<Snapshot>();
    step_->model = model_;
    step_->backend = backend_;
    step_->masks = model_->spec.masks;
    step_->state = empty_state(*model_->graph, backend_->arena(), cache_);
    step_->recording = empty_recording(*model_->graph, default_taps(*model_->graph), backend_->arena(), cache_);
  }

  void read_more(std::span<const int32_t> more) {
    const int64_t past = step_->positions();
    step_->ids.insert(step_->ids.end(), more.begin(), more.end());
    const int64_t end = step_->positions();
    const Feed feed{.ids = more, .past = past, .masks = step_->masks, .logits_begin = end - 1, .logits_end = end};
    if (const auto ran = plan_->run(feed, step_->state, step_->recording, out_); !ran) {
      fmt::print(stderr, "{}\n", ran.error().text);
      std::exit(1);
    }
  }

  double prefill(int64_t n) {
    start();
    const auto given = ids(n);
    const auto begin = Clock::now();
    read_more(given);
    return seconds_since(begin);
  }

  double decode(int64_t n, int64_t past) {
    prefill(past);
    const auto begin = Clock::now();
    for (int64_t i = 0; i < n; ++i) {
      const auto best = std::ranges::max_element(out_.logits) - out_.logits.begin();
      const auto next = static_cast<int32_t>(best);
      read_more(std::span(&next, 1));
    }
    return seconds_since(begin);
  }

  /// One tile a head of the middle layer, each of up to 512 x 512 pixels.
  double first_map_ms(int64_t n) {
    prefill(n);
    const NodeId probs = model_->graph->with(Role::Probs)[6];
    const auto begin = Clock::now();
    for (int64_t head = 0; head < 12; ++head) {
      const int64_t pixels = std::min<int64_t>(n, 512);
      const auto tile = backend_->tile({.step = step_,
                                        .probs = probs,
                                        .head = head,
                                        .queries = {0, n},
                                        .keys = {0, n},
                                        .rows = pixels,
                                        .columns = pixels});
      if (!tile) std::exit(1);
    }
    return seconds_since(begin) * 1e3;
  }

  /// Milliseconds of the last pass by kind of node.
  std::string times() const {
    std::map<std::string_view, double> by_op;
    for (const Node& node : model_->graph->nodes)
      by_op[node.head ? "head" : name_of(node.op)] += out_.node_ms[static_cast<size_t>(node.id)];
    std::string text;
    for (const auto& [op, ms] : by_op)
      if (ms > 0) text += fmt::format("{}\"{}\":{:.3f}", text.empty() ? "" : ",", op, ms);
    return "{" + text + "}";
  }

  std::string memory() const {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return fmt::format("{{\"weight_bytes\":{},\"cache_bytes\":{},\"peak_bytes\":{}}}", model_->weights->bytes(),
                       step_ ? step_->cache_allocated_bytes() : 0, usage.ru_maxrss * 1024);
  }

  int threads_;
  ModelPtr model_;
  DType cache_;
  std::shared_ptr<Backend> backend_;
  std::unique_ptr<Plan> plan_;
  std::shared_ptr<Snapshot> step_;
  Output out_;
};

}  // namespace

int main(int argc, char** argv) {
  int threads = 0;
  DType storage = DType::F32, cache = DType::F32;
  std::string path;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view option = argv[i];
    if (option == "--threads") threads = std::atoi(argv[i + 1]);
    if (option == "--dtype") storage = dtype_named(argv[i + 1]).value_or(DType::F32);
    if (option == "--cache-dtype") cache = cache_dtype_named(argv[i + 1]).value_or(DType::F32);
    if (option == "--model") path = argv[i + 1];
  }
  if (threads == 0) threads = static_cast<int>(std::thread::hardware_concurrency());
  const auto opened = path.empty() ? Result<ModelPtr>(gpt2_124m(storage)) : open_model(path, {.blocks = true});
  if (!opened) {
    fmt::print(stderr, "{}\n", opened.error().text);
    return 2;
  }
  Bench bench(threads, *opened, cache);
  fmt::print("{{\"device\":\"{}\"}}\n", make_cpu_backend(threads)->info().device);
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    fmt::print("{}\n", bench.answer(line));
    std::fflush(stdout);
  }
  return 0;
}
