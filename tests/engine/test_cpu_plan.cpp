// Plans of the CPU backend on the corner shapes of every architecture, node by node against the interpreter in fp64.
#include <QtTest>
#include <cmath>
#include <cstring>
#include <thread>

#include "engine/cpu/layout.h"
#include "engine/snapshot.h"
#include "tests/support/interpreter.h"
#include "tests/support/run.h"

using namespace cutaway;
using namespace cutaway::tests;

namespace {

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

Taps every_tap(const Graph& graph) {
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
  const std::vector<int32_t> source = random_source(model->spec);
  int64_t past = 0;
  for (int64_t piece : pieces) {
    Feed feed{.ids = ids.subspan(static_cast<size_t>(past), static_cast<size_t>(piece)),
              .source_tokens = static_cast<int64_t>(source.size()),
              .past = past,
              .masks = masks};
    if (past == 0) feed.source = source;
    feed.logits_begin = past + piece - 1, feed.logits_end = past + piece;
    const auto ran = plan.run(feed, state, recording, out);
    if (!ran) qFatal("%s", ran.error().text.c_str());
    past += piece;
  }
  Ran result{.logits = out.logits, .pooled = out.pooled};
  for (const auto& [id, rows] : recording) result.rows[id] = dense(rows);
  for (const auto& [id, rows] : state)
    if (keeps_all((*model->graph)[id])) result.rows[id] = dense(rows);
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
        if (const ModelPtr model = random_model(spec); wanted(*model->graph))
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
    const auto plan = compile(*backend, model, every_tap(*model->graph));
    const int64_t most = model->spec.n_ctx;
    for (int64_t T : {int64_t{1}, std::min<int64_t>(7, most), std::min<int64_t>(33, most), most}) {
      std::vector<std::vector<MaskRule>> kinds = {model->spec.masks};
      auto bits = std::make_shared<MaskBits>(T, T);
      for (int64_t i = 0; i < T; ++i)
        for (int64_t j = 0; j < T; ++j) bits->set(i, j, i != 2 && (i + 2 * j) % 3 != 1);
      for (const MaskRule& rule : {MaskRule{MaskRule::Kind::Window, 4}, MaskRule{MaskRule::Kind::Prefix, 3},
                                   MaskRule{MaskRule::Kind::Custom, 0, bits}})
        kinds.push_back(under(*model, rule));
      for (const auto& masks : kinds) {
        const auto ids = random_ids(model->spec, T);
        const Ran ran = read(model, *backend, *plan, ids, {T}, masks);
        const auto source = random_source(model->spec);
        const Interpreter want(*model, ids, masks, source);
        for (const Node& node : model->graph->nodes) {  // all that has a row a token was recorded
          const bool ids_or_map = node.shape.size() == 1 || node.op == Op::mask || node.op == Op::probs;
          const bool rows_are_tokens =
              node.shape[0].law == Law::T ||
              (node.shape.size() > 1 && node.shape[1].law != Law::Fixed && node.shape[1].law != Law::Distances);
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
    const auto ids = random_ids(model->spec, T);
    const auto one = make_cpu_backend(1), many = make_cpu_backend(3);
    const auto plan = compile(*one, model, every_tap(*model->graph)),
               other = compile(*many, model, every_tap(*model->graph));
    const Ran whole = read(model, *one, *plan, ids, {T}, model->spec.masks);
    QVERIFY(whole == read(model, *many, *other, ids, {T}, model->spec.masks));
    for (int64_t piece : {1, 7, 16}) {
      std::vector<int64_t> pieces(static_cast<size_t>(T / piece), piece);
      if (T % piece) pieces.push_back(T % piece);
      const Ran stepped = read(model, *one, *plan, ids, pieces, model->spec.masks);
      QVERIFY(stepped == read(model, *many, *other, ids, pieces, model->spec.masks));
      for (const auto& [id, rows] : whole.rows)
        if (const double worst = difference(stepped.rows.at(id).data(), Doubles(rows.begin(), rows.end()));
            worst >= 1e-5)
          QFAIL(qPrintable(QString("%1 %2").arg((*model->graph)[id].path.c_str()).arg(worst)));
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
    const auto ids = random_ids(model->spec, T);
    State state = empty_state(graph, backend->arena());
    Recording recording;
    Output out;
    const auto source = random_source(model->spec);
    Feed feed{.ids = ids,
              .source = source,
              .source_tokens = static_cast<int64_t>(source.size()),
              .masks = model->spec.masks,
              .logits_begin = T / 2,
              .logits_end = T};
    QVERIFY(plan->run(feed, state, recording, out));
    const auto V = static_cast<size_t>(model->spec.vocab_size);
    std::vector<float> logits(static_cast<size_t>(T) * V);
    QVERIFY(plan->head(recording.at(graph.last_hidden), 0, T, logits.data()));
    const Interpreter want(*model, ids, model->spec.masks, source);
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
    const auto with = compile(*backend, model, every_tap(*model->graph)), without = compile(*backend, model, {});
    std::vector<std::string> lines = with->steps();
    QVERIFY(std::erase_if(lines, [](const std::string& line) { return line.starts_with("record "); }) > 3);
    QVERIFY(lines == without->steps());
    const auto ids = random_ids(model->spec, std::min<int64_t>(20, model->spec.n_ctx));
    const auto T = static_cast<int64_t>(ids.size());
    const Ran a = read(model, *backend, *with, ids, {T}, model->spec.masks),
              b = read(model, *backend, *without, ids, {T}, model->spec.masks);
    QVERIFY(a.logits == b.logits && a.pooled == b.pooled);
  }

  void cancelled_leaves_all_as_it_was() {
    const ModelPtr model = random_model(architecture_named("gpt2").corners()[0]);
    const Graph& graph = *model->graph;
    const auto backend = make_cpu_backend(2);
    const auto plan = compile(*backend, model, every_tap(graph));
    const auto ids = random_ids(model->spec, 5);
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
    return random_model(spec);
  }

  void threads_change_no_bit() {
    const ModelPtr model = large();
    const auto ids = random_ids(model->spec, 160);
    const auto one = make_cpu_backend(1), many = make_cpu_backend(3);
    const auto plan = compile(*one, model, every_tap(*model->graph)),
               other = compile(*many, model, every_tap(*model->graph));
    const std::vector<int64_t> pieces = {140, 16, 3, 1};
    const Ran want = read(model, *one, *plan, ids, pieces, model->spec.masks);
    for (int i = 0; i < 5; ++i) QVERIFY(want == read(model, *many, *other, ids, pieces, model->spec.masks));
  }

  void two_threads_may_share_a_backend() {
    const ModelPtr model = large();
    const auto backend = make_cpu_backend(3);
    const auto ids = random_ids(model->spec, 150);
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
    const ModelPtr model = random_model(architecture_named("gpt2").corners()[0]);
    const auto backend = make_cpu_backend(2);
    QCOMPARE(backend->info().name, std::string("cpu"));
    QVERIFY(QString::fromStdString(backend->info().device).endsWith(", 2 threads"));
    const auto plan = compile(*backend, model, {});
    State state = empty_state(*model->graph, backend->arena());
    Recording recording;
    Output out;
    const auto ids = random_ids(model->spec, 3);
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
