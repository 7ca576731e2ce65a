// Broken configs and tokenizers through the real program: a refusal of one sentence, never a crash.
#include <QtTest>

#include <QDir>
#include <QFile>
#include <QJsonArray>

#include "tests/support/malformed.h"
#include "tests/support/program.h"
#include "tests/support/tiny_folder.h"

using namespace cutaway::tests;

namespace {

using Spoil = std::function<void(const QString&)>;

/// config.json with some of its text replaced.
Spoil config_text(const QByteArray& from, const QByteArray& to) {
  QByteArray text = json(tiny_gpt2_config());
  if (!text.contains(from)) qFatal("the config has no %s", from.constData());
  return file_holds("config.json", text.replace(from, to));
}

/// tokenizer.json with one of its parts changed.
Spoil tokenizer_with(const QString& part, const QJsonValue& value) {
  QJsonObject tokenizer = tiny_tokenizer();
  tokenizer[part] = value;
  return file_holds("tokenizer.json", json(tokenizer));
}

/// The same inside "model".
Spoil tokenizer_model_with(const QString& key, const QJsonValue& value) {
  QJsonObject model = tiny_tokenizer()["model"].toObject();
  model[key] = value;
  return tokenizer_with("model", model);
}

Spoil vocab_with(const QString& piece, const QJsonValue& id) {
  QJsonObject vocab = tiny_tokenizer()["model"].toObject()["vocab"].toObject();
  vocab[piece] = id;
  return tokenizer_model_with("vocab", vocab);
}

const char* const file = "config.json";
const char* const words = "tokenizer.json";

QList<Malformed> config_cases() {
  return {
      {"no config", [](const QString& f) { QFile::remove(f + "/config.json"); }, {file}},
      {"an empty config", file_holds(file, ""), {file}},
      {"a config that is not JSON", file_holds(file, "model_type = gpt2"), {file}},
      {"a config that is cut off", config_text("}", ""), {file}},
      {"a config that is a list", file_holds(file, "[]"), {file}},
      {"a config that is null", file_holds(file, "null"), {file}},
      {"a config of a hundred thousand brackets", file_holds(file, QByteArray(100000, '[')), {file}},
      {"a config in UTF-16", file_holds(file, QByteArray("\xff\xfe{\0}\0", 6)), {file}},
      {"a config of 8 GB", [](const QString& f) { QFile::resize(f + "/config.json", qint64{8} << 30); }, {file}},
      {"a config that is a folder",
       [](const QString& f) {
         QFile::remove(f + "/config.json");
         QDir(f).mkdir("config.json");
       },
       {file}},
      {"an unknown model_type", config_with({{"model_type", "hal-9000"}}), {file, "model_type", "hal-9000"}},
      {"no model_type", config_with({{"model_type", QJsonValue::Null}}), {file, "model_type"}},
      {"a model_type that is a number", config_with({{"model_type", 7}}), {file, "model_type"}},
      {"no heads", config_with({{"n_head", 0}}), {file, "n_head", "0"}},
      {"heads that don't divide the width", config_with({{"n_head", 5}}), {file, "n_head", "5", "16"}},
      {"a negative width", config_with({{"n_embd", -16}}), {file, "n_embd", "-16"}},
      {"a width that is a word", config_with({{"n_embd", "sixteen"}}), {file, "n_embd"}},
      {"a width that is a fraction", config_with({{"n_embd", 16.5}}), {file, "n_embd", "16.5"}},
      {"a width of 20 digits", config_text("\"n_embd\":16", "\"n_embd\":99999999999999999999"), {file, "n_embd"}},
      {"a width of 1e400", config_text("\"n_embd\":16", "\"n_embd\":1e400"), {file}},
      {"a width that is a list", config_with({{"n_embd", QJsonArray{16}}}), {file, "n_embd"}},
      {"a trillion layers", config_with({{"n_layer", 1e12}}), {file, "n_layer"}},
      {"no layers", config_with({{"n_layer", 0}}), {file, "n_layer"}},
      {"more layers than the file has", config_with({{"n_layer", 3}}), {"model.safetensors", "h.2."}},
      {"another width than the file has", config_with({{"n_embd", 32}}), {"model.safetensors", "n_embd", "32"}},
      {"fewer entries than the file has", config_with({{"vocab_size", 100}}), {}, {}, true},  // its rows win
      {"more entries than the file has", config_with({{"vocab_size", 1000}}), {}, {}, true},
      {"more positions than the file has", config_with({{"n_positions", 64}}), {"wpe.weight", "32", "64"}},
      {"another inner width than the file has", config_with({{"n_inner", 63}}), {"mlp.c_fc", "63", "64"}},
      {"an unknown activation",
       config_with({{"activation_function", "sinus"}}),
       {file, "activation_function", "sinus"}},
      {"an epsilon that is a word", config_with({{"layer_norm_epsilon", "small"}}), {file, "layer_norm_epsilon"}},
      {"a negative epsilon", config_with({{"layer_norm_epsilon", -1}}), {}, {}, true},
      {"attention across a stack that isn't there",
       config_with({{"add_cross_attention", true}}),
       {file, "add_cross_attention"}},
      {"an end token outside of the entries",
       config_with({{"eos_token_id", 100000}}),
       {file, "eos_token_id"},
       {},
       true},
      {"the width said twice, differently", config_text("\"n_embd\":16", "\"n_embd\":16,\"n_embd\":32"), {"n_embd"}},
      {"the file of another architecture", config_with({{"model_type", "bert"}}), {"model.safetensors"}},
      {"a BERT with relative positions",
       config_with({{"model_type", "bert"}, {"position_embedding_type", "relative_key"}}),
       {file, "position_embedding_type", "relative_key"}},
      {"a BERT that decodes", config_with({{"model_type", "bert"}, {"is_decoder", true}}), {file, "is_decoder"}},
  };
}

QList<Malformed> tokenizer_cases() {
  const QStringList call = {"run", "FOLDER", "--prompt", "the end", "--steps", "1", "--trace", "OUT/t.safetensors"};
  QList<Malformed> list = {
      {"no tokenizer", [](const QString& f) { QFile::remove(f + "/tokenizer.json"); }, {words}},
      {"an empty tokenizer", file_holds(words, ""), {words}},
      {"a tokenizer that is not JSON", file_holds(words, "{\"model\":"), {words}},
      {"a tokenizer that is a list", file_holds(words, "[]"), {words}},
      {"a tokenizer of a hundred thousand brackets", file_holds(words, QByteArray(100000, '[')), {words}},
      {"a tokenizer that is not UTF-8",
       file_holds(words, json(tiny_tokenizer()).replace("\"the\"", "\"th\xff\"")),
       {words}},
      {"a tokenizer of 8 GB", [](const QString& f) { QFile::resize(f + "/tokenizer.json", qint64{8} << 30); }, {words}},
      {"a tokenizer without a model", tokenizer_with("model", QJsonValue::Null), {words, "model"}},
      {"a model of an unknown kind", tokenizer_model_with("type", "Telepathy"), {words, "Telepathy"}},
      {"an unknown pre-tokenizer",
       tokenizer_with("pre_tokenizer", QJsonObject{{"type", "Chainsaw"}}),
       {words, "Chainsaw"}},
      {"an unknown normaliser", tokenizer_with("normalizer", QJsonObject{{"type", "Sandpaper"}}), {words, "Sandpaper"}},
      {"an unknown post-processor",
       tokenizer_with("post_processor", QJsonObject{{"type", "Varnish"}}),
       {words, "Varnish"}},
      {"a pattern that doesn't close",
       tokenizer_with("pre_tokenizer", QJsonObject{{"type", "Split"},
                                                   {"pattern", QJsonObject{{"Regex", "(((("}}},
                                                   {"behavior", "Isolated"},
                                                   {"invert", false}}),
       {words}},
      {"a vocabulary that is a list", tokenizer_model_with("vocab", QJsonArray{}), {words, "vocab"}},
      {"a negative id", vocab_with("zzz", -1), {words}},
      {"an id of 2^40", vocab_with("zzz", 1099511627776.), {words}},
      {"an id that is a word", vocab_with("zzz", "seven"), {words}},
      {"an id that the model has no row for", vocab_with("the", 900), {"900", "260"}},
      {"two pieces with one id", vocab_with("zzz", 65), {words}, {}, true},
      {"a merge of pieces that aren't there", tokenizer_model_with("merges", QJsonArray{"qq zz"}), {words, "qq"}},
      {"a merge of one piece", tokenizer_model_with("merges", QJsonArray{"he"}), {words, "he"}},
      {"merges that are numbers", tokenizer_model_with("merges", QJsonArray{1, 2}), {words, "merge 0"}},
      {"an added token without an id",
       tokenizer_with("added_tokens", QJsonArray{QJsonObject{{"content", "<x>"}}}),
       {words}},
      {"an added token of nothing",
       tokenizer_with("added_tokens", QJsonArray{QJsonObject{{"id", 3}, {"content", ""}}}),
       {words},
       {},
       true},
  };
  for (Malformed& input : list) input.call = call;
  return list;
}

const QList<Malformed>& cases() {
  static const QList<Malformed> list = config_cases() + tokenizer_cases();
  return list;
}

}  // namespace

class TestMalformedConfig : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    if (program().isEmpty()) QSKIP("the program is not built");
    QCOMPARE(fault_of_good({"run", "FOLDER", "--prompt", "the end", "--steps", "1"}), std::string());
  }
  void is_refused_data() {
    QTest::addColumn<int>("index");
    for (int i = 0; i < cases().size(); ++i) QTest::newRow(cases()[i].name) << i;
  }
  void is_refused() {
    QFETCH(int, index);
    const std::string fault = fault_of(cases()[index]);
    QVERIFY2(fault.empty(), fault.c_str());
  }
};

QTEST_GUILESS_MAIN(TestMalformedConfig)
#include "test_malformed_config.moc"
