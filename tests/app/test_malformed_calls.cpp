// Wrong words on the command line, wrong texts and targets that can't be written, on a good model.
#include <QtTest>

#include <QDir>
#include <QFile>

#include "tests/support/malformed.h"
#include "tests/support/program.h"
#include "tests/support/tiny_folder.h"

using namespace cutaway::tests;

namespace {

/// run FOLDER --ids 1,2,3 and these words.
QStringList run(const QStringList& words) { return QStringList{"run", "FOLDER", "--ids", "1,2,3"} + words; }

/// run FOLDER with this input and a trace that must not be left.
QStringList read(const QStringList& input) {
  return QStringList{"run", "FOLDER"} + input + QStringList{"--steps", "1", "--trace", "OUT/t.safetensors"};
}

QStringList draw(const QStringList& words) {
  return QStringList{"export", "FOLDER", "--ids", "1,2,3", "--view", "attention"} + words;
}

QList<Malformed> input_cases() {
  const QString long_text = QString("the ").repeated(40), many_ids = QString("1,").repeated(32) + "1";
  return {
      {"no input", nullptr, {}, read({})},
      {"an empty text", nullptr, {}, read({"--prompt", ""})},
      {"a text that is too long", nullptr, {"32"}, read({"--prompt", long_text})},
      {"a text of a megabyte",
       file_holds("text", QByteArray("the end ").repeated(1 << 17)),
       {"32"},
       read({"--prompt-file", "FOLDER/text"})},
      {"a text that is not UTF-8", file_holds("text", "the \xff end"), {"4"}, read({"--prompt-file", "FOLDER/text"})},
      {"a text cut inside a character",
       file_holds("text", "the \xe2\x82"),
       {"4"},
       read({"--prompt-file", "FOLDER/text"})},
      {"a text of surrogates", file_holds("text", "\xed\xa0\x80"), {}, read({"--prompt-file", "FOLDER/text"})},
      {"a text file that is not there", nullptr, {"nowhere.txt"}, read({"--prompt-file", "FOLDER/nowhere.txt"})},
      {"a text file that is a folder", nullptr, {"model"}, read({"--prompt-file", "FOLDER"})},
      {"a text file without an end", nullptr, {"/dev/zero"}, read({"--prompt-file", "/dev/zero"})},
      {"two inputs at once", nullptr, {}, read({"--prompt", "a", "--ids", "1"})},
      {"no ids", nullptr, {}, read({"--ids", ""})},
      {"ids that are words", nullptr, {"x"}, read({"--ids", "1,x"})},
      {"an id left out", nullptr, {}, read({"--ids", "1,,2"})},
      {"an id with a fraction", nullptr, {}, read({"--ids", "1.5"})},
      {"an id of 20 digits", nullptr, {}, read({"--ids", "99999999999999999999"})},
      {"an id that the model has no row for", nullptr, {"260"}, read({"--ids", "1,260"})},
      {"a negative id", nullptr, {"-1"}, read({"--ids=-1"})},
      {"more ids than positions", nullptr, {"33", "32"}, read({"--ids", many_ids})},
      {"more steps than positions",
       nullptr,
       {"32"},
       {"run", "FOLDER", "--ids", "1,2,3", "--steps", "1000", "--trace", "OUT/t.safetensors"}},
      {"negative steps", nullptr, {}, run({"--steps", "-1"})},
      {"steps that are words", nullptr, {}, run({"--steps", "many"})},
  };
}

QList<Malformed> switch_cases() {
  return {
      {"an unknown way to sample", nullptr, {"dice"}, run({"--sample", "dice"})},
      {"a negative temperature", nullptr, {"temperature"}, run({"--sample", "temperature=-1"})},
      {"a temperature that is not a number", nullptr, {"temperature"}, run({"--sample", "temperature=nan"})},
      {"a top_p of two", nullptr, {"top_p"}, run({"--sample", "top_p=2"})},
      {"a negative top_k", nullptr, {"top_k"}, run({"--sample", "top_k=-4"})},
      {"an unknown mask", nullptr, {"iron"}, run({"--mask", "iron"})},
      {"a window of nothing", nullptr, {"window"}, run({"--mask", "window:0"})},
      {"a negative prefix", nullptr, {"prefix"}, run({"--mask", "prefix:-1"})},
      {"a window of 20 digits", nullptr, {"window"}, run({"--mask", "window:99999999999999999999"})},
      {"an unknown attention", nullptr, {"telepathy"}, run({"--attention", "telepathy"})},
      {"an unknown back end", nullptr, {"abacus"}, run({"--backend", "abacus"})},
      {"an unknown dtype", nullptr, {"fp7"}, run({"--dtype", "fp7"})},
      {"minus one threads", nullptr, {}, run({"--threads", "-1"})},
      {"a tap that names nothing", nullptr, {"nothing.*"}, run({"--trace", "OUT/t.safetensors", "--tap", "nothing.*"})},
      {"the second stack of a model that has one", nullptr, {}, run({"--decoder-ids", "1,2"})},
      {"an option that nobody knows", nullptr, {"--frobnicate"}, run({"--frobnicate"})},
      {"a word too many", nullptr, {}, run({"surplus"})},
      {"a seed that is a word", nullptr, {}, run({"--random-weights", "lucky"})},
      {"a call that nobody knows", nullptr, {"frobnicate"}, {"frobnicate"}},
      {"run without a model", nullptr, {}, {"run"}},
      {"a model without a name", nullptr, {}, {"run", "", "--ids", "1"}},
      {"a model that nobody knows", nullptr, {"no-such-model"}, {"run", "no-such-model", "--ids", "1"}},
      {"a model that is a text",
       file_holds("notes.txt", "dear diary"),
       {"notes.txt"},
       {"run", "FOLDER/notes.txt", "--ids", "1"}},
      {"a GGUF of four bytes", file_holds("m.gguf", "GGUF"), {"m.gguf"}, {"run", "FOLDER/m.gguf", "--ids", "1"}},
      {"an empty folder", nullptr, {}, {"run", "OUT", "--ids", "1"}},
      {"a negative context", nullptr, {"context"}, {"footprint", "FOLDER", "--context", "-5"}},
      {"a context of 1e30", nullptr, {}, {"footprint", "FOLDER", "--context", "1e30"}},
      {"no batch", nullptr, {"batch"}, {"footprint", "FOLDER", "--context", "5", "--batch", "0"}},
      {"a task that nobody knows", nullptr, {"juggling"}, {"advise", "--task", "juggling"}},
      {"a bench of nothing", nullptr, {"prefill"}, {"bench", "FOLDER", "--prefill", "0"}},
      {"a bench longer than the positions", nullptr, {"32"}, {"bench", "FOLDER", "--prefill", "1000", "--decode", "8"}},
      {"tokens without a tokenizer",
       [](const QString& f) { QFile::remove(f + "/tokenizer.json"); },
       {"tokenizer"},
       {"tokenize", "FOLDER", "the"}},
  };
}

QList<Malformed> target_cases() {
  return {
      {"a view that nobody knows",
       nullptr,
       {"nonsense"},
       {"export", "FOLDER", "--ids", "1", "--view", "nonsense", "-o", "OUT/x.svg"}},
      {"no view", nullptr, {}, {"export", "FOLDER", "--ids", "1", "-o", "OUT/x.svg"}},
      {"no target", nullptr, {}, draw({})},
      {"an ending that nobody knows", nullptr, {"docx"}, draw({"-o", "OUT/x.docx"})},
      {"no ending", nullptr, {}, draw({"-o", "OUT/x"})},
      {"a layer that isn't there", nullptr, {"layer"}, draw({"--layer", "2", "-o", "OUT/x.svg"})},
      {"a negative layer", nullptr, {"layer"}, draw({"--layer", "-1", "-o", "OUT/x.svg"})},
      {"a head that isn't there", nullptr, {"head"}, draw({"--head", "2", "-o", "OUT/x.svg"})},
      {"a step that isn't there", nullptr, {"step"}, draw({"--step", "99", "-o", "OUT/x.svg"})},
      {"a target in no folder", nullptr, {"nowhere"}, draw({"-o", "OUT/nowhere/x.svg"})},
      {"a target that is a folder",
       [](const QString& f) { QDir(f).mkdir("x.svg"); },
       {"x.svg"},
       draw({"-o", "FOLDER/x.svg"})},
      {"a target under a file", nullptr, {"config.json"}, draw({"-o", "FOLDER/config.json/x.svg"})},
      {"a picture on a full disk",
       [](const QString& f) { QFile::link("/dev/full", f + "/x.csv"); },
       {"x.csv"},
       draw({"-o", "FOLDER/x.csv"}),
       true},
      {"a trace in no folder", nullptr, {"nowhere"}, run({"--trace", "OUT/nowhere/t.safetensors"})},
      {"a trace that is a folder", nullptr, {"model"}, run({"--trace", "FOLDER"})},
      {"a path of 5,000 characters", nullptr, {}, draw({"-o", "OUT/" + QString("x").repeated(5000) + ".svg"})},
  };
}

const QList<Malformed>& cases() {
  static const QList<Malformed> list = input_cases() + switch_cases() + target_cases();
  return list;
}

}  // namespace

class TestMalformedCalls : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    if (program().isEmpty()) QSKIP("the program is not built");
    QCOMPARE(fault_of_good(run({"--steps", "4"})), std::string());
    QCOMPARE(fault_of_good(draw({"-o", "OUT/x.svg"})), std::string());
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

QTEST_GUILESS_MAIN(TestMalformedCalls)
#include "test_malformed_calls.moc"
