// Tokenizers against published goldens of real vocabularies (../shared/data), and small ones built here against strings
// worked out with Hugging Face tokenizers 0.20.
#include <QFile>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QTemporaryDir>
#include <QTest>
#include <ctime>

#include "engine/tokenizers/old_files.h"

using namespace cutaway;

namespace {

QByteArray data_file(const QString& name) {
  QFile file(QString(CUTAWAY_SOURCE_DIR) + "/../shared/data/" + name);
  return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
}

std::vector<int32_t> ids_of(const QJsonValue& value) {
  std::vector<int32_t> ids;
  for (const QJsonValue& id : value.toArray()) ids.push_back(id.toInt());
  return ids;
}

std::shared_ptr<const Tokenizer> vocabulary(const QString& name) {
  const QByteArray json = data_file("vocab-" + name + ".tokenizer.json");
  if (json.isEmpty()) return nullptr;
  auto made = Tokenizer::parse("tokenizer.json", json.toStdString());
  if (!made) qFatal("%s", made.error().text.c_str());
  return *made;
}

QString joined(const std::vector<int32_t>& ids) {
  QStringList list;
  for (int32_t id : ids) list << QString::number(id);
  return list.join(' ');
}

/// A tokenizer.json with a tiny vocabulary and the given parts.
std::string small(const std::string& parts, const std::string& model) {
  return "{" + parts + (parts.empty() ? "" : ",") + "\"model\":" + model + "}";
}

const std::string words =
    R"({"type":"WordPiece","unk_token":"[UNK]","vocab":{"[UNK]":0,"a":1,"b":2,"##b":3,"##c":4,"ab":5,"!":6,"[MASK]":7}})";
const std::string bytes =
    R"({"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"Ġ":3,"Ġa":4,"aa":5,"abab":6},"merges":["a b","Ġ a",["a","a"],["ab","ab"]]})";

}  // namespace

class TestTokenizer : public QObject {
  Q_OBJECT
 private slots:
  void goldens_data() {
    QTest::addColumn<QString>("name");
    for (const char* name : {"gpt-2", "bert-bge", "llama3", "qwen3"}) QTest::newRow(name) << name;
  }
  void goldens() {
    QFETCH(QString, name);
    const std::clock_t begin = std::clock();
    const auto tokenizer = vocabulary(name);
    if (!tokenizer) QSKIP("needs ../shared/data");
    const qint64 ms = (std::clock() - begin) * 1000 / CLOCKS_PER_SEC;
    const QJsonArray cases = QJsonDocument::fromJson(data_file("vocab-" + name + ".goldens.json")).array();
    QCOMPARE(cases.size(), 76);
    for (const QJsonValue& one : cases) {
      const QString text = one["text"].toString();
      const auto got = tokenizer->encode(text.toStdString(), false);
      QVERIFY2(got, got ? "" : got.error().text.c_str());
      QVERIFY2(got->ids == ids_of(one["ids"]),
               qPrintable(text + ": " + joined(got->ids) + " for " + joined(ids_of(one["ids"]))));
      const QString back = QString::fromStdString(tokenizer->decode(got->ids));
      if (name == "bert-bge") continue;  // lossy; bert_decodes has its strings
      QCOMPARE(back, name == "qwen3" ? text.normalized(QString::NormalizationForm_C) : text);
      check_offsets(text.toStdString(), *got);
    }
    qInfo("%s: read in %lld ms, %lld cases", qPrintable(name), static_cast<long long>(ms),
          static_cast<long long>(cases.size()));
  }

  void chat() {
    const QJsonObject chats = QJsonDocument::fromJson(data_file("chat.goldens.json")).object();
    if (chats.isEmpty()) QSKIP("needs ../shared/data");
    for (const QString& name : chats.keys()) {
      const auto tokenizer = vocabulary(name);
      const auto got = tokenizer->encode(chats[name]["text"].toString().toStdString(), false);
      QVERIFY(got && got->ids == ids_of(chats[name]["ids"]));
      QCOMPARE(QString::fromStdString(tokenizer->decode(got->ids)), chats[name]["text"].toString());
      QVERIFY(tokenizer->is_special(got->ids[0]) && !tokenizer->is_special(got->ids[4]));
    }
  }

  void bundled() {  // mini-gpt's and mini-bert's own, against what Hugging Face made of them (tests/goldens/make.py)
    const QString root = CUTAWAY_SOURCE_DIR;
    const auto gpt = Tokenizer::read((root + "/assets/models/mini-gpt/tokenizer.json").toStdString());
    const auto bert = Tokenizer::read((root + "/assets/models/mini-bert/tokenizer.json").toStdString());
    QVERIFY2(gpt, gpt ? "" : gpt.error().text.c_str());
    QVERIFY2(bert, bert ? "" : bert.error().text.c_str());
    QFile file(root + "/tests/goldens/tokenizer-mini.json");
    QVERIFY(file.open(QIODevice::ReadOnly));
    const QJsonArray cases = QJsonDocument::fromJson(file.readAll()).array();
    QVERIFY(cases.size() > 50);
    for (const QJsonValue& one : cases) {
      const std::string text = one["text"].toString().toStdString();
      const auto plain = (*gpt)->encode(text, true), wrapped = (*bert)->encode(text, true);
      QVERIFY2(plain && plain->ids == ids_of(one["ids"]), text.c_str());
      QVERIFY2(wrapped && wrapped->ids == ids_of(one["ids_mini_bert"]), text.c_str());
      QCOMPARE((*gpt)->decode(plain->ids), one["decoded"].toString().toStdString());
    }
    const SpecialIds s = (*bert)->specials();
    QVERIFY(s.mask >= 0 && s.cls >= 0 && s.sep >= 0 && s.pad >= 0 && s.eos >= 0);
    QCOMPARE((*gpt)->size(), 2048);
  }

  void bert_specials_and_decoding() {
    const auto tokenizer = vocabulary("bert-bge");
    if (!tokenizer) QSKIP("needs ../shared/data");
    QCOMPARE(joined(tokenizer->encode("Hello world", true)->ids), QString("101 7592 2088 102"));
    const SpecialIds s = tokenizer->specials();
    QVERIFY(s.mask == 103 && s.cls == 101 && s.sep == 102 && s.pad == 0 && s.unk == 100);
    const auto masked = tokenizer->encode("The capital of France is [MASK].", false);
    QCOMPARE(joined(masked->ids), QString("1996 3007 1997 2605 2003 103 1012"));
    QCOMPARE(tokenizer->decode(masked->ids), std::string("the capital of france is [MASK]."));
    QCOMPARE(tokenizer->decode(tokenizer->encode("He doesn't know: unbelievable!", false)->ids),
             std::string("he doesn ' t know : unbelievable!"));
    QCOMPARE(tokenizer->piece(3007), std::string("capital"));
    const auto got =
        tokenizer->encode("  Éte\u0301 \u4e2d", false);  // offsets of what was typed, though letters changed
    QCOMPARE(got->bytes.front().first, size_t(2));
    QCOMPARE(got->bytes.back(), std::make_pair(size_t(9), size_t(12)));
  }

  void long_texts_are_linear_data() {
    QTest::addColumn<QString>("name");
    QTest::addColumn<QString>("what");
    for (const char* name : {"gpt-2", "bert-bge", "llama3", "qwen3"})
      for (const char* what :
           {"shakespeare", "a", "spaces", "spaces, letter", "newlines", "emoji", "accents", "special"})
        QTest::addRow("%s %s", name, what) << name << what;
  }
  void long_texts_are_linear() {
    QFETCH(QString, name);
    QFETCH(QString, what);
    static std::map<QString, std::shared_ptr<const Tokenizer>> read;
    if (!read.contains(name)) read[name] = vocabulary(name);
    const auto& tokenizer = read[name];
    if (!tokenizer) QSKIP("needs ../shared/data");
    std::string text;
    if (what == "shakespeare") text = data_file("tinyshakespeare.txt").toStdString();
    const std::map<QString, std::string> repeated = {{"a", "a"},
                                                     {"spaces", " "},
                                                     {"spaces, letter", " "},
                                                     {"newlines", "\n"},
                                                     {"emoji", "👩‍👩‍👧"},
                                                     {"accents", "e\u0301\u0323"},
                                                     {"special", "<|endoftext|>"}};
    while (what != "shakespeare" && text.size() < 1'000'000) text += repeated.at(what);
    if (what == "spaces, letter") text += "x";
    const std::clock_t begin = std::clock();  // the processor's time: other programs may be busy
    const auto got = tokenizer->encode(text, false);
    const qint64 ms = (std::clock() - begin) * 1000 / CLOCKS_PER_SEC;
    QVERIFY(got);
    QVERIFY2(ms < 60000, "a megabyte takes minutes only where the work is not linear");
    qInfo("%s, %s: %zu bytes, %zu tokens, %lld ms", qPrintable(name), qPrintable(what), text.size(), got->ids.size(),
          static_cast<long long>(ms));
    if (name != "bert-bge" && !(name == "qwen3" && what == "accents")) QVERIFY(tokenizer->decode(got->ids) == text);
  }

  void bpe_merges_by_rank_then_leftmost() {
    const auto t = Tokenizer::parse(
        "t.json",
        small(R"("pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"decoder":{"type":"ByteLevel"})",
              bytes));
    QVERIFY2(t, t ? "" : t.error().text.c_str());
    QCOMPARE(joined((*t)->encode("abab", false)->ids), QString("6"));
    QCOMPARE(joined((*t)->encode("aab", false)->ids), QString("0 2"));  // "ab" ranks before "aa"
    QCOMPARE(joined((*t)->encode("aaa", false)->ids), QString("5 0"));  // leftmost on ties
    QCOMPARE(joined((*t)->encode("ab ab", false)->ids),
             QString("2 3 2"));  // no merge joins the space: "ab" ranks first
    QCOMPARE(joined((*t)->encode("a a", false)->ids), QString("0 4"));
    QCOMPARE(joined((*t)->encode("axb", false)->ids),
             QString("2"));  // a byte without token or unk is left out, before merging
    QCOMPARE((*t)->decode(std::vector<int32_t>{4, 2}), std::string(" aab"));
    QCOMPARE((*t)->piece(4), std::string(" a"));
    const auto spaced =
        Tokenizer::parse("t.json", small(R"("pre_tokenizer":{"type":"ByteLevel","add_prefix_space":true})", bytes));
    const auto got = (*spaced)->encode("a", false);
    QCOMPARE(joined(got->ids), QString("4"));
    QCOMPARE(got->bytes[0], std::make_pair(size_t(0), size_t(1)));
  }

  void wordpiece_greedy_and_whole_word_unknown() {
    const auto t = Tokenizer::parse(
        "t.json", small(R"("pre_tokenizer":{"type":"BertPreTokenizer"},"decoder":{"type":"WordPiece"})", words));
    QCOMPARE(joined((*t)->encode("abc a!b abx", false)->ids), QString("5 4 1 6 2 0"));
    QCOMPARE((*t)->decode(std::vector<int32_t>{5, 4, 1, 6}), std::string("abc a!"));
    QCOMPARE((*t)->piece(4), std::string("##c"));
    const auto got = (*t)->encode(std::string(101, 'b'), false);
    QCOMPARE(joined(got->ids), QString("0"));
    QCOMPARE((*t)->encode(std::string(100, 'b'), false)->ids.size(), size_t(100));
  }

  void added_tokens_longest_and_white_space() {
    const auto t = Tokenizer::parse("t.json", small(R"("added_tokens":[
      {"id":7,"content":"[MASK]","lstrip":true,"normalized":false,"special":true},
      {"id":20,"content":"<e>","rstrip":true,"normalized":false},
      {"id":21,"content":"<e>!","normalized":false},
      {"id":22,"content":"ba","single_word":true,"normalized":true}],
      "normalizer":{"type":"Lowercase"},"pre_tokenizer":{"type":"BertPreTokenizer"})",
                                                    words));
    QVERIFY2(t, t ? "" : t.error().text.c_str());
    const auto got = (*t)->encode("a  [MASK] B<e>!<e>  a", false);
    QCOMPARE(joined(got->ids), QString("1 7 2 21 20 1"));
    QCOMPARE(got->bytes[1], std::make_pair(size_t(1), size_t(9)));
    QCOMPARE(got->bytes[4], std::make_pair(size_t(15), size_t(20)));
    QCOMPARE(joined((*t)->encode("BA", false)->ids), QString("22"));         // after the normaliser
    QCOMPARE(joined((*t)->encode("[mask]", false)->ids), QString("0 0 0"));  // special ones before it
    QCOMPARE(joined((*t)->encode("baa", false)->ids), QString("0"));
    QCOMPARE((*t)->size(), 23);
    QVERIFY((*t)->is_special(7) && !(*t)->is_special(20));
    QCOMPARE((*t)->specials().mask, 7);
  }

  void folders_from_before_tokenizer_json() {  // the same ids as from the tokenizer.json that holds the same vocabulary
    const auto bert = vocabulary("bert-bge"), gpt = vocabulary("gpt-2");
    if (!bert || !gpt) QSKIP("needs ../shared/data");
    QTemporaryDir dir;
    const std::string folder = dir.path().toStdString();
    QVERIFY(*read_old_tokenizer(folder) == nullptr);
    const auto write = [&](const char* name, const QByteArray& bytes) {
      QFile file(dir.filePath(name));
      QVERIFY(file.open(QIODevice::WriteOnly) && file.write(bytes) == bytes.size());
    };
    const auto model = [](const QString& name) {
      return QJsonDocument::fromJson(data_file("vocab-" + name + ".tokenizer.json")).object()["model"].toObject();
    };
    QByteArrayList lines(30522);
    const QJsonObject words_by_id = model("bert-bge")["vocab"].toObject();
    for (const QString& token : words_by_id.keys()) lines[words_by_id[token].toInt()] = token.toUtf8();
    write("vocab.txt", lines.join('\n'));
    const std::string text = "The capital of Fränce is [MASK], isn't it? \u4e2d\u6587";
    auto old = read_old_tokenizer(folder);
    QVERIFY2(old && *old, old ? "" : old.error().text.c_str());
    QVERIFY((*old)->encode(text, true)->ids == bert->encode(text, true)->ids);
    write("tokenizer_config.json", R"({"do_lower_case": false})");
    QVERIFY((*read_old_tokenizer(folder))->encode("The", false)->ids != bert->encode("The", false)->ids);

    QByteArray merges = "#version: 0.2\n";
    for (const QJsonValue& merge : model("gpt-2")["merges"].toArray()) merges += merge.toString().toUtf8() + "\n";
    write("merges.txt", merges);
    write("vocab.json", QJsonDocument(model("gpt-2")["vocab"].toObject()).toJson());
    old = read_old_tokenizer(folder);
    QVERIFY2(old && *old, old ? "" : old.error().text.c_str());
    QVERIFY((*old)->encode(text + "<|endoftext|>", true)->ids == gpt->encode(text + "<|endoftext|>", true)->ids);
    write("vocab.json", "[]");
    QVERIFY(read_old_tokenizer(folder).error().text.starts_with("vocab.json"));
  }

  void control_and_unassigned_characters() {  // U+0378 is unassigned, U+E000 for private use, U+200B a format character
    const auto t = Tokenizer::parse(
        "t.json",
        small(R"("normalizer":{"type":"BertNormalizer"},"pre_tokenizer":{"type":"BertPreTokenizer"})", words));
    QCOMPARE(joined((*t)->encode("a\u200bb", false)->ids), QString("5"));
    QCOMPARE(joined((*t)->encode("a\ue000b", false)->ids), QString("5"));
    QCOMPARE(joined((*t)->encode("a\u0378b", false)->ids), QString("0"));
    QCOMPARE(joined((*t)->encode("a\u0085\u0301b\u0000", false)->ids), QString("5"));
  }

  void invalid_utf8_names_the_byte_data() {
    QTest::addColumn<QByteArray>("text");
    QTest::addColumn<int>("at");
    QTest::newRow("alone") << QByteArray("ab\xff") << 2;
    QTest::newRow("cut") << QByteArray("a\xe2\x82") << 1;
    QTest::newRow("overlong") << QByteArray("\xc0\xaf") << 0;
    QTest::newRow("overlong 3") << QByteArray("\xe0\x80\xaf") << 0;
    QTest::newRow("surrogate") << QByteArray("abc\xed\xa0\x80") << 3;
    QTest::newRow("too high") << QByteArray("\xf4\x90\x80\x80") << 0;
    QTest::newRow("continuation") << QByteArray("\x80") << 0;
  }
  void invalid_utf8_names_the_byte() {
    QFETCH(QByteArray, text);
    QFETCH(int, at);
    const auto t = Tokenizer::parse("t.json", small("", words));
    const auto got = (*t)->encode(text.toStdString(), true);
    QVERIFY(!got);
    QVERIFY(QString::fromStdString(got.error().text).endsWith(QString("byte %1").arg(at)));
  }

  void malformed_data() {
    QTest::addColumn<QByteArray>("json");
    QTest::addColumn<QString>("says");
    const auto row = [](const char* name, const std::string& json, const char* says) {
      QTest::newRow(name) << QByteArray::fromStdString(json) << QString(says);
    };
    const auto bpe = [](const char* vocab, const char* merges) {
      return small("", std::string("{\"type\":\"BPE\",\"vocab\":") + vocab + ",\"merges\":" + merges + "}");
    };
    row("empty", "", "not valid JSON");
    row("list", "[]", "holds array");
    row("no model", "{}", "has no model");
    row("model a number", "{\"model\":3}", "model is 3; an object");
    row("unknown model", small("", R"({"type":"Quux","vocab":{}})"), "model Quux is a component that is not known");
    row("unigram vocab", small("", R"({"type":"Unigram","vocab":{"a":1}})"), "vocab is {\"a\":1}; a list");
    row("unigram token", small("", R"({"type":"Unigram","vocab":[["a",1],["b"]]})"), "vocab has [\"b\"] at 1");
    row("unigram score", small("", R"({"type":"Unigram","vocab":[["a","1"]]})"), "a token and its score");
    row("unigram unk", small("", R"({"type":"Unigram","unk_id":1,"vocab":[["a",1]]})"), "has unk_id 1");
    row("unigram of nothing", small("", R"({"type":"Unigram","unk_id":0,"vocab":[]})"), "has unk_id 0");
    row("no model type", small("", R"({"vocab":{}})"), "model has no type");
    row("no vocab", small("", R"({"type":"BPE","merges":[]})"), "vocab is null");
    row("vocab a list", bpe("[1]", "[]"), "vocab is [1]");
    row("id a text", bpe(R"({"a":"0"})", "[]"), "gives \"a\" the id \"0\"");
    row("id negative", bpe(R"({"a":-1})", "[]"), "gives \"a\" the id -1");
    row("id huge", bpe(R"({"a":4000000000})", "[]"), "whole number up to");
    row("id far off", bpe(R"({"a":9000000})", "[]"), "so many can't be missing");
    row("id twice", bpe(R"({"a":0,"b":0})", "[]"), "gives the id 0 to \"a\" and to \"b\"");
    row("merges missing", small("", R"({"type":"BPE","vocab":{"a":0}})"), "merges are null");
    row("merge of one", bpe(R"({"a":0})", R"(["a"])"), "merge 0 is \"a\"; two tokens");
    row("merge of three", bpe(R"({"a":0})", R"([["a","a","a"]])"), "two tokens");
    row("merge of three words", bpe(R"({"a":0})", R"(["a a a"])"), "two tokens");
    row("merge a number", bpe(R"({"a":0})", "[5]"), "merge 0 is 5");
    row("merge of strangers", bpe(R"({"a":0})", R"(["a b"])"), "needs the token \"b\"");
    row("merge to a stranger", bpe(R"({"a":0})", R"(["a a"])"), "needs the token \"aa\"");
    row("dropout", small("", R"({"type":"BPE","vocab":{"a":0},"merges":[],"dropout":0.1})"), "has dropout 0.1");
    row("suffix", small("", R"({"type":"BPE","vocab":{"a":0},"merges":[],"end_of_word_suffix":"</w>"})"),
        "end_of_word_suffix");
    row("unk not there", small("", R"({"type":"BPE","vocab":{"a":0},"merges":[],"unk_token":"u"})"), "unk_token \"u\"");
    row("wordpiece unk", small("", R"({"type":"WordPiece","vocab":{"a":0}})"), "unk_token \"[UNK]\"");
    row("max characters", small("", R"({"type":"WordPiece","vocab":{"[UNK]":0},"max_input_chars_per_word":-1})"),
        "max_input_chars_per_word -1");
    row("unknown normalizer", small(R"("normalizer":{"type":"Quux"})", words), "normalizer Quux");
    row("map no base64", small(R"("normalizer":{"type":"Precompiled","precompiled_charsmap":"*"})", words),
        "no base64");
    row("map broken", small(R"("normalizer":{"type":"Precompiled","precompiled_charsmap":"CQAAAAE="})", words),
        "says 9 bytes of trie; it has 1");
    row("normalizer inside", small(R"("normalizer":{"type":"Sequence","normalizers":[{"type":"Nmt"}]})", words),
        "Nmt is a component that is not known");
    row("normalizer a text", small(R"("normalizer":"NFC")", words), "normalizer is \"NFC\"");
    row("normalizer no type", small(R"("normalizer":{})", words), "normalizer has no type");
    row("flag a number", small(R"("normalizer":{"type":"BertNormalizer","lowercase":1})", words),
        "has lowercase 1; true or false");
    row("unknown pre-tokenizer", small(R"("pre_tokenizer":{"type":"Quux"})", words), "pre_tokenizer Quux");
    row("metaspace mark", small(R"("pre_tokenizer":{"type":"Metaspace","replacement":"ab"})", words),
        "has the replacement \"ab\"");
    row("metaspace no mark", small(R"("pre_tokenizer":{"type":"Metaspace","replacement":""})", words),
        "one character is needed");
    row("metaspace scheme", small(R"("pre_tokenizer":{"type":"Metaspace","prepend_scheme":"last"})", words),
        "prepend_scheme \"last\"");
    row("bad regex", small(R"("pre_tokenizer":{"type":"Split","pattern":{"Regex":"*a"},"behavior":"Isolated"})", words),
        "the pattern *a is not read");
    row("no pattern", small(R"("pre_tokenizer":{"type":"Split","behavior":"Isolated"})", words),
        "has the pattern null");
    row("bad behavior", small(R"("pre_tokenizer":{"type":"Split","pattern":{"String":"a"},"behavior":"X"})", words),
        "has the behavior \"X\"");
    row("sequence no list", small(R"("pre_tokenizer":{"type":"Sequence","pretokenizers":3})", words),
        "a list is needed");
    row("decoder metaspace", small(R"("decoder":{"type":"Metaspace","replacement":""})", words),
        "an empty replacement");
    row("decoder strip", small(R"("decoder":{"type":"Strip","content":" ","start":-1})", words), "has start -1");
    row("decoder strip nothing", small(R"("decoder":{"type":"Strip","content":""})", words), "an empty content");
    row("unknown decoder", small(R"("decoder":{"type":"CTC"})", words), "decoder CTC");
    row("unknown post", small(R"("post_processor":{"type":"X"})", words), "post_processor X");
    row("post id", small(R"("post_processor":{"type":"BertProcessing","cls":["a",999],"sep":["b",1]})", words),
        "puts the id 999");
    row("post no pair", small(R"("post_processor":{"type":"BertProcessing","cls":["a",1]})", words), "has sep null");
    row("template special",
        small(
            R"("post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x","type_id":0}},{"Sequence":{"id":"A"}}],"special_tokens":{}})",
            words),
        "names \"x\"");
    row("template no sequence",
        small(R"("post_processor":{"type":"TemplateProcessing","single":[],"special_tokens":{}})", words),
        "no sequence");
    row("added a number", small(R"("added_tokens":[3])", words), "added_tokens is 3");
    row("added no id", small(R"("added_tokens":[{"content":"x"}])", words), "gives \"x\" no id");
    row("added no content", small(R"("added_tokens":[{"id":3}])", words), "has content null");
    row("added against vocab", small(R"("added_tokens":[{"id":9,"content":"ab"}])", words), "vocab says 5");
    row("invalid UTF-8", "{\"model\":\"\xff\"}", "not valid JSON");
    row("deep", std::string(5000, '['), "nested");
  }
  void malformed() {
    QFETCH(QByteArray, json);
    QFETCH(QString, says);
    const auto t = Tokenizer::parse("t.json", json.toStdString());
    QVERIFY(!t);
    QVERIFY2(QString::fromStdString(t.error().text).contains(says), t.error().text.c_str());
    QVERIFY2(t.error().text.starts_with("t.json"), t.error().text.c_str());
  }

  void patient_patterns_end() {  // a pattern that backtracks without end gives up; the text stays whole
    const auto t = Tokenizer::parse(
        "t.json",
        small(R"j("pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a+)+$"},"behavior":"Removed"})j", words));
    const std::clock_t begin = std::clock();
    QVERIFY((*t)->encode(std::string(40, 'a') + "!", false));
    QVERIFY(std::clock() - begin < 2 * CLOCKS_PER_SEC);
  }

 private:
  /// Tokens of a byte-level text lie one behind the other and cover it.
  void check_offsets(const std::string& text, const Encoding& got) {
    size_t at = 0;
    for (const auto& [begin, end] : got.bytes) {
      QVERIFY(begin <= end && end <= text.size() && begin <= at + 4);
      at = end;
    }
    if (!got.bytes.empty()) QCOMPARE(at, text.size());
  }
};

QTEST_APPLESS_MAIN(TestTokenizer)
#include "test_tokenizer.moc"
