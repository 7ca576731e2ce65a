// Plans of the CPU backend on the corner shapes of every architecture, against an interpreter of the graph in fp64 that
// is written here and knows nothing of slots, pieces, pages or online softmax.
#include <QtTest>
#include <cmath>
#include <cstring>
#include <random>
#include <thread>

#include "engine/architecture.h"
#include "engine/cpu/layout.h"
#include "engine/snapshot.h"

using namespace cutaway;

namespace {

using Doubles = std::vector<double>;

class RandomWeights final : public Weights {
 public:
  explicit RandomWeights(const Graph& graph) {
    std::mt19937 generator(7);
    std::normal_distribution<float> normal(0, 0.3f);
    for (const TensorSchema& tensor : graph.schema) {
      Values values(static_cast<size_t>((elements(tensor.shape) + 15) / 16));
      const bool gain = tensor.shape.size() == 1 && tensor.name.ends_with("weight");
      for (Line& line : values)
        for (float& value : line.floats) value = normal(generator) + (gain ? 1.f : 0.f);
      shapes_.push_back(tensor.shape);
      values_.push_back(std::move(values));
    }
  }
  TensorView tensor(int i) const override {
    const auto at = static_cast<size_t>(i);
    return {reinterpret_cast<const std::byte*>(values_[at].data()), DType::F32, shapes_[at]};
  }
  DType storage_dtype() const override { return DType::F32; }
  size_t bytes() const override { return 0; }
  const float* floats(int i) const { return reinterpret_cast<const float*>(tensor(i).data); }

 private:
  struct alignas(64) Line {
    float floats[16];
  };
  using Values = std::vector<Line>;
  std::vector<Shape> shapes_;
  std::vector<Values> values_;
};

ModelPtr model_of(const ModelSpec& spec) {
  auto model = std::make_shared<Model>();
  model->name = spec.name;
  model->spec = spec;
  auto graph = std::make_shared<Graph>(build_graph(spec));
  model->weights = std::make_shared<RandomWeights>(*graph);
  model->graph = std::move(graph);
  return model;
}

std::vector<int32_t> some_ids(const ModelSpec& spec, int64_t n) {
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < n; ++i) ids.push_back(static_cast<int32_t>((i * 7 + 3) % spec.vocab_size));
  return ids;
}

/// Every node's rows for a pass over all tokens, logits asked for all; lse rows are (T, H).
class Interpreter {
 public:
  Interpreter(const Model& model, std::span<const int32_t> ids, std::vector<MaskRule> masks)
      : graph_(*model.graph),
        weights_(static_cast<const RandomWeights&>(*model.weights)),
        ids_(ids),
        masks_(std::move(masks)),
        rows(graph_.nodes.size()) {
    for (const Node& node : graph_.nodes) run(node);
  }

 private:
  const Graph& graph_;
  const RandomWeights& weights_;
  std::span<const int32_t> ids_;
  std::vector<MaskRule> masks_;

 public:
  std::vector<Doubles> rows;

 private:
  Doubles& at(NodeId id) { return rows[static_cast<size_t>(id)]; }
  double weight(const Node& node, size_t which, int64_t i) const {
    return which < node.weights.size() ? weights_.floats(node.weights[which])[i] : 0.;
  }

  void run(const Node& node) {
    Doubles& y = at(node.id);
    const Doubles* x = node.inputs.empty() ? nullptr : &at(node.inputs[0]);
    const auto T = static_cast<int64_t>(ids_.size());
    const int64_t width = is_answer(node.op) && node.op != Op::lse ? 0 : row_width(node);
    const auto each = [&](auto f) {
      for (double value : *x) y.push_back(f(value));
    };
    switch (node.op) {
      case Op::tokens:
        y.assign(ids_.begin(), ids_.end());
        break;
      case Op::positions:
        for (int64_t t = 0; t < T; ++t) y.push_back(static_cast<double>(t));
        break;
      case Op::segments:
        y.assign(ids_.size(), 0.);
        break;
      case Op::embedding:
        for (double id : *x)
          for (int64_t i = 0; i < width; ++i) y.push_back(weight(node, 0, static_cast<int64_t>(id) * width + i));
        break;
      case Op::add:
        for (size_t i = 0; i < x->size(); ++i) y.push_back((*x)[i] + at(node.inputs[1])[i]);
        break;
      case Op::layer_norm:
        layer_norm(node, *x, width, y);
        break;
      case Op::linear:
        linear(node, *x, width, y);
        break;
      case Op::gelu_erf:
        each([](double z) { return z / 2 * (1 + std::erf(z / std::sqrt(2.))); });
        break;
      case Op::gelu_tanh:
        each([](double z) { return z / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (z + 0.044715 * z * z * z))); });
        break;
      case Op::relu:
        each([](double z) { return std::max(z, 0.); });
        break;
      case Op::tanh:
        each([](double z) { return std::tanh(z); });
        break;
      case Op::split_heads:
      case Op::merge_heads:
      case Op::cache:
      case Op::take_rows:
        y = *x;
        break;
      case Op::attend:
        attend(node, y);
        break;
      case Op::lse:
      case Op::mask:
      case Op::probs:
        break;
      case Op::first_row:
        y.assign(x->begin(), x->begin() + width);
        break;
      case Op::mean_rows:
        y.assign(static_cast<size_t>(width), 0.);
        for (size_t i = 0; i < x->size(); ++i) y[i % y.size()] += (*x)[i] / static_cast<double>(T);
        break;
      case Op::unit_length: {
        double square = 0;  // only ever one row
        for (double value : *x) square += value * value;
        each([=](double z) { return z / std::sqrt(square); });
      }
    }
  }

  void layer_norm(const Node& node, const Doubles& x, int64_t width, Doubles& y) const {
    for (size_t row = 0; row < x.size(); row += static_cast<size_t>(width)) {
      double mean = 0, variance = 0;
      for (int64_t i = 0; i < width; ++i) mean += x[row + static_cast<size_t>(i)] / static_cast<double>(width);
      for (int64_t i = 0; i < width; ++i)
        variance += std::pow(x[row + static_cast<size_t>(i)] - mean, 2) / static_cast<double>(width);
      for (int64_t i = 0; i < width; ++i)
        y.push_back((x[row + static_cast<size_t>(i)] - mean) / std::sqrt(variance + node.params.eps) *
                        weight(node, 0, i) +
                    weight(node, 1, i));
    }
  }

  void linear(const Node& node, const Doubles& x, int64_t out, Doubles& y) const {
    const int64_t in = weights_.tensor(node.weights[0]).shape[1];
    for (size_t row = 0; row < x.size(); row += static_cast<size_t>(in))
      for (int64_t o = 0; o < out; ++o) {
        double sum = weight(node, 1, o);
        for (int64_t i = 0; i < in; ++i) sum += x[row + static_cast<size_t>(i)] * weight(node, 0, o * in + i);
        y.push_back(sum);
      }
  }

  void attend(const Node& node, Doubles& y) {
    const Doubles &q = at(node.inputs[0]), &k = at(node.inputs[1]), &v = at(node.inputs[2]);
    const auto T = static_cast<int64_t>(ids_.size());
    const int64_t H = node.params.heads, Hkv = node.params.kv_heads, D = node.params.head_dim;
    Doubles& lse = at(node.id + 1);
    y.assign(static_cast<size_t>(T * H * D), 0.);
    for (int64_t t = 0; t < T; ++t)
      for (int64_t h = 0; h < H; ++h) {
        double sum = 0;
        Doubles e(static_cast<size_t>(T), 0.);
        for (int64_t j = 0; j < T; ++j) {
          if (!masks_[static_cast<size_t>(node.params.mask_slot)].allowed(t, j)) continue;
          double dot = 0;
          for (int64_t d = 0; d < D; ++d)
            dot +=
                q[static_cast<size_t>((t * H + h) * D + d)] * k[static_cast<size_t>((j * Hkv + h / (H / Hkv)) * D + d)];
          sum += e[static_cast<size_t>(j)] = std::exp(node.params.scale * dot);
        }
        lse.push_back(std::log(sum));
        for (int64_t j = 0; j < T && sum > 0; ++j)
          for (int64_t d = 0; d < D; ++d)
            y[static_cast<size_t>((t * H + h) * D + d)] +=
                e[static_cast<size_t>(j)] / sum * v[static_cast<size_t>((j * Hkv + h / (H / Hkv)) * D + d)];
      }
  }
};

double difference(const float* got, const Doubles& want) {
  double worst = 0, scale = 1;
  for (size_t i = 0; i < want.size(); ++i) {
    if (std::isinf(want[i]) && got[i] == want[i]) continue;
    if (!std::isfinite(got[i])) return INFINITY;
    worst = std::max(worst, std::abs(got[i] - want[i]));
    scale = std::max(scale, std::abs(want[i]));
  }
  return worst / scale;
}

std::vector<float> dense(const PagedRows& rows) {
  std::vector<float> out(rows.used_bytes() / sizeof(float));
  rows.gather(0, rows.rows(), out.data());
  return out;
}

/// Everything that one way of reading the ids leaves behind.
struct Ran {
  std::map<NodeId, std::vector<float>> rows;
  std::vector<float> logits, pooled;

  bool operator==(const Ran&) const = default;
};

Taps all_taps(const Graph& graph) {
  Taps taps;
  for (const Node& node : graph.nodes) taps.insert(node.id);
  return taps;
}

bool cached(const Graph& graph) {
  return std::ranges::any_of(graph.nodes, [](const Node& node) { return node.op == Op::cache; });
}

/// Reads the ids in pieces of the given sizes; logits of the last position when there are any.
Ran read(const ModelPtr& model, Backend& backend, Plan& plan, std::span<const int32_t> ids, std::vector<int64_t> pieces,
         const std::vector<MaskRule>& masks) {
  State state = empty_state(*model->graph, backend.arena());
  Recording recording;
  Output out;
  int64_t past = 0;
  for (int64_t piece : pieces) {
    Feed feed{.ids = ids.subspan(static_cast<size_t>(past), static_cast<size_t>(piece)), .past = past, .masks = masks};
    feed.logits_begin = past + piece - 1, feed.logits_end = past + piece;
    const auto ran = plan.run(feed, state, recording, out);
    if (!ran) qFatal("%s", ran.error().text.c_str());
    past += piece;
  }
  Ran result{.logits = out.logits, .pooled = out.pooled};
  for (const auto& [id, rows] : state) result.rows[id] = dense(rows);
  for (const auto& [id, rows] : recording) result.rows[id] = dense(rows);
  return result;
}

}  // namespace

class TestCpuPlan : public QObject {
  Q_OBJECT

 private:
  void corners(bool (*wanted)(const Graph&) = [](const Graph&) { return true; }) {
    QTest::addColumn<ModelPtr>("model");
    int n = 0;
    for (const Architecture& architecture : architectures())
      for (const ModelSpec& spec : architecture.corners())
        if (const ModelPtr model = model_of(spec); wanted(*model->graph))
          QTest::addRow("%s/%d", std::string(architecture.name).c_str(), n++) << model;
  }

  std::unique_ptr<Plan> compile(Backend& backend, const ModelPtr& model, const Taps& taps) {
    auto plan = backend.compile(model, taps);
    return plan ? std::move(*plan) : nullptr;
  }

 private slots:
  void every_node_data() { corners(); }
  void every_node() {
    QFETCH(ModelPtr, model);
    const auto backend = make_cpu_backend(2);
    const auto plan = compile(*backend, model, all_taps(*model->graph));
    const int64_t most = model->spec.n_ctx;
    for (int64_t T : {int64_t{1}, std::min<int64_t>(7, most), std::min<int64_t>(33, most), most}) {
      std::vector<std::vector<MaskRule>> kinds = {model->spec.masks};
      auto bits = std::make_shared<MaskBits>(T, T);
      for (int64_t i = 0; i < T; ++i)
        for (int64_t j = 0; j < T; ++j) bits->set(i, j, i != 2 && (i + 2 * j) % 3 != 1);
      for (const MaskRule& rule : {MaskRule{MaskRule::Kind::Window, 4}, MaskRule{MaskRule::Kind::Prefix, 3},
                                   MaskRule{MaskRule::Kind::Custom, 0, bits}})
        kinds.push_back(std::vector<MaskRule>(model->spec.masks.size(), rule));
      for (const auto& masks : kinds) {
        const auto ids = some_ids(model->spec, T);
        const Ran ran = read(model, *backend, *plan, ids, {T}, masks);
        const Interpreter want(*model, ids, masks);
        for (const Node& node : model->graph->nodes) {  // all that has a row a token was recorded
          const bool ids_or_map = node.shape.size() == 1 || node.op == Op::mask || node.op == Op::probs;
          const bool rows_are_tokens =
              node.shape[0].law == Law::T || (node.shape.size() > 1 && node.shape[1].law != Law::Fixed);
          QCOMPARE(ran.rows.contains(node.id), !node.head && !ids_or_map && rows_are_tokens);
        }
        for (const auto& [id, rows] : ran.rows) {
          const Doubles& twin = want.rows[static_cast<size_t>(id)];
          QCOMPARE(rows.size(), twin.size());
          const double worst = difference(rows.data(), twin);
          QVERIFY2(worst < 2e-5, qPrintable(QString("%1 %2").arg((*model->graph)[id].path.c_str()).arg(worst)));
        }
        const NodeId logits = model->graph->logits, pooled = model->graph->pooled;
        if (logits != no_node) {
          const Doubles& all = want.rows[static_cast<size_t>(logits)];
          const auto V = static_cast<int64_t>(ran.logits.size());
          QVERIFY(difference(ran.logits.data(), Doubles(all.end() - V, all.end())) < 5e-5);
        }
        if (pooled != no_node) QVERIFY(difference(ran.pooled.data(), want.rows[static_cast<size_t>(pooled)]) < 2e-5);
      }
    }
  }

  void in_pieces_data() { corners(cached); }
  void in_pieces() {  // cached equals uncached, and the same pieces give the same bits with any number of threads
    QFETCH(ModelPtr, model);
    const int64_t T = std::min<int64_t>(40, model->spec.n_ctx);
    const auto ids = some_ids(model->spec, T);
    const auto one = make_cpu_backend(1), many = make_cpu_backend(3);
    const auto plan = compile(*one, model, all_taps(*model->graph)),
               other = compile(*many, model, all_taps(*model->graph));
    const Ran whole = read(model, *one, *plan, ids, {T}, model->spec.masks);
    QVERIFY(whole == read(model, *many, *other, ids, {T}, model->spec.masks));
    for (int64_t piece : {1, 7, 16}) {
      std::vector<int64_t> pieces(static_cast<size_t>(T / piece), piece);
      if (T % piece) pieces.push_back(T % piece);
      const Ran stepped = read(model, *one, *plan, ids, pieces, model->spec.masks);
      QVERIFY(stepped == read(model, *many, *other, ids, pieces, model->spec.masks));
      for (const auto& [id, rows] : whole.rows)
        QVERIFY(difference(stepped.rows.at(id).data(), Doubles(rows.begin(), rows.end())) < 1e-5);
      QVERIFY(difference(stepped.logits.data(), Doubles(whole.logits.begin(), whole.logits.end())) < 1e-5);
    }
  }

  void head_data() {
    corners([](const Graph& graph) { return graph.logits != no_node; });
  }
  void head() {
    QFETCH(ModelPtr, model);
    const Graph& graph = *model->graph;
    const auto backend = make_cpu_backend(2);
    const auto plan = compile(*backend, model, {graph.last_hidden});
    const int64_t T = std::min<int64_t>(30, model->spec.n_ctx);
    const auto ids = some_ids(model->spec, T);
    State state = empty_state(graph, backend->arena());
    Recording recording;
    Output out;
    Feed feed{.ids = ids, .masks = model->spec.masks, .logits_begin = T / 2, .logits_end = T};
    QVERIFY(plan->run(feed, state, recording, out));
    const auto V = static_cast<size_t>(model->spec.vocab_size);
    std::vector<float> logits(static_cast<size_t>(T) * V);
    QVERIFY(plan->head(recording.at(graph.last_hidden), 0, T, logits.data()));
    const Interpreter want(*model, ids, model->spec.masks);
    QVERIFY(difference(logits.data(), want.rows[static_cast<size_t>(graph.logits)]) < 5e-5);
    QCOMPARE(out.logits.size(), static_cast<size_t>(T - T / 2) * V);
    const size_t from = static_cast<size_t>(T / 2) * V;
    QVERIFY(difference(out.logits.data(), Doubles(logits.begin() + static_cast<int64_t>(from), logits.end())) < 1e-6);
  }

  /// A tap adds a line that records and changes nothing else; neither does it change a bit of the results.
  void taps_cost_nothing_when_off_data() { corners(); }
  void taps_cost_nothing_when_off() {
    QFETCH(ModelPtr, model);
    const auto backend = make_cpu_backend(1);
    const auto with = compile(*backend, model, all_taps(*model->graph)), without = compile(*backend, model, {});
    std::vector<std::string> lines = with->steps();
    QVERIFY(std::erase_if(lines, [](const std::string& line) { return line.starts_with("record "); }) > 3);
    QVERIFY(lines == without->steps());
    const auto ids = some_ids(model->spec, std::min<int64_t>(20, model->spec.n_ctx));
    const auto T = static_cast<int64_t>(ids.size());
    const Ran a = read(model, *backend, *with, ids, {T}, model->spec.masks),
              b = read(model, *backend, *without, ids, {T}, model->spec.masks);
    QVERIFY(a.logits == b.logits && a.pooled == b.pooled);
  }

  void cancelled_leaves_all_as_it_was() {
    const ModelPtr model = model_of(architecture_named("gpt2").corners()[0]);
    const Graph& graph = *model->graph;
    const auto backend = make_cpu_backend(2);
    const auto plan = compile(*backend, model, all_taps(graph));
    const auto ids = some_ids(model->spec, 5);
    State state = empty_state(graph, backend->arena());
    Recording recording;
    Output out;
    Feed feed{.ids = std::span(ids).first(3), .masks = model->spec.masks};
    QVERIFY(plan->run(feed, state, recording, out));
    std::map<NodeId, std::vector<float>> before;
    for (const auto& [id, rows] : recording) before[id] = dense(rows);
    Progress progress;
    std::thread watcher([&] {  // somewhere in the middle, when that can be hit
      while (progress.fraction < 0.3f && !progress.cancelled) std::this_thread::yield();
      progress.cancelled = true;
    });
    feed.ids = std::span(ids).subspan(3);
    feed.past = 3;
    feed.progress = &progress;
    const auto ran = plan->run(feed, state, recording, out);
    progress.cancelled = true;
    watcher.join();
    if (!ran) {
      QCOMPARE(ran.error().text, std::string("cancelled"));
      for (const auto& [id, rows] : state) QCOMPARE(rows.rows(), int64_t{3});
      for (const auto& [id, rows] : recording) QVERIFY(dense(rows) == before.at(id));
    }
    Progress refused;
    refused.cancelled = true;
    feed.progress = &refused;
    State fresh = empty_state(graph, backend->arena());
    Recording nothing;
    feed.past = 0;
    QVERIFY(!plan->run(feed, fresh, nothing, out));
    QVERIFY(nothing.empty());
    for (const auto& [id, rows] : fresh) QCOMPARE(rows.rows(), int64_t{0});
  }

  /// A model large enough that its work is cut in pieces.
  static ModelPtr large() {
    ModelSpec spec = architecture_named("gpt2").corners()[0];
    spec.vocab_size = 3000, spec.d_model = 256, spec.n_ctx = 160;
    for (LayerSpec& layer : spec.layers) {
      layer.attention.d_model = 256, layer.attention.n_heads = layer.attention.n_kv_heads = 8;
      layer.attention.head_dim = 32, layer.ffn.d_ff = 1024;
    }
    return model_of(spec);
  }

  void threads_change_no_bit() {
    const ModelPtr model = large();
    const auto ids = some_ids(model->spec, 160);
    const auto one = make_cpu_backend(1), many = make_cpu_backend(3);
    const auto plan = compile(*one, model, all_taps(*model->graph)),
               other = compile(*many, model, all_taps(*model->graph));
    const std::vector<int64_t> pieces = {140, 16, 3, 1};
    const Ran want = read(model, *one, *plan, ids, pieces, model->spec.masks);
    for (int i = 0; i < 5; ++i) QVERIFY(want == read(model, *many, *other, ids, pieces, model->spec.masks));
  }

  void two_threads_may_share_a_backend() {
    const ModelPtr model = large();
    const auto backend = make_cpu_backend(3);
    const auto ids = some_ids(model->spec, 150);
    const auto once = [&] {
      const auto plan = compile(*backend, model, {});
      return read(model, *backend, *plan, ids, {149, 1}, model->spec.masks);
    };
    const Ran want = once();
    std::vector<Ran> got(3);
    std::vector<std::thread> threads;
    for (Ran& ran : got)
      threads.emplace_back([&] {
        for (int i = 0; i < 3; ++i) ran = once();
      });
    for (std::thread& thread : threads) thread.join();
    for (const Ran& ran : got) QVERIFY(ran == want);
  }

  void times_and_info() {
    const ModelPtr model = model_of(architecture_named("gpt2").corners()[0]);
    const auto backend = make_cpu_backend(2);
    QCOMPARE(backend->info().name, std::string("cpu"));
    QVERIFY(QString::fromStdString(backend->info().device).endsWith(", 2 threads"));
    const auto plan = compile(*backend, model, {});
    State state = empty_state(*model->graph, backend->arena());
    Recording recording;
    Output out;
    const auto ids = some_ids(model->spec, 3);
    QVERIFY(plan->run({.ids = ids, .masks = model->spec.masks}, state, recording, out));
    QVERIFY(recording.empty());
    QVERIFY(out.logits.empty());
    QCOMPARE(out.node_ms.size(), model->graph->nodes.size());
    for (const Node& node : model->graph->nodes) {
      const float ms = out.node_ms[static_cast<size_t>(node.id)];
      if (is_view(node.op) || is_answer(node.op) || node.head)
        QCOMPARE(ms, 0.f);
      else if (node.op == Op::linear)
        QVERIFY(ms > 0);
    }
  }
};

QTEST_GUILESS_MAIN(TestCpuPlan)
#include "test_cpu_plan.moc"
