// Weights bound to files: every architecture's corners written in the checkpoint's own names and orientation, read back
// and compared element by element with a naive twin; every mismatch at once; random weights.
#include <QTemporaryDir>
#include <QTest>
#include <algorithm>
#include <cmath>
#include <map>
#include <thread>

#include "engine/files/safetensors.h"
#include "engine/weights.h"

using namespace cutaway;

namespace {

struct Plain {
  Shape shape;
  std::vector<float> values;
};
using PlainFile = std::map<std::string, Plain>;

float value_of(const std::string& name, int64_t element) {  // a small fraction that F16 and BF16 hold exactly
  return static_cast<float>(
             static_cast<int64_t>((std::hash<std::string>{}(name) + 31 * static_cast<size_t>(element)) % 127) - 63) /
         64;
}

/// The checkpoint that a model of that spec would have been saved as; fills `ours` with our own view of it.
PlainFile checkpoint(const Architecture& architecture, const ModelSpec& spec, const Graph& graph, PlainFile& ours) {
  PlainFile file;
  for (const TensorSchema& need : graph.schema) {
    const TensorSource source = architecture.source(spec, need.name);
    const std::string name = source.names.front();
    const int64_t in = need.shape.size() == 2 ? need.shape[1] : 1;
    Plain& whole = file[name];
    const int64_t end = source.file_row(need.shape[0] - 1) + 1;
    if (whole.shape.empty() || whole.shape[source.transposed] < end) {
      whole.shape = need.shape.size() == 1 ? Shape{end} : source.transposed ? Shape{in, end} : Shape{end, in};
    }
  }
  for (auto& [name, whole] : file)
    for (int64_t i = 0; i < elements(whole.shape); ++i) whole.values.push_back(value_of(name, i));
  for (const TensorSchema& need : graph.schema) {
    const TensorSource source = architecture.source(spec, need.name);
    const Plain& whole = file[source.names.front()];
    Plain& mine = ours[need.name];
    mine.shape = need.shape;
    const int64_t in = need.shape.size() == 2 ? need.shape[1] : 1;
    for (int64_t row = 0; row < need.shape[0]; ++row)
      for (int64_t k = 0; k < in; ++k) {
        const int64_t r = source.file_row(row);
        mine.values.push_back(
            whole.values[static_cast<size_t>(source.transposed ? k * whole.shape[1] + r : r * in + k)]);
      }
  }
  return file;
}

/// The sources of an architecture whose fused rows are [q | k | v], as if they were [H, 3, Dh].
template <bool nano>
TensorSource take_turns(const ModelSpec& spec, const std::string& name) {
  TensorSource source = architecture_named(nano ? "nanogpt" : "gpt2").source(spec, name);
  if (source.rows < 0) return source;
  const int64_t head_dim = spec.layers[0].attention.head_dim, part = source.row_begin / source.rows;
  source.row_begin = part * head_dim;
  source.block_rows = head_dim;
  source.block_period = 3 * head_dim;
  return source;
}

std::vector<float> floats(const TensorView& view) {
  std::vector<float> out(static_cast<size_t>(view.size()));
  to_float(view, out.data());
  return out;
}

std::shared_ptr<const TensorFiles> save(const QTemporaryDir& dir, const PlainFile& file, DType dtype) {
  const std::string path = dir.filePath("model.safetensors").toStdString();
  std::vector<SafetensorsWriter::Entry> entries;
  for (const auto& [name, plain] : file) entries.push_back({name, dtype, plain.shape});
  auto out = SafetensorsWriter::create(path, {}, entries);
  for (const auto& entry : out->entries()) {
    const std::vector<float>& values = file.at(entry.name).values;
    std::vector<uint16_t> halves(values.size());
    std::ranges::transform(values, halves.begin(), dtype == DType::F16 ? float_to_half : float_to_bf16);
    const auto ok = dtype == DType::F32 ? out->append(std::as_bytes(std::span(values)))
                                        : out->append(std::as_bytes(std::span(halves)));
    if (!ok) qFatal("%s", ok.error().text.c_str());
  }
  if (!out->commit()) qFatal("not written");
  auto files = TensorFiles::open_file(path);
  if (!files) qFatal("%s", files.error().text.c_str());
  return *files;
}

}  // namespace

class TestWeights : public QObject {
  Q_OBJECT
 private slots:
  void every_corner_data() {
    QTest::addColumn<QString>("architecture");
    QTest::addColumn<int>("corner");
    QTest::addColumn<QString>("dtype");
    for (const Architecture& a : architectures())
      for (size_t i = 0; i < a.corners().size(); ++i)
        for (const char* dtype : {"F32", "F16", "BF16"})
          QTest::addRow("%s %s", a.corners()[i].name.c_str(), dtype)
              << QString::fromStdString(std::string(a.name)) << int(i) << dtype;
  }
  void every_corner() {
    QFETCH(QString, architecture);
    QFETCH(int, corner);
    QFETCH(QString, dtype);
    const Architecture& a = architecture_named(architecture.toStdString());
    const ModelSpec spec = a.corners()[static_cast<size_t>(corner)];
    const Graph graph = build_graph(spec);
    const DType stored = *dtype_named(dtype.toStdString());
    PlainFile ours;
    QTemporaryDir dir;
    const auto files = save(dir, checkpoint(a, spec, graph, ours), stored);
    for (std::optional<DType> kept : {std::optional<DType>(), std::optional(DType::F32), std::optional(DType::F16)}) {
      const auto weights = bind_weights(files, a, spec, graph, kept);
      QVERIFY2(weights, weights ? "" : weights.error().text.c_str());
      QVERIFY((*weights)->storage_dtype() == kept.value_or(stored));
      size_t bytes = 0;
      for (size_t i = 0; i < graph.schema.size(); ++i) {
        const TensorView view = (*weights)->tensor(static_cast<int>(i));
        QVERIFY(view.shape == graph.schema[i].shape);
        QVERIFY(view.dtype == (view.shape.size() == 1 ? DType::F32 : kept.value_or(stored)));
        QCOMPARE(reinterpret_cast<uintptr_t>(view.data) % 64, uintptr_t(0));
        QVERIFY2(floats(view) == ours[graph.schema[i].name].values, graph.schema[i].name.c_str());
        bytes += view.bytes();
      }
      QCOMPARE((*weights)->bytes(), bytes);
      QVERIFY((*weights)->warning().empty());
    }
  }

  /// q, k and v that take turns head by head, as Falcon 40B's do: [H, 3, Dh] rows.
  void rows_that_take_turns_data() {
    QTest::addColumn<QString>("architecture");
    QTest::addColumn<QString>("dtype");
    for (const char* name : {"nanogpt", "gpt2"})  // [out, in] and [in, out]
      for (const char* dtype : {"F32", "F16"}) QTest::addRow("%s %s", name, dtype) << name << dtype;
  }
  void rows_that_take_turns() {
    QFETCH(QString, architecture);
    QFETCH(QString, dtype);
    const TensorSource by_hand{{}, false, 2, 5, 2, 6};  // two rows of every six, the first pair at 2
    for (int64_t r = 0; const int64_t row : {2, 3, 8, 9, 14}) QCOMPARE(by_hand.file_row(r++), row);
    Architecture a = architecture_named(architecture.toStdString());
    a.source = architecture == "gpt2" ? take_turns<false> : take_turns<true>;
    const ModelSpec spec = a.corners()[0];
    const Graph graph = build_graph(spec);
    PlainFile ours;
    QTemporaryDir dir;
    const auto files = save(dir, checkpoint(a, spec, graph, ours), *dtype_named(dtype.toStdString()));
    const auto weights = bind_weights(files, a, spec, graph, {});
    QVERIFY2(weights, weights ? "" : weights.error().text.c_str());
    for (size_t i = 0; i < graph.schema.size(); ++i)
      QVERIFY2(floats((*weights)->tensor(static_cast<int>(i))) == ours[graph.schema[i].name].values,
               graph.schema[i].name.c_str());
  }

  void same_from_many_threads() {
    const Architecture& a = architecture_named("gpt2");
    const ModelSpec spec = a.corners()[0];
    const Graph graph = build_graph(spec);
    PlainFile ours;
    QTemporaryDir dir;
    const auto weights = *bind_weights(save(dir, checkpoint(a, spec, graph, ours), DType::F32), a, spec, graph, {});
    std::vector<std::thread> threads;
    std::atomic<int> wrong{0};
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&] {
        for (size_t i = 0; i < graph.schema.size(); ++i)
          wrong += floats(weights->tensor(static_cast<int>(i))) != ours[graph.schema[i].name].values;
      });
    for (std::thread& t : threads) t.join();
    QCOMPARE(wrong.load(), 0);
  }

  void all_mismatches_in_one_message() {
    const Architecture& a = architecture_named("gpt2");
    const ModelSpec spec = a.corners()[0];  // D 64, L 2
    const Graph graph = build_graph(spec);
    PlainFile ours;
    PlainFile file = checkpoint(a, spec, graph, ours);
    file["transformer.h.1.attn.c_attn.weight"] = {{64, 64}, std::vector<float>(64 * 64)};
    file.erase("transformer.ln_f.bias");
    file["transformer.h.0.extra.weight"] = {{3}, {1, 2, 3}};
    file["transformer.h.0.attn.bias"] = {{1}, {1}};  // a mask buffer: ignored
    QTemporaryDir dir;
    const auto weights = bind_weights(save(dir, file, DType::F32), a, spec, graph, {});
    QVERIFY(!weights);
    const QString why = QString::fromStdString(weights.error().text);
    QVERIFY2(why.contains("model.safetensors: transformer.h.1.attn.c_attn.weight is (64, 64); config.json"),
             qPrintable(why));
    QVERIFY2(why.contains("makes it (64, 192)"), qPrintable(why));
    QVERIFY2(why.contains("transformer.ln_f.bias is missing"), qPrintable(why));
    QVERIFY2(why.contains("transformer.h.0.extra.weight (3) has no place in gpt2"), qPrintable(why));
    QCOMPARE(why.count("c_attn"), 1);  // once, though three of our tensors come from it
    QCOMPARE(why.count("; and "), 2);
  }

  void many_mismatches_are_counted() {
    const Architecture& a = architecture_named("bert");
    const ModelSpec spec = a.corners()[0];
    QTemporaryDir dir;
    const auto weights = bind_weights(save(dir, {{"x", {{1}, {1}}}}, DType::F32), a, spec, build_graph(spec), {});
    QVERIFY(!weights);
    const size_t missing = build_graph(spec).schema.size();
    QVERIFY(QString::fromStdString(weights.error().text).contains(QString("and %1 more").arg(missing + 1 - 8)));
  }

  void wrong_types() {
    const Architecture& a = architecture_named("nanogpt");
    const ModelSpec spec = a.corners()[0];
    const Graph graph = build_graph(spec);
    PlainFile ours;
    QTemporaryDir dir;
    const auto files = save(dir, checkpoint(a, spec, graph, ours), DType::F32);
    QVERIFY(!bind_weights(files, a, spec, graph, DType::I8));
    const std::string json = R"({"ln_f.weight":{"dtype":"I32","shape":[64],"data_offsets":[0,256]}})";
    std::string bytes(8, '\0');
    bytes[0] = static_cast<char>(json.size());
    bytes += json + std::string(256, '\0');
    const auto whole = TensorFiles::open_memory("i.safetensors", std::as_bytes(std::span(bytes)));
    QVERIFY(bind_weights(*whole, a, spec, graph, {}).error().text.find("ln_f.weight has the type I32") !=
            std::string::npos);
  }

  void numbers_that_are_none_are_counted() {
    const Architecture& a = architecture_named("gpt2");
    const ModelSpec spec = a.corners()[0];
    const Graph graph = build_graph(spec);
    PlainFile ours;
    PlainFile file = checkpoint(a, spec, graph, ours);
    file["transformer.h.0.mlp.c_fc.weight"].values[5] = NAN;
    file["transformer.h.0.mlp.c_fc.weight"].values[7] = INFINITY;
    QTemporaryDir dir;
    const auto weights = *bind_weights(save(dir, file, DType::F32), a, spec, graph, {});
    QVERIFY(weights->warning().empty());
    for (size_t i = 0; i < graph.schema.size(); ++i) weights->tensor(static_cast<int>(i));
    QCOMPARE(weights->warning(),
             std::string(
                 "model.safetensors: 2 weights are no finite numbers, the first in transformer.h.0.mlp.c_fc.weight"));
  }

  void random_is_normal_and_repeats() {
    const Graph graph = build_graph(architecture_named("gpt2").corners()[0]);
    const auto one = random_weights(graph, 7), same = random_weights(graph, 7), other = random_weights(graph, 8);
    QVERIFY(one->random());
    double sum = 0, square = 0, n = 0;
    for (size_t i = 0; i < graph.schema.size(); ++i) {
      const auto a = floats(one->tensor(static_cast<int>(i)));
      QVERIFY(a == floats(same->tensor(static_cast<int>(i))));
      QVERIFY(a != floats(other->tensor(static_cast<int>(i))));
      const bool gain =
          graph.schema[i].name.find("ln_") != std::string::npos && graph.schema[i].name.ends_with("weight");
      for (float v : a) sum += v - gain, square += (v - gain) * (v - gain), n += 1;
    }
    QVERIFY(std::abs(sum / n) < 2e-4);
    QVERIFY(std::abs(std::sqrt(square / n) - 0.02) < 2e-4);
  }
};

QTEST_APPLESS_MAIN(TestWeights)
#include "test_weights.moc"
