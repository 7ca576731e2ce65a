// What the command line answers and traces, against transformers' own (tests/goldens).
#include <QTest>
#include <algorithm>
#include <cmath>

#include "engine/files/tensor_files.h"
#include "tests/app/program.h"
#include "tests/support/golden_folders.h"

using namespace cutaway;

class TestCliAnswers : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    QVERIFY2(QFile::exists(qEnvironmentVariable("CUTAWAY_BINARY")), "CUTAWAY_BINARY names no file");
  }
  void embedding();
  void next_token_as_transformers();
  void bundled_models_as_transformers();
  void trace_as_transformers();
  void trace_with_steps();
  void failed_trace_leaves_nothing();

 private:
  TinyModel gpt_;
};

/// Values of a float32 tensor, row-major.
static std::vector<float> values_of(const TensorFiles& files, const std::string& name) {
  const FileTensor* tensor = files.find(name);
  if (!tensor) return {};
  std::vector<float> values(static_cast<size_t>(elements(tensor->shape)));
  to_float({tensor->data.data(), *tensor->dtype, tensor->shape}, values.data());
  return values;
}

static std::shared_ptr<const TensorFiles> golden_of(const QString& name) {
  const auto files = TensorFiles::open_file(source("tests/goldens/" + name + "/golden.safetensors").toStdString());
  return files ? *files : nullptr;
}

static QString ids_of(const TensorFiles& files) {
  QStringList words;
  for (const float id : values_of(files, "input_ids")) words << QString::number(static_cast<int>(id));
  return words.join(',');
}

/// max|a - b| / max(1, max|b|)
static double difference(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size() || a.empty()) return INFINITY;
  double worst = 0, size = 1;
  for (size_t i = 0; i < a.size(); ++i) {
    worst = std::max(worst, static_cast<double>(std::abs(a[i] - b[i])));
    size = std::max(size, static_cast<double>(std::abs(b[i])));
  }
  return worst / size;
}

void TestCliAnswers::embedding() {
  const auto golden = golden_of("sentence-encoder");
  QVERIFY(golden);
  const Said said = program({"run", source("tests/goldens/sentence-encoder"), "--ids", ids_of(*golden), "--json"});
  QVERIFY2(said.code == 0, said.err.constData());
  std::vector<float> got;
  for (const QJsonValue& value : said.json()["embedding"].toArray())
    got.push_back(static_cast<float>(value.toDouble()));
  QVERIFY(difference(got, values_of(*golden, "embedding")) < 1e-4);
}

void TestCliAnswers::next_token_as_transformers() {
  const auto golden = golden_of("gpt2-plain");
  QVERIFY(golden);
  const std::vector<float> logits = values_of(*golden, "logits");
  const size_t V = static_cast<size_t>(golden->find("logits")->shape[1]);
  const std::vector<float> row(logits.end() - static_cast<ptrdiff_t>(V), logits.end());
  double sum = 0;
  for (const float logit : row) sum += std::exp(static_cast<double>(logit));
  const auto best = static_cast<int>(std::ranges::max_element(row) - row.begin());
  const QJsonObject said =
      program({"run", source("tests/goldens/gpt2-plain"), "--ids", ids_of(*golden), "--steps", "1", "--json"}).json();
  QCOMPARE(said["output_ids"][0].toInt(-1), best);
  QVERIFY(std::abs(said["steps"][0]["logprob"].toDouble() - (row[static_cast<size_t>(best)] - std::log(sum))) < 1e-4);
}

void TestCliAnswers::bundled_models_as_transformers() {
  for (const QString& name : tests::golden_bundled()) {
    const QByteArray text = file_bytes(source("tests/goldens/" + name + "/golden.json"));
    const QJsonObject golden = QJsonDocument::fromJson(text).object();
    const QJsonArray greedy = golden["greedy_ids"].toArray();
    const Said said = program(
        {"run", name, "--prompt", golden["prompt"].toString(), "--steps", QString::number(greedy.size()), "--json"});
    QVERIFY2(said.code == 0, said.err.constData());
    const QJsonObject run = said.json();
    QCOMPARE(run["input_ids"].toArray(), golden["input_ids"].toArray());
    QCOMPARE(run["output_ids"].toArray(), greedy);
    const QJsonArray best = (greedy.isEmpty() ? run["fills"][0] : run["steps"][0])["top"].toArray();
    for (int i = 0; i < 10; ++i) {
      QCOMPARE(best[i]["id"], golden["top_ids"][i]);
      QVERIFY(std::abs(best[i]["logprob"].toDouble() - golden["top_logprobs"][i].toDouble()) < 1e-3);
    }
  }
}

void TestCliAnswers::trace_as_transformers() {
  for (const char* name : {"gpt2-plain", "bert-plain"}) {
    const auto golden = golden_of(name);
    QVERIFY(golden);
    QTemporaryDir folder;
    const QString file = folder.filePath("t.safetensors");
    const Said said = program({"run", source("tests/goldens/") + name, "--ids", ids_of(*golden), "--steps", "0",
                               "--trace", file, "--tap", "*"});
    QVERIFY2(said.code == 0, said.err.constData());
    const auto trace = TensorFiles::open_file(file.toStdString());
    QVERIFY2(trace, trace ? "" : trace.error().text.c_str());
    for (const FileTensor& tensor : golden->tensors()) {
      if (tensor.name == "input_ids") continue;
      const double d = difference(values_of(**trace, tensor.name), values_of(*golden, tensor.name));
      QVERIFY2(d < 1e-4, qPrintable(QString("%1 %2 differs by %3").arg(name, tensor.name.c_str()).arg(d)));
    }
    QCOMPARE((*trace)->metadata().at("format"), std::string("cutaway-trace"));
    QCOMPARE((*trace)->metadata().at("version"), std::string("1"));
    QCOMPARE(QDir(folder.path()).entryList(QDir::Files | QDir::Hidden).size(), 1);
  }
}

void TestCliAnswers::trace_with_steps() {
  QTemporaryDir folder;
  const QString file = folder.filePath("t.safetensors");
  const Said said = program(gpt_.call("run", {"--ids", "1,2,3", "--steps", "4", "--json", "--trace", file}));
  QVERIFY2(said.code == 0, said.err.constData());
  const auto trace = TensorFiles::open_file(file.toStdString());
  QVERIFY(trace);
  const int64_t T = 3 + 4 - 1;  // the last generated token is chosen, not run
  QCOMPARE((*trace)->find("logits")->shape, (Shape{T, 2048}));
  QCOMPARE((*trace)->find("layers.0.attn.probs")->shape, (Shape{3, T, T}));
  QVERIFY(!(*trace)->find("layers.0.attn.q"));  // q, k, v and hidden only where asked for
  QVERIFY(!(*trace)->find("hidden.0"));
}

void TestCliAnswers::failed_trace_leaves_nothing() {
  QTemporaryDir folder;
  const QString file = folder.filePath("t.safetensors");
  QCOMPARE(program(gpt_.call("run", {"--ids", "1,2", "--trace", file, "--tap", "no.such.*"})).code, 2);
  QVERIFY(QDir(folder.path()).isEmpty(QDir::Files | QDir::Hidden));
}

QTEST_GUILESS_MAIN(TestCliAnswers)
#include "test_cli_answers.moc"
