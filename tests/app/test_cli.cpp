// The command line from outside: forms, exit codes, JSON.
#include <QTest>
#include <algorithm>
#include <cmath>

#include "tests/app/program.h"

using namespace cutaway;

class TestCli : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    QVERIFY2(QFile::exists(qEnvironmentVariable("CUTAWAY_BINARY")), "CUTAWAY_BINARY names no file");
  }
  void help_and_version();
  void given_wrong_data();
  void given_wrong();
  void machine_cannot();
  void no_display_answers();
  void list();
  void tokenize();
  void ids_equal_prompt();
  void steps_are_exact();
  void seeds();
  void brackets_and_dashes();
  void fills();
  void footprint_figures_data();
  void footprint_figures();
  void footprint_is_what_a_run_takes();
  void footprint_of_cards();
  void advise_data();
  void advise();
  void bench();
  void full_disk();
  void link_to_the_program();

 private:
  TinyModel gpt_;
  TinyModel bert_{tiny_bert(), "mini-bert"};
};

void TestCli::help_and_version() {
  QVERIFY(program({"--version"}).out.startsWith("cutaway "));
  QVERIFY(program({"--help"}).out.contains("run"));
  for (const char* call : {"list", "run", "export", "footprint", "advise", "bench", "tokenize"}) {
    const Said said = program({call, "--help"});
    QCOMPARE(said.code, 0);
    QVERIFY2(said.out.contains("--json") || said.out.contains("--view"), call);
  }
}

void TestCli::given_wrong_data() {
  QTest::addColumn<QStringList>("arguments");
  QTest::addColumn<QString>("names");  // what the line must name
  const QString gpt = gpt_.path(), golden = source("tests/goldens/gpt2-plain");
  const auto row = [](const char* name, const QStringList& arguments, const char* names) {
    QTest::newRow(name) << arguments << QString(names);
  };
  const auto tiny = [&](const QStringList& rest) { return gpt_.call("run", rest); };
  row("unknown call", {"frobnicate"}, "frobnicate");
  row("unknown option", tiny({"--prompt", "a", "--frobnicate"}), "--frobnicate");
  row("unknown model", {"run", "no-such-model", "--prompt", "a"}, "no-such-model");
  row("no model", {"run"}, "MODEL");
  row("no input", tiny({}), "--prompt");
  row("two inputs", tiny({"--prompt", "a", "--ids", "1"}), "--ids");
  row("empty prompt", tiny({"--prompt", ""}), "--prompt");
  row("empty prompt with =", tiny({"--prompt=", "--json"}), "--prompt");
  row("empty ids", tiny({"--ids", ""}), "--ids");
  row("junk ids", tiny({"--ids", "1,x"}), "\"x\"");
  row("ids with a hole", tiny({"--ids", "1,,2"}), "--ids");
  row("id too large", tiny({"--ids", "1,2048"}), "2047");
  row("id negative", tiny({"--ids", "-1"}), "-1");
  row("id beyond int64", tiny({"--ids", "99999999999999999999"}), "99999999999999999999");
  row("prompt file missing", tiny({"--prompt-file", gpt + "/none.txt"}), "none.txt");
  row("prompt file a folder", tiny({"--prompt-file", gpt}), "--prompt-file");
  row("invalid UTF-8 file", tiny({"--prompt-file", golden + "/model.safetensors"}), "--prompt-file");
  row("too long", tiny({"--ids", QStringList(65, "1").join(',')}), "64");
  row("steps too many", tiny({"--prompt", "a", "--steps", "70"}), "64");
  row("steps junk", tiny({"--prompt", "a", "--steps", "many"}), "many");
  row("steps negative", tiny({"--prompt", "a", "--steps", "-1"}), "-1");
  row("steps of an encoder", bert_.call("run", {"--prompt", "a", "--steps", "1"}), "--steps");
  row("sample junk", tiny({"--prompt", "a", "--sample", "lucky"}), "lucky");
  row("sample negative", tiny({"--prompt", "a", "--sample", "temperature=-1"}), "temperature");
  row("top_p too large", tiny({"--prompt", "a", "--sample", "top_p=2"}), "top_p");
  row("threads none", tiny({"--prompt", "a", "--threads", "0"}), "--threads");
  row("backend junk", tiny({"--prompt", "a", "--backend", "abacus"}), "abacus");
  row("dtype junk", tiny({"--prompt", "a", "--dtype", "fp7"}), "fp7");
  row("cache dtype", tiny({"--prompt", "a", "--cache-dtype", "fp7"}), "fp7");
  row("mask junk", tiny({"--prompt", "a", "--mask", "wavy"}), "wavy");
  row("mask and prefix", tiny({"--prompt", "a", "--mask", "causal", "--prefix", "2"}), "--prefix");
  row("attention junk", tiny({"--prompt", "a", "--attention", "telepathy"}), "telepathy");
  row("moe", tiny({"--prompt", "a", "--moe", "top_k=2"}), "--moe");
  row("decoder ids", tiny({"--prompt", "a", "--decoder-ids", "1"}), "--decoder-ids");
  row("seed junk", {"run", gpt, "--random-weights", "x", "--prompt", "a"}, "--random-weights");
  row("option twice", tiny({"--prompt", "a", "--prompt", "b"}), "--prompt");
  row("blueprint without seed", {"run", "gpt2-xl", "--ids", "1"}, "--random-weights");
  row("blueprint has no tokenizer", {"run", "gpt2", "--random-weights", "1", "--prompt", "a"}, "tokenizer");
  row("folder without weights", {"run", gpt, "--prompt", "a"}, "safetensors");
  row("file as model", {"run", gpt + "/config.json", "--ids", "1"}, "config.json");
  row("trace ending", tiny({"--prompt", "a", "--trace", "/tmp/t.npz"}), ".safetensors");
  row("trace folder", tiny({"--prompt", "a", "--trace", gpt + "/none/t.safetensors"}), "none");
  row("tap without trace", tiny({"--prompt", "a", "--tap", "*"}), "--trace");
  row("tap matches nothing", tiny({"--prompt", "a", "--trace", gpt + "/t.safetensors", "--tap", "nothing*"}),
      "nothing*");
  row("footprint dtype", {"footprint", "gpt2", "--dtype", "fp5"}, "fp5");
  row("footprint context", {"footprint", "gpt2", "--context", "0"}, "--context");
  row("footprint model", {"footprint", "gpt5"}, "gpt5");
  row("footprint of gpt-4", {"footprint", "gpt-4", "--context", "8192"}, "undisclosed");
  row("footprint of gpt-3.5", {"footprint", "gpt-3.5"}, "undisclosed");
  row("footprint overflow", {"footprint", "gpt3-175b", "--context", "1073741824", "--batch", "1048576"}, "1048576");
  row("advise task", {"advise", "--task", "levitation"}, "levitation");
  row("advise no task", {"advise"}, "--task");
  row("advise memory", {"advise", "--task", "chat", "--memory", "nan"}, "--memory");
  row("bench prefill", gpt_.call("bench", {"--prefill", "65"}), "64");
  row("bench decode", gpt_.call("bench", {"--prefill", "60", "--decode", "9"}), "--decode");
  row("tokenize empty", gpt_.call("tokenize", {""}), "TEXT");
  row("window on nothing", {"/no/such/folder"}, "/no/such/folder");
  row("window theme", {"--theme", "plaid"}, "plaid");
}

void TestCli::given_wrong() {
  QFETCH(QStringList, arguments);
  QFETCH(QString, names);
  const Said said = program(arguments);
  QVERIFY2(said.code == 2, said.err.constData());
  QCOMPARE(said.lines(), 1);
  QVERIFY2(QString::fromUtf8(said.err).contains(names), said.err.constData());
  QVERIFY(said.out.isEmpty());
}

void TestCli::machine_cannot() {
  for (const QStringList& arguments :
       {gpt_.call("run", {"--prompt", "a", "--backend", "cuda"}),
        QStringList{"run", "gpt3-175b", "--random-weights", "1", "--ids", "1"}, QStringList{}}) {  // {}: no display
    const Said said = program(arguments);
    QVERIFY2(said.code == 3, said.err.constData());
    QCOMPARE(said.lines(), 1);
  }
}

void TestCli::no_display_answers() {
  QProcess child;
  QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
  environment.remove("WAYLAND_DISPLAY");
  environment.remove("QT_QPA_PLATFORM");
  environment.insert("DISPLAY", ":4711");
  child.setProcessEnvironment(environment);
  child.start(qEnvironmentVariable("CUTAWAY_BINARY"), {});
  QVERIFY(child.waitForFinished());
  QCOMPARE(child.exitStatus(), QProcess::NormalExit);
  QCOMPARE(child.exitCode(), 3);
  QVERIFY(child.readAllStandardError().contains(":4711"));
}

void TestCli::list() {
  const QJsonObject said = program({"list", "--json"}).json();
  for (const char* key : {"models", "blueprints", "attention", "routing", "views", "backends", "devices"})
    QVERIFY2(said[key].isArray(), key);
  QVERIFY(said["attention"].toArray().contains("mha"));
  QVERIFY(said["views"].toArray().contains("attention"));
  QVERIFY(said["backends"].toArray().contains("cpu"));
  QHash<QString, double> params;
  for (const QJsonValue& one : said["blueprints"].toArray()) params[one["name"].toString()] = one["params"].toDouble();
  QCOMPARE(params["gpt2"], 124439808.);  // spec dense.md 3.1
  QCOMPARE(params["gpt2-medium"], 354823168.);
  QCOMPARE(params["gpt2-large"], 774030080.);
  QCOMPARE(params["gpt2-xl"], 1557611200.);
  QVERIFY(std::abs(params["gpt3-175b"] - 174.604e9) < 0.01e9);
  QVERIFY(program({"list"}).out.contains("gpt2-xl"));
  QVERIFY(said["blueprints"].toArray().size() >= 25);
  QCOMPARE(params["deepseek-v3"], 671.03e9);  // as published: the graph holds no experts
  for (const QJsonValue& one : said["blueprints"].toArray())
    if (one["name"] == "gpt-4") QVERIFY(one["undisclosed"].toBool() && one["params"].isNull());
}

void TestCli::tokenize() {
  const QJsonObject said = program(gpt_.call("tokenize", {"The key, [to] the old doors", "--json"})).json();
  const QJsonArray ids = said["ids"].toArray(), pieces = said["pieces"].toArray();
  QVERIFY(ids.size() > 3);
  QCOMPARE(ids.size(), pieces.size());
  QString text;
  for (const QJsonValue& piece : pieces) text += piece.toString();
  QCOMPARE(text, QString("The key, [to] the old doors"));
}

void TestCli::ids_equal_prompt() {
  const QJsonArray ids = program(gpt_.call("tokenize", {"The key to the old doors", "--json"})).json()["ids"].toArray();
  QStringList words;
  for (const QJsonValue& id : ids) words << QString::number(id.toInt());
  const Said by_ids = program(gpt_.call("run", {"--ids", words.join(','), "--steps", "5", "--json"}));
  const Said by_text = program(gpt_.call("run", {"--prompt", "The key to the old doors", "--steps", "5", "--json"}));
  QCOMPARE(by_ids.code, 0);
  QCOMPARE(by_ids.json()["input_ids"], by_text.json()["input_ids"]);
  QCOMPARE(by_ids.json()["output_ids"], by_text.json()["output_ids"]);
  QCOMPARE(by_text.json()["output_ids"].toArray().size(), 5);
  QTemporaryDir folder;
  QFile file(folder.filePath("prompt.txt"));
  QVERIFY(file.open(QIODevice::WriteOnly));
  file.write("The key to the old doors\n");
  file.close();
  const Said by_file = program(gpt_.call("run", {"--prompt-file", file.fileName(), "--steps", "5", "--json"}));
  QCOMPARE(by_file.json()["input_ids"], by_text.json()["input_ids"]);
}

void TestCli::steps_are_exact() {
  for (const int n : {0, 1, 3}) {
    const QJsonObject said =
        program(gpt_.call("run", {"--prompt", "The key", "--steps", QString::number(n), "--json"})).json();
    const QJsonArray steps = said["steps"].toArray();
    QCOMPARE(steps.size(), n);
    for (const QJsonValue& step : steps) {
      QCOMPARE(step["top"].toArray().size(), 10);
      QCOMPARE(step["top"][0]["id"], step["id"]);
      for (int i = 1; i < 10; ++i)
        QVERIFY(step["top"][i]["logprob"].toDouble() <= step["top"][i - 1]["logprob"].toDouble());
      QVERIFY(step["logprob"].toDouble() <= 0);
    }
    for (const char* key :
         {"model", "backend", "text", "cache_bytes", "state_bytes", "weights_bytes", "prefill_ms", "decode_ms"})
      QVERIFY2(said.contains(key), key);
  }
  // A run to the last position that the model has: 63 + 1 tokens, and one more that is chosen but not run.
  QCOMPARE(program(gpt_.call("run", {"--ids", QStringList(63, "5").join(','), "--steps", "2", "--json"})).code, 0);
}

void TestCli::seeds() {
  const auto output = [&](const QString& how) {
    return program(gpt_.call("run", {"--prompt", "The key", "--steps", "8", "--json", "--sample", how}))
        .json()
        .value("output_ids");
  };
  QCOMPARE(output("temperature=1,seed=3"), output("temperature=1,seed=3"));
  QVERIFY(output("temperature=1,seed=3") != output("temperature=1,seed=4"));
  QCOMPARE(output("temperature=1,top_k=1,seed=3"), output("greedy"));
}

void TestCli::brackets_and_dashes() {
  for (const QString text : {"[a, b]", "-x", "--prompt", "run", "a=b", "ключ"}) {
    const Said said = program(gpt_.call("run", {"--prompt", text, "--steps", "0", "--json"}));
    QVERIFY2(said.code == 0, said.err.constData());
    QCOMPARE(said.json()["prompt"].toString(), text);
  }
}

void TestCli::fills() {
  for (const char* text : {"The <mask> is old", "The [MASK] is old"}) {
    const Said said = program(bert_.call("run", {"--prompt", text, "--json"}));
    QVERIFY2(said.code == 0, said.err.constData());
    const QJsonArray fills = said.json()["fills"].toArray();
    QCOMPARE(fills.size(), 1);
    QCOMPARE(fills[0]["top"].toArray().size(), 10);
    QCOMPARE(said.json()["steps"].toArray().size(), 0);
    QCOMPARE(said.json()["cache_bytes"].toInt(-1), 0);
  }
  QCOMPARE(program(bert_.call("run", {"--prompt", "no mask", "--json"})).json()["fills"].toArray().size(), 0);
}
void TestCli::footprint_figures_data() {
  QTest::addColumn<QString>("model");
  QTest::addColumn<QString>("dtype");
  QTest::addColumn<double>("bytes_per_token");
  QTest::newRow("gpt2-xl fp16") << "gpt2-xl"
                                << "fp16" << 307200.;  // spec dense.md 7.2 and D14
  QTest::newRow("gpt2 fp16") << "gpt2"
                             << "fp16" << 36 * 1024.;
  QTest::newRow("gpt2-medium fp16") << "gpt2-medium"
                                    << "fp16" << 96 * 1024.;
  QTest::newRow("gpt2-large bf16") << "gpt2-large"
                                   << "bf16" << 180 * 1024.;
  QTest::newRow("gpt2 fp32") << "gpt2"
                             << "fp32" << 72 * 1024.;
  QTest::newRow("gpt2 q8_0") << "gpt2"
                             << "q8_0" << 36 * 1024. * 0.53125;
  QTest::newRow("gpt2 q4_0") << "gpt2"
                             << "q4_0" << 36 * 1024. * 0.28125;
  QTest::newRow("gpt3-175b fp16") << "gpt3-175b"
                                  << "fp16" << 4608 * 1024.;
  QTest::newRow("bert-base fp16") << "bert-base"
                                  << "fp16" << 0.;
  for (const auto& [name, bytes] : {std::pair{"llama-3-8b", 131072.}, {"olmo-2-7b", 524288.}, {"deepseek-v3", 70272.}})
    QTest::newRow(name) << name << "fp16" << bytes;
  QTest::newRow("gpt3-2.7b q8_0") << "gpt3-2.7b"  // heads 80 wide: no block of 32 fits, so fp16
                                  << "q8_0" << 320 * 1024.;
}

void TestCli::footprint_figures() {
  QFETCH(QString, model);
  QFETCH(QString, dtype);
  QFETCH(double, bytes_per_token);
  const auto ask = [&](const QStringList& more) {
    return program(QStringList{"footprint", model, "--context", "512", "--dtype", dtype, "--json"} + more).json();
  };
  QCOMPARE(ask({})["bytes_per_token"].toDouble(-1), bytes_per_token);
  QCOMPARE(ask({})["cache_bytes"].toDouble(-1), 512 * bytes_per_token);
  QCOMPARE(ask({"--batch", "3"})["cache_bytes"].toDouble(-1), 3 * 512 * bytes_per_token);
}

void TestCli::footprint_is_what_a_run_takes() {
  const QJsonObject run = program(gpt_.call("run", {"--ids", "1,2,3,4,5,6,7", "--steps", "0", "--json"})).json();
  const QJsonObject law = program({"footprint", gpt_.path(), "--context", "7", "--json"}).json();
  QCOMPARE(law["cache_bytes"].toDouble(-1), run["cache_bytes"].toDouble(-2));
  QCOMPARE(law["weights_bytes"].toDouble(-1), run["weights_bytes"].toDouble(-2));
  const QStringList half = {"--cache-dtype", "fp16", "--json"};
  const QJsonObject run_half =
      program(gpt_.call("run", QStringList{"--ids", "1,2,3,4,5,6,7", "--steps", "0"} + half)).json();
  const QJsonObject law_half = program(QStringList{"footprint", gpt_.path(), "--context", "7"} + half).json();
  QCOMPARE(run_half["cache_dtype"].toString(), QString("fp16"));
  QCOMPARE(law_half["cache_bytes"].toDouble(-1), run_half["cache_bytes"].toDouble(-2));
  QCOMPARE(2 * run_half["cache_bytes"].toDouble(-1), run["cache_bytes"].toDouble(-2));
}

void TestCli::footprint_of_cards() {
  const QJsonObject said =
      program({"footprint", "llama-3-8b", "--context", "1000000", "--batch", "2", "--dtype", "fp16", "--json"}).json();
  QCOMPARE(said["cache_bytes"].toDouble(), 2 * 1e6 * 131072);
  QCOMPARE(said["cache_allocated_bytes"].toDouble(), 2 * 1e6 * 131072);  // 16 divides it
  QCOMPARE(said["cards"].toArray().size(), 8);
  for (const QJsonValue& card : said["cards"].toArray()) {
    const double room = card["gib"].toDouble() * (1 << 30) - said["weights_bytes"].toDouble();
    QCOMPARE(card["longest_context"].toDouble(), std::max(0., std::floor(room / (2 * 131072))));
    QVERIFY(!card["fits"].toBool());
  }
  const Said text = program({"footprint", "llama-3-8b", "--context", "8192", "--dtype", "fp16"});
  for (const char* part : {"16 GiB", "141 GiB", "128 KiB per token", "arXiv 2407.21783"})
    QVERIFY(text.out.contains(part));
  QVERIFY(program({"footprint", "gpt3-175b"}).out.contains("upper bound"));  // the width of the bands is not published
}

void TestCli::advise_data() {
  QTest::addColumn<QString>("task");
  QTest::addColumn<QString>("first");
  QTest::newRow("chat") << "chat"
                        << "decoder";
  QTest::newRow("code") << "code"
                        << "decoder";
  QTest::newRow("classification") << "classification"
                                  << "encoder";
  QTest::newRow("embedding") << "embedding"
                             << "encoder";
  QTest::newRow("translation") << "translation"
                               << "encoder-decoder";
  QTest::newRow("summary") << "summary"
                           << "encoder-decoder";
  QTest::newRow("infilling") << "infilling"
                             << "encoder";
  QTest::newRow("stream") << "stream"
                          << "decoder";
}

void TestCli::advise() {
  QFETCH(QString, task);
  QFETCH(QString, first);
  // A context that no model here has is a limit of the models, not of the architecture.
  const Said longer = program({"advise", "--task", task, "--context", "100000", "--json"});
  QCOMPARE(longer.json()["ranked"][0]["architecture"].toString(), first);
  const Said said = program({"advise", "--task", task, "--memory", "8", "--tokens", "1e9", "--json"});
  QCOMPARE(said.code, 0);
  const QJsonArray ranked = said.json()["ranked"].toArray();
  QVERIFY(!ranked.isEmpty());
  QCOMPARE(ranked[0]["architecture"].toString(), first);
  QSet<QString> names;
  for (const char* kind : {"models", "blueprints"})
    for (const QJsonValue& one : program({"list", "--json"}).json()[kind].toArray()) names << one["name"].toString();
  for (const QJsonValue& row : ranked) {
    QVERIFY(!row["reasons"].toArray().isEmpty());
    QVERIFY(row["model"].isNull() || names.contains(row["model"].toString()));
  }
}

void TestCli::bench() {
  const Said said = program(gpt_.call("bench", {"--prefill", "16", "--decode", "4", "--repeat", "1", "--json"}));
  QVERIFY2(said.code == 0, said.err.constData());
  for (const char* key : {"prefill_tokens_per_s", "decode_tokens_per_s", "first_map_ms", "peak_bytes"})
    QVERIFY2(said.json()[key].toDouble() > 0, key);
  QCOMPARE(said.json()["readback_bytes"].toInt(-1), 0);
  QVERIFY(program(bert_.call("bench", {"--prefill", "16", "--json"})).json()["decode_tokens_per_s"].isNull());
}

void TestCli::full_disk() {
  if (!QFile::exists("/dev/full")) QSKIP("there is no /dev/full on this machine");
  QProcess child;
  child.setStandardOutputFile("/dev/full");
  child.start(qEnvironmentVariable("CUTAWAY_BINARY"), {"list"});
  QVERIFY(child.waitForFinished());
  QCOMPARE(child.exitStatus(), QProcess::NormalExit);
  QCOMPARE(child.exitCode(), 2);
}

void TestCli::link_to_the_program() {
  QTemporaryDir folder;
  const QString link = folder.filePath("cutaway");
  QVERIFY(QFile::link(qEnvironmentVariable("CUTAWAY_BINARY"), link));
  QProcess child;
  child.start(link, {"list", "--json"});
  QVERIFY(child.waitForFinished());
  QVERIFY(!QJsonDocument::fromJson(child.readAllStandardOutput()).object()["blueprints"].toArray().isEmpty());
}

QTEST_GUILESS_MAIN(TestCli)
#include "test_cli.moc"
