// Traces: what is written against a softmax in double, what is read back against what was run, and refusals.
#include <QTemporaryDir>
#include <QTest>
#include <cmath>
#include <random>

#include "engine/files/safetensors.h"
#include "engine/session.h"
#include "engine/trace.h"

using namespace cutaway;

namespace {

ModelPtr random_model(const char* architecture, size_t corner = 0) {
  auto model = std::make_shared<Model>();
  model->spec = architecture_named(architecture).corners()[corner];
  model->name = model->spec.name;
  model->graph = std::make_shared<const Graph>(build_graph(model->spec));
  model->weights = random_weights(*model->graph, 3, DType::F32, 0.2f);
  return model;
}

/// A step with everything recorded that a trace may hold.
SnapshotPtr run(const ModelPtr& model, const std::vector<std::string>& globs, int64_t steps = 0) {
  auto session = Session::start(model, make_cpu_backend(2));
  if (!session) qFatal("%s", session.error().text.c_str());
  const auto taps = trace_taps(*model->graph, globs, 9);
  if (!taps) qFatal("%s", taps.error().text.c_str());
  if (auto ok = (*session)->set_taps(*taps); !ok) qFatal("%s", ok.error().text.c_str());
  if (auto ok = (*session)->read_ids({5, 9, 3, 3, 60, 1, 0, 8, 2}, "nine"); !ok) qFatal("%s", ok.error().text.c_str());
  for (int64_t i = 0; i < steps; ++i)
    if (auto ok = (*session)->step({}); !ok) qFatal("%s", ok.error().text.c_str());
  return (*session)->now();
}

std::vector<float> floats(const TensorFiles& files, const std::string& name) {
  const FileTensor* t = files.find(name);
  if (!t) qFatal("no %s", name.c_str());
  std::vector<float> out(static_cast<size_t>(elements(t->shape)));
  to_float({t->data.data(), *t->dtype, t->shape}, out.data());
  return out;
}

std::vector<float> whole_map(const SnapshotPtr& step, const std::string& name, int64_t head) {
  const int64_t n = step->positions();
  TileRequest request{
      .step = step, .probs = step->graph().named(name), .head = head, .queries = {0, n}, .keys = {0, n}};
  request.rows = request.columns = n;
  const auto tile = host_tile(request);
  if (!tile) qFatal("%s", tile.error().text.c_str());
  return tile->values;
}

float worst(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return INFINITY;
  float most = 0;
  for (size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

struct Made {
  std::string name;
  DType dtype;
  Shape shape;
  std::vector<float> values;  // one value is repeated
};

using Metadata = std::map<std::string, std::string>;
const Metadata good_metadata = {{"format", "cutaway-trace"},
                                {"version", "1"},
                                {"model", "m"},
                                {"backend", "cpu"},
                                {"program", "test"},
                                {"input_ids", "[1,2,3]"},
                                {"tokens", R"(["a","b","c"])"},
                                {"attention", R"({"layers.0.attn":{"scale":0.5,"mask":"causal"}})"}};

Metadata with(const char* key, const std::string& value) {
  Metadata metadata = good_metadata;
  metadata[key] = value;
  return metadata;
}

std::string save(const QTemporaryDir& dir, const Metadata& metadata, const std::vector<Made>& tensors) {
  const std::string path = dir.filePath("t.safetensors").toStdString();
  std::vector<SafetensorsWriter::Entry> entries;
  for (const Made& t : tensors) entries.push_back({t.name, t.dtype, t.shape});
  auto out = SafetensorsWriter::create(path, metadata, entries);
  for (const auto& entry : out->entries()) {
    const Made& t = *std::ranges::find(tensors, entry.name, &Made::name);
    std::string bytes;
    for (int64_t i = 0; i < elements(t.shape); ++i) {
      const float v = t.values[static_cast<size_t>(i) % t.values.size()];
      const uint16_t half = float_to_half(v);
      const uint8_t byte = static_cast<uint8_t>(v);
      if (t.dtype == DType::F16)
        bytes.append(reinterpret_cast<const char*>(&half), 2);
      else if (t.dtype == DType::U8)
        bytes.append(reinterpret_cast<const char*>(&byte), 1);
      else
        bytes.append(reinterpret_cast<const char*>(&v), bytes_of(t.dtype));
    }
    if (!out->append(std::as_bytes(std::span(bytes)))) qFatal("not written");
  }
  if (!out->commit()) qFatal("not written");
  return path;
}

}  // namespace

class TestTrace : public QObject {
  Q_OBJECT
 private slots:
  void globs() {
    QVERIFY(glob_matches("*", "layers.0.attn.probs"));
    QVERIFY(glob_matches("layers.*.attn.q", "layers.12.attn.q"));
    QVERIFY(glob_matches("hidden.?", "hidden.3"));
    QVERIFY(!glob_matches("hidden.?", "hidden.33"));
    QVERIFY(!glob_matches("layers.0", "layers.0.attn.q"));
    QVERIFY(glob_matches("*a*b*", "xxaxxbxx") && !glob_matches("*a*b*", "xxbxxaxx"));
    QVERIFY(!glob_matches("", "a") && glob_matches("", ""));
    QVERIFY(!glob_matches(std::string(50, '*') + "b", std::string(100000, 'a')));
  }

  void written_is_what_ran_data() {
    QTest::addColumn<QString>("architecture");
    QTest::addColumn<int>("steps");
    QTest::newRow("gpt2") << "gpt2" << 0;
    QTest::newRow("gpt2, three steps") << "gpt2" << 3;
    QTest::newRow("bert") << "bert" << 0;
  }
  void written_is_what_ran() {
    QFETCH(QString, architecture);
    QFETCH(int, steps);
    QTemporaryDir dir;
    const std::string path = dir.filePath("t.safetensors").toStdString();
    const ModelPtr model = random_model(architecture.toStdString().c_str());
    const SnapshotPtr step = run(model, {"*"}, steps);
    const auto ok = write_trace(step, path, {"*"}, "cutaway test");
    QVERIFY2(ok, ok ? "" : ok.error().text.c_str());
    const auto files = *TensorFiles::open_file(path);
    const int64_t T = 9 + steps, D = model->spec.d_model, V = model->spec.vocab_size, H = 4, Dh = D / H;
    QCOMPARE(files->metadata().at("format"), std::string("cutaway-trace"));
    QCOMPARE(files->metadata().at("program"), std::string("cutaway test"));
    const bool causal = architecture != "bert";
    QVERIFY(files->metadata().at("attention").find(causal ? "causal" : "bidirectional") != std::string::npos);
    QCOMPARE(files->find("logits")->shape, Shape({T, V}));
    QCOMPARE(files->find("hidden.embed")->shape, Shape({T, D}));
    QVERIFY(files->find("hidden.1") && !files->find("hidden.2"));
    const auto q = floats(*files, "layers.1.attn.q"), k = floats(*files, "layers.1.attn.k");
    const auto probs = floats(*files, "layers.1.attn.probs"), lse = floats(*files, "layers.1.attn.lse");
    const auto mask = floats(*files, "layers.1.attn.mask");
    QCOMPARE(files->find("layers.1.attn.q")->shape, Shape({H, T, Dh}));
    double worst_p = 0, worst_lse = 0;
    for (int64_t h = 0; h < H; ++h)
      for (int64_t i = 0; i < T; ++i) {
        std::vector<double> e(static_cast<size_t>(T));
        double sum = 0;
        for (int64_t j = 0; j < (causal ? i + 1 : T); ++j) {
          double dot = 0;
          for (int64_t d = 0; d < Dh; ++d)
            dot += double(q[size_t((h * T + i) * Dh + d)]) * k[size_t((h * T + j) * Dh + d)];
          sum += e[size_t(j)] = std::exp(dot / std::sqrt(double(Dh)));
        }
        for (int64_t j = 0; j < T; ++j) {
          worst_p = std::max(worst_p, std::abs(probs[size_t((h * T + i) * T + j)] - e[size_t(j)] / sum));
          QCOMPARE(mask[size_t(i * T + j)], !causal || j <= i ? 1.f : 0.f);
        }
        worst_lse = std::max(worst_lse, std::abs(lse[size_t(h * T + i)] - std::log(sum)));
      }
    QVERIFY2(worst_p < 2e-6 && worst_lse < 1e-5, qPrintable(QString("%1 %2").arg(worst_p).arg(worst_lse)));
    if (causal) {
      const auto logits = floats(*files, "logits");
      QVERIFY(worst({logits.end() - V, logits.end()}, step->logits) < 1e-5f);
    }
  }

  void maps_read_back_are_the_same_data() {
    QTest::addColumn<QStringList>("globs");
    QTest::newRow("with probs") << QStringList{"*"};
    QTest::newRow("probs alone") << QStringList{"*.probs"};
    QTest::newRow("q, k and lse alone") << QStringList{"*.q", "*.k", "*.lse"};
  }
  void maps_read_back_are_the_same() {
    QFETCH(QStringList, globs);
    std::vector<std::string> picks;
    for (const QString& glob : globs) picks.push_back(glob.toStdString());
    for (const char* architecture : {"gpt2", "bert"}) {
      QTemporaryDir dir;
      const std::string path = dir.filePath("t.safetensors").toStdString();
      const SnapshotPtr step = run(random_model(architecture), picks);
      QVERIFY(write_trace(step, path, picks, "test"));
      const auto back = read_trace(path);
      QVERIFY2(back, back ? "" : back.error().text.c_str());
      QVERIFY((*back)->ids == step->ids && (*back)->pieces == step->pieces);
      QCOMPARE((*back)->text, std::string("nine"));
      QCOMPARE((*back)->model->name, step->model->name);
      QCOMPARE((*back)->graph().blocks_with(Role::Probs).size(), size_t(2));
      QVERIFY(!(*back)->backend && (*back)->serial != step->serial);
      for (const char* name : {"layers.0.attn.probs", "layers.1.attn.probs"})
        for (int64_t head = 0; head < 4; ++head)
          QVERIFY(worst(whole_map(*back, name, head), whole_map(step, name, head)) < 1e-6f);
      if (picks[0] == "*" && !step->logits.empty()) QVERIFY(worst((*back)->logits, step->logits) < 1e-5f);
    }
  }

  void defaults_and_missing_names() {
    QTemporaryDir dir;
    const std::string path = dir.filePath("t.safetensors").toStdString();
    const SnapshotPtr step = run(random_model("gpt2"), {});
    QVERIFY(write_trace(step, path, {}, "test"));
    const auto files = *TensorFiles::open_file(path);
    QVERIFY(files->find("logits") && files->find("layers.0.attn.probs") && files->find("layers.0.attn.mask") &&
            files->find("layers.0.attn.lse"));
    QVERIFY(!files->find("layers.0.attn.q") && !files->find("hidden.0"));
    const auto missing = write_trace(step, path, {"nothing.*"}, "test");
    QVERIFY(!missing && missing.error().text.find("nothing.*") != std::string::npos);
    const auto not_recorded = write_trace(step, path, {"hidden.embed"}, "test");
    QVERIFY(!not_recorded && not_recorded.error().text.find("hidden.embed was not recorded") != std::string::npos);
    const auto unwritable = write_trace(step, dir.filePath("no/t").toStdString(), {}, "test");
    QVERIFY(!unwritable && unwritable.error().fault == Fault::Given);
    QVERIFY(TensorFiles::open_file(path));                  // the refused writes left the first file alone
    const auto taps = trace_taps(step->graph(), {}, 5000);  // a long text: q, k and lse in place of maps
    QVERIFY(taps && taps->contains(step->graph().named("layers.0.attn.q")));
  }

  void foreign_names_and_halves() {
    QTemporaryDir dir;
    const std::string attention = R"({"encoder.layers.0.attn":{"scale":1,"mask":"bidirectional"},
        "decoder.layers.0.attn":{"scale":1,"mask":"causal"},"decoder.layers.0.cross":{"scale":1,"mask":"bidirectional"}})";
    const auto back = read_trace(save(dir, with("attention", attention),
                                      {{"encoder.layers.0.attn.probs", DType::F32, {2, 5, 5}, {0.2f}},
                                       {"decoder.layers.0.attn.q", DType::F16, {2, 3, 4}, {0}},
                                       {"decoder.layers.0.attn.k", DType::F16, {1, 3, 4}, {0}},
                                       {"decoder.layers.0.attn.lse", DType::F32, {2, 3}, {0}},
                                       {"decoder.layers.0.cross.probs", DType::F32, {2, 3, 5}, {0.2f}},
                                       {"encoder.hidden.0", DType::F16, {5, 8}, {1}},
                                       {"layers.0.moe.load", DType::I32, {4}, {0}}}));
    QVERIFY2(back, back ? "" : back.error().text.c_str());
    const auto blocks = (*back)->graph().blocks_with(Role::Probs);
    QVERIFY((blocks ==
             std::vector<std::string>{"decoder.layers.0.attn", "decoder.layers.0.cross", "encoder.layers.0.attn"}));
    QCOMPARE((*back)->pieces.size(), size_t(5));
    const auto cross = whole_map(*back, "decoder.layers.0.cross.probs", 1);
    QCOMPARE(cross[4], 0.2f);
    QCOMPARE(cross[3 * 5], not_computed_cell);                             // the decoder has three tokens
    QCOMPARE(whole_map(*back, "decoder.layers.0.attn.probs", 0)[0], 1.f);  // exp(0 - 0)
  }

  void malformed_data() {
    QTest::addColumn<int>("row");
    for (size_t i = 0; i < malformed_rows().size(); ++i) QTest::newRow(malformed_rows()[i].says) << int(i);
  }
  void malformed() {
    QFETCH(int, row);
    QTemporaryDir dir;
    const Bad& bad = malformed_rows()[static_cast<size_t>(row)];
    const auto back = read_trace(save(dir, bad.metadata, bad.tensors));
    QVERIFY(!back);
    QVERIFY2(back.error().text.find(bad.says) != std::string::npos, back.error().text.c_str());
    QVERIFY(back.error().text.starts_with("t.safetensors"));
  }

 private:
  struct Bad {
    const char* says;
    Metadata metadata;
    std::vector<Made> tensors;
  };
  static const std::vector<Bad>& malformed_rows() {
    const Made probs{"layers.0.attn.probs", DType::F32, {2, 3, 3}, {0.3f}};
    const Made q{"layers.0.attn.q", DType::F32, {2, 3, 4}, {0}}, k{"layers.0.attn.k", DType::F32, {2, 3, 4}, {0}};
    const Made lse{"layers.0.attn.lse", DType::F32, {2, 3}, {0}};
    const auto changed = [](Made t, Shape shape) {
      t.shape = std::move(shape);
      return t;
    };
    const auto typed = [](Made t, DType dtype) {
      t.dtype = dtype;
      return t;
    };
    const auto valued = [](Made t, float v) {
      t.values = {v};
      return t;
    };
    static const std::vector<Bad> rows = {
        {"is not a trace", {}, {probs}},
        {"has the format \"other\"", with("format", "other"), {probs}},
        {"version 1 is read", with("version", "2"), {probs}},
        {"the metadata has no input_ids", with("input_ids", ""), {probs}},
        {"input_ids is not valid JSON", with("input_ids", "[1,"), {probs}},
        {"input_ids is 7", with("input_ids", "7"), {probs}},
        {"input_ids is []", with("input_ids", "[]"), {probs}},
        {"input_ids has -1", with("input_ids", "[1,-1,2]"), {probs}},
        {"input_ids has 4294967296", with("input_ids", "[1,4294967296,2]"), {probs}},
        {"tokens has 2", with("tokens", "[\"a\",2,\"c\"]"), {probs}},
        {"input_ids has 3 entries, tokens has 2", with("tokens", "[\"a\",\"b\"]"), {probs}},
        {"attention is []", with("attention", "[]"), {probs}},
        {"attention is not valid JSON", with("attention", "{"), {probs}},
        {"the scale of layers.0.attn is \"x\"",
         with("attention", R"({"layers.0.attn":{"scale":"x","mask":"causal"}})"),
         {probs}},
        {"mask is \"zigzag\"", with("attention", R"({"layers.0.attn":{"scale":1,"mask":"zigzag"}})"), {probs}},
        {"the mask of layers.0.attn is 3", with("attention", R"({"layers.0.attn":{"scale":1,"mask":3}})"), {probs}},
        {"neither a mask rule nor a mask tensor", with("attention", "{}"), {probs}},
        {"says no scale", with("attention", R"({"layers.0.attn":{"mask":"causal"}})"), {q, k, lse}},
        {"has a bias or a softcap",
         with("attention", R"({"layers.0.attn":{"scale":1,"mask":"causal","softcap":50}})"),
         {q, k, lse}},
        {"(H, T, S) is needed", good_metadata, {changed(probs, {3, 3})}},
        {"input_ids has 3 tokens", good_metadata, {changed(probs, {2, 4, 4})}},
        {"(2, 0, 3)", good_metadata, {changed(probs, {2, 0, 3})}},
        {"has the type I32", good_metadata, {typed(probs, DType::I32)}},
        {"has the weight 1.5", good_metadata, {valued(probs, 1.5f)}},
        {"has the weight -0.5", good_metadata, {valued(probs, -0.5f)}},
        {"has the weight nan", good_metadata, {valued(probs, NAN)}},
        {"layers.0.attn.k is (2, 3, 5)", good_metadata, {q, changed(k, {2, 3, 5}), lse}},
        {"must be a multiple of its 3 key heads",
         good_metadata,
         {changed(q, {4, 3, 4}), changed(k, {3, 3, 4}), changed(lse, {4, 3})}},
        {"layers.0.attn.q is (3, 3, 4)", good_metadata, {probs, changed(q, {3, 3, 4}), k, lse}},
        {"layers.0.attn.lse is (3, 3)", good_metadata, {q, k, changed(lse, {3, 3})}},
        {"layers.0.attn.mask is (3, 4)", good_metadata, {probs, {"layers.0.attn.mask", DType::U8, {3, 4}, {1}}}},
        {"U8 is needed", good_metadata, {probs, {"layers.0.attn.mask", DType::F32, {3, 3}, {1}}}},
        {"hidden.0 is (4, 8)", good_metadata, {probs, {"hidden.0", DType::F32, {4, 8}, {1}}}},
        {"logits is (2, 9)", good_metadata, {{"logits", DType::F32, {2, 9}, {1}}}},
        {"logits are of 2 ids", good_metadata, {{"logits", DType::F32, {3, 2}, {1}}}},
        {"logits hold values that are no finite", good_metadata, {{"logits", DType::F32, {3, 9}, {INFINITY}}}},
        {"holds no tensor that a view reads", good_metadata, {{"weights", DType::F32, {3}, {1}}}},
    };
    return rows;
  }
};

QTEST_APPLESS_MAIN(TestTrace)
#include "test_trace.moc"
