// Opening folders: every golden case, the live switches, and what is refused before a weight is read.
#include <QDir>
#include <QFile>
#include <QTemporaryDir>
#include <QTest>

#include "engine/model.h"
#include "tests/support/golden_folders.h"

using namespace cutaway;

namespace {

const QString goldens = QString(CUTAWAY_SOURCE_DIR) + "/tests/goldens";

/// A copy of a golden case, to be changed.
struct Folder {
  QTemporaryDir dir;
  explicit Folder(const QString& name) {
    for (const QString& file : QDir(goldens + "/" + name).entryList(QDir::Files))
      if (!QFile::copy(goldens + "/" + name + "/" + file, dir.filePath(file))) qFatal("not copied");
    for (const QString& file : QDir(dir.path()).entryList(QDir::Files))
      QFile(dir.filePath(file)).setPermissions(QFile::ReadOwner | QFile::WriteOwner);
  }
  std::string path() const { return dir.path().toStdString(); }
  void replace(const QString& file, const QByteArray& from, const QByteArray& to) {
    QFile in(dir.filePath(file));
    if (!in.open(QIODevice::ReadOnly)) qFatal("no %s", qPrintable(file));
    QByteArray text = in.readAll();
    if (!text.contains(from)) qFatal("no %s in %s", from.constData(), qPrintable(file));
    write(file, text.replace(from, to));
  }
  void write(const QString& file, const QByteArray& text) {
    QDir(dir.path()).mkpath(QFileInfo(dir.filePath(file)).path());
    QFile out(dir.filePath(file));
    if (!out.open(QIODevice::WriteOnly)) qFatal("not written");
    out.write(text);
  }
  std::string why(const OpenOptions& options = {}) {
    const auto model = open_model(path(), options);
    return model ? "it opened" : model.error().text;
  }
};

bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

}  // namespace

class TestModel : public QObject {
  Q_OBJECT
 private slots:
  void every_golden_case_opens_data() {
    QTest::addColumn<QString>("name");
    for (const QString& name : tests::golden_folders()) QTest::newRow(qPrintable(name)) << name;
  }
  void every_golden_case_opens() {
    QFETCH(QString, name);
    const std::string folder = (goldens + "/" + name).toStdString();
    const auto model = open_model(folder + "/", {});
    QVERIFY2(model, model ? "" : model.error().text.c_str());
    QCOMPARE((*model)->name, name.toStdString());
    QCOMPARE((*model)->weights_sha256.size(), size_t(64));
    QVERIFY((*model)->graph->parameters() > 0);
    for (size_t i = 0; i < (*model)->graph->schema.size(); ++i)
      QVERIFY((*model)->weights->tensor(static_cast<int>(i)).data);
    const auto random = open_model(folder, {.random_seed = 3});
    QVERIFY2(random, random ? "" : random.error().text.c_str());
    QVERIFY((*random)->random_weights && (*random)->weights->random() && (*random)->weights_sha256.empty());
  }

  void options() {
    Folder f("gpt2-plain");
    QVERIFY((*open_model(f.path(), {.dtype = DType::F16}))->weights->storage_dtype() == DType::F16);
    QCOMPARE((*open_model(f.path(), {.mask = "prefix:3"}))->spec.masks[0].text(), std::string("prefix:3"));
    QCOMPARE((*open_model(f.path(), {.attention = "window:size=4"}))->spec.masks[0].text(), std::string("window:4"));
    QVERIFY(open_model(f.path(), {.attention = "mha"}));
    QVERIFY(has(f.why({.attention = "gqaa"}), "attention is \"gqaa\"; known are"));
    QVERIFY(has(f.why({.attention = "window:size=0"}), "wants size=N"));
    QVERIFY(has(f.why({.attention = "window"}), "wants size=N"));
    QVERIFY(has(f.why({.attention = "mha:x=1"}), "takes no settings"));
    QVERIFY(has(f.why({.mask = "diagonal"}), "mask is \"diagonal\""));
    QVERIFY(has(f.why({.dtype = DType::I8}), "I8"));
  }

  void a_cancelled_opening_ends() {
    Folder f("gpt2-plain");
    Progress progress;
    progress.cancelled = true;
    const auto model = open_model(f.path(), {}, &progress);
    QVERIFY(!model && model.error().text == "cancelled");
  }

  void rows_of_the_embedding_win_over_vocab_size() {
    Folder f("nanogpt-odd");
    const int64_t rows = (*open_model(f.path(), {}))->spec.vocab_size;
    f.replace("config.json", QByteArray("\"vocab_size\": ") + QByteArray::number(rows), "\"vocab_size\": 7");
    const auto model = open_model(f.path(), {});
    QVERIFY2(model, model ? "" : model.error().text.c_str());
    QCOMPARE((*model)->spec.vocab_size, rows);
  }

  void sentence_encoder() {
    const auto model = open_model((goldens + "/sentence-encoder").toStdString(), {});
    QVERIFY((*model)->spec.pooling == Pooling::Mean && (*model)->spec.objective == Objective::Embedding);
    QVERIFY((*model)->graph->pooled != no_node && (*model)->graph->logits == no_node);
    Folder f("sentence-encoder");  // without modules.json and 1_Pooling it is an encoder alone
    QFile::remove(f.dir.filePath("modules.json"));
    QVERIFY((*open_model(f.path(), {}))->spec.pooling != Pooling::Mean);
    f.write("1_Pooling/config.json", R"({"pooling_mode_mean_tokens": true})");
    QVERIFY((*open_model(f.path(), {}))->spec.pooling == Pooling::Mean);
    f.write("1_Pooling/config.json", R"({"pooling_mode_cls_token": true})");
    QVERIFY(has(f.why(), "1_Pooling/config.json: pooling_mode_mean_tokens is false"));
    f.write("modules.json", R"([{"type":"x.Pooling","path":"../up"}])");
    QVERIFY(has(f.why(), "the pooling module's path is \"../up\""));
    f.write("modules.json", R"([{"type":"x.Pooling","path":"2_Pooling"}])");
    QVERIFY(has(f.why(), "2_Pooling/config.json"));
    f.write("modules.json", R"({"type":"x.Pooling"})");
    QVERIFY(has(f.why(), "modules.json holds object"));
    f.write("modules.json", R"([3])");
    QVERIFY(has(f.why(), "has no type"));
  }

  void refusals() {
    QVERIFY(has(open_model("/no/such/folder", {}).error().text, "/no/such/folder is not a folder"));
    Folder f("gpt2-plain");
    f.replace("config.json", "\"gpt2\"", "\"llama9\"");
    const std::string unknown = f.why();
    QVERIFY2(has(unknown, "config.json: model_type is \"llama9\"; known are") && has(unknown, "gpt2") &&
                 has(unknown, "bert"),
             unknown.c_str());
    f.write("config.json", "{}");
    QVERIFY(has(f.why(), "model_type is missing"));
    f.write("config.json", R"({"model_type":5})");
    QVERIFY(has(f.why(), "model_type is 5; a text is needed"));
    QFile::remove(f.dir.filePath("config.json"));
    QVERIFY(has(f.why(), "has no config.json"));
    Folder t("gpt2-plain");
    t.write("tokenizer.json", "{");
    QVERIFY(has(t.why(), "tokenizer.json is not valid JSON"));
    Folder p("gpt2-plain");
    QFile::remove(p.dir.filePath("golden.safetensors"));
    QFile::rename(p.dir.filePath("model.safetensors"), p.dir.filePath("pytorch_model.bin"));
    QVERIFY(has(p.why(), "pickles are never opened"));
    Folder huge("gpt2-plain");
    huge.replace("config.json", "\"n_layer\": ", "\"n_layer\": 1000, \"n_inner\": 1000000, \"n_embd\": 65536, \"x\": ");
    const auto model = open_model(huge.path(), {.random_seed = 1});
    QVERIFY(!model);
    QVERIFY2(model.error().fault == Fault::Machine || has(model.error().text, "n_embd"), model.error().text.c_str());
  }
};

QTEST_APPLESS_MAIN(TestModel)
#include "test_model.moc"
