// What the laws over every variant don't ask of a Vulkan plan: memory, times, failures, switching models.
#include "tests/gpu/gpu_test.h"

#include "engine/session.h"
#include "tests/support/run.h"

using namespace cutaway;

class TestPlan : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase();
  void same_as_the_cpu_backend_data();
  void same_as_the_cpu_backend();
  void reruns_are_bit_identical();
  void times_of_nodes();
  void cancelled_run_changes_nothing();
  void refused_ids_change_nothing();
  void memory_comes_back();
  void reading_back_is_counted();
  void session_forward_and_back();
  void wide_heads_are_refused();
  void cleanup() { QVERIFY2(complaints().isEmpty(), complaints()); }
  void cleanupTestCase() {
    device_.reset();
    by_groups_.reset();
    test_device_slot().reset();
  }

 private:
  static ModelPtr gpt2(size_t corner = 0) { return tests::random_model(architecture_named("gpt2").corners()[corner]); }
  std::shared_ptr<Backend> device_, by_groups_;
};

void TestPlan::initTestCase() {
  NEED_DEVICE();
  device_ = *make_vulkan_backend(test_device());
  by_groups_ = std::make_shared<VulkanBackend>(test_device(), VulkanBackend::Attend::ByGroups);
}

void TestPlan::same_as_the_cpu_backend_data() {
  QTest::addColumn<QString>("architecture");
  QTest::addColumn<int>("piece");
  for (const Architecture& architecture : architectures()) {
    const QString name = QString::fromStdString(std::string(architecture.name));
    QTest::addRow("%s, all at once", qPrintable(name)) << name << 0;
    if (build_graph(architecture.corners()[0]).cache_values_per_token() > 0)
      QTest::addRow("%s, token by token", qPrintable(name)) << name << 1;
  }
}

void TestPlan::same_as_the_cpu_backend() {
  NEED_DEVICE();
  QFETCH(QString, architecture);
  QFETCH(int, piece);
  const auto host = make_cpu_backend(2);
  for (const ModelSpec& spec : architecture_named(architecture.toStdString()).corners()) {
    const ModelPtr model = tests::random_model(spec);
    const Taps taps = tests::all_taps(*model->graph);
    const auto ids = tests::random_ids(spec, 29);
    const auto want = tests::run(host, model, taps, ids, spec.masks, piece);
    for (const auto& there : {device_, by_groups_}) {
      const auto got = tests::run(there, model, taps, ids, spec.masks, piece);
      QVERIFY(got && want);
      WITHIN(got->logits, want->logits, 2e-5);
      WITHIN(got->pooled, want->pooled, 1e-5);
      for (const auto& [path, rows] : want->rows) WITHIN(got->rows.at(path), rows, 1e-5);
    }
  }
}

void TestPlan::reruns_are_bit_identical() {
  NEED_DEVICE();
  const ModelPtr model = gpt2();
  const auto ids = tests::random_ids(model->spec, 40);
  const auto once = tests::run(device_, model, {}, ids, {MaskRule{}}),
             again = tests::run(device_, model, {}, ids, {MaskRule{}});
  QVERIFY(once && again);
  QVERIFY(!once->logits.empty());
  QCOMPARE(std::memcmp(once->logits.data(), again->logits.data(), once->logits.size() * sizeof(float)), 0);
}

void TestPlan::times_of_nodes() {
  NEED_DEVICE();
  const ModelPtr model = gpt2();
  const Graph& graph = *model->graph;
  const auto session = Session::start(model, device_);
  QVERIFY(session);
  const auto step = (*session)->read_ids(tests::random_ids(model->spec, 40));
  QVERIFY2(step, step ? "" : step.error().text.c_str());
  QCOMPARE((*step)->node_ms.size(), graph.nodes.size());
  double sum = 0;
  for (const Node& node : graph.nodes) {
    const float ms = (*step)->node_ms[static_cast<size_t>(node.id)];
    const bool works = node.op != Op::tokens && node.op != Op::positions && node.op != Op::split_heads &&
                       node.op != Op::merge_heads && node.op != Op::take_rows && node.op != Op::lse &&
                       node.op != Op::mask && node.op != Op::probs;
    QVERIFY2(works ? ms > 0 : ms == 0, node.path.c_str());
    sum += ms;
  }
  QVERIFY(sum <= (*step)->pass_ms);
}

void TestPlan::cancelled_run_changes_nothing() {
  NEED_DEVICE();
  const ModelPtr model = gpt2();
  const auto session = Session::start(model, device_);
  QVERIFY(session);
  const auto before = (*session)->read_ids(tests::random_ids(model->spec, 20));
  QVERIFY(before);
  Progress progress;
  progress.cancelled = true;
  const auto stopped = (*session)->append(3, &progress);
  QVERIFY(!stopped);
  QCOMPARE(stopped.error().text, std::string("cancelled"));
  QCOMPARE((*session)->now(), *before);
  QVERIFY((*session)->append(3));
  QCOMPARE((*session)->now()->positions(), 21);
}

void TestPlan::refused_ids_change_nothing() {
  NEED_DEVICE();
  const ModelPtr model = gpt2();
  const auto plan = device_->compile(model, {});
  QVERIFY(plan);
  State state = empty_state(*model->graph, device_->arena());
  Recording recording;
  Output out;
  const std::vector<int32_t> high{1, static_cast<int32_t>(model->spec.vocab_size)};
  const auto ran = (*plan)->run({.ids = high, .masks = {MaskRule{}}}, state, recording, out);
  QVERIFY(!ran);
  QVERIFY2(ran.error().text.find(std::to_string(model->spec.vocab_size)) != std::string::npos,
           ran.error().text.c_str());
  for (const auto& [node, rows] : state) QCOMPARE(rows.rows(), 0);
}

/// Pages, weights and scratch go back: ten models one after another need no more than two.
void TestPlan::memory_comes_back() {
  NEED_DEVICE();
  const auto arena = device_->arena();
  size_t after_two = 0;
  for (int round = 0; round < 10; ++round) {
    const auto ran =
        tests::run(device_, gpt2(static_cast<size_t>(round % 3)), {}, {1, 2, 3, 4, 5, 6, 7, 8}, {MaskRule{}});
    QVERIFY(ran);
    if (round == 2) after_two = test_device()->memory().blocks_bytes();
  }
  QCOMPARE(arena->live_bytes(), size_t{0});
  QCOMPARE(test_device()->memory().blocks_bytes(), after_two);
}

void TestPlan::reading_back_is_counted() {
  NEED_DEVICE();
  const ModelPtr model = gpt2();
  const auto session = Session::start(model, device_);
  QVERIFY(session);
  const size_t before = device_->bytes_read_back();
  QVERIFY((*session)->read_ids(tests::random_ids(model->spec, 20)));
  // Of a whole pass the host sees one row of logits and nothing else.
  QCOMPARE(device_->bytes_read_back() - before, static_cast<size_t>(model->spec.vocab_size) * sizeof(float));
}

void TestPlan::session_forward_and_back() {
  NEED_DEVICE();
  const ModelPtr model = gpt2(2);
  const auto session = Session::start(model, device_);
  QVERIFY(session);
  QVERIFY((*session)->read_ids(tests::random_ids(model->spec, 15)));
  std::vector<std::vector<float>> logits;
  for (int i = 0; i < 6; ++i) {
    QVERIFY((*session)->step({}));
    logits.push_back((*session)->now()->logits);
  }
  QVERIFY((*session)->back(4));
  QCOMPARE((*session)->now()->logits, logits[1]);
  QVERIFY((*session)->append((*session)->now()->ids[3]));  // another way: the pages behind fork
  const auto other = (*session)->now()->logits;
  QVERIFY((*session)->back(1));
  QCOMPARE((*session)->now()->logits, logits[1]);
  QVERIFY((*session)->step({}));
  QCOMPARE((*session)->now()->logits, logits[2]);
  QVERIFY(other != logits[2]);
}

void TestPlan::wide_heads_are_refused() {
  NEED_DEVICE();
  ModelSpec spec = architecture_named("gpt2").corners()[0];
  spec.d_model = 1100;
  for (LayerSpec& layer : spec.layers)
    layer.attention.d_model = 1100, layer.attention.n_heads = layer.attention.n_kv_heads = 1,
    layer.attention.head_dim = 1100;
  const auto plan = device_->compile(tests::random_model(spec), {});
  QVERIFY(!plan);
  QCOMPARE(plan.error().fault, Fault::Machine);
  QVERIFY2(plan.error().text.find("1100") != std::string::npos && plan.error().text.find("1024") != std::string::npos,
           plan.error().text.c_str());
}

QTEST_APPLESS_MAIN(TestPlan)
#include "test_plan.moc"
