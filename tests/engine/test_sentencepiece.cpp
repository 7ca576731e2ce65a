// SentencePiece's models: tiny ones against SentencePiece and transformers themselves (tests/goldens/sentencepiece),
// the vocabularies of ../shared/data as their GGUF files hold them, and everything that is refused, by its sentence.
#include <QFile>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QTemporaryDir>
#include <QTest>
#include <ctime>

#include "engine/files/sha256.h"
#include "engine/tokenizers/charsmap.h"
#include "engine/tokenizers/gguf_tokenizer.h"
#include "engine/tokenizers/old_files.h"
#include "engine/tokenizers/sentencepiece.h"
#include "engine/tokenizers/unicode.h"
#include "tests/support/gguf_bytes.h"

using namespace cutaway;
using tests::GgufBytes;
using TokenizerPtr = std::shared_ptr<const Tokenizer>;

namespace {

const QString root = CUTAWAY_SOURCE_DIR;
const std::string goldens = (root + "/tests/goldens/sentencepiece/").toStdString();

QByteArray whole(const QString& path) {
  QFile file(path);
  return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
}
QByteArray shared(const QString& name) { return whole(root + "/../shared/data/" + name); }

std::vector<int32_t> ids_of(const QJsonValue& value) {
  std::vector<int32_t> ids;
  for (const QJsonValue& id : value.toArray()) ids.push_back(id.toInt());
  return ids;
}
QString joined(const std::vector<int32_t>& ids) {
  QStringList list;
  for (int32_t id : ids) list << QString::number(id);
  return list.join(' ');
}

Result<TokenizerPtr> from_gguf(const QByteArray& bytes) {
  const auto gguf =
      Gguf::read(BoundedReader::over("m.gguf", std::as_bytes(std::span(bytes.data(), size_t(bytes.size())))));
  if (!gguf) return gguf.error();
  return read_gguf_tokenizer(**gguf);
}

/// The lines of make_corpus_hashes.py, from the same numbers.
std::vector<std::string> corpus() {
  static constexpr uint32_t runs[][3] = {// first character, how many may come, longest run
                                         {0x61, 26, 8},     {0x61, 26, 3},     {0x41, 26, 4},   {0x20, 1, 1},
                                         {0x20, 1, 4},      {0x30, 10, 5},     {0x21, 15, 3},   {0xC0, 23, 5},
                                         {0x410, 64, 7},    {0x4E00, 2000, 4}, {0x300, 40, 2},  {0x1F600, 60, 2},
                                         {0xAC00, 2000, 4}, {0x9, 2, 2},       {0x627, 20, 5},  {0x3B1, 17, 6},
                                         {0x905, 40, 4},    {0x2010, 20, 2},   {0xFF21, 26, 3}, {0x27, 1, 1}};
  uint64_t state = 20240917;
  const auto step = [&state](uint32_t n) {
    state = state * 6364136223846793005 + 1442695040888963407;
    return static_cast<uint32_t>((state >> 33) % n);
  };
  std::vector<std::string> lines(2000);
  for (std::string& line : lines)
    for (uint32_t left = 1 + step(24); left > 0; --left) {
      const auto& [first, width, most] = runs[step(std::size(runs))];
      for (uint32_t n = 1 + step(most); n > 0; --n) append(line, first + step(width));
    }
  return lines;
}

// Protobuf by hand.
std::string varint(uint64_t n) {
  std::string out;
  for (; n >= 0x80; n >>= 7) out += static_cast<char>(n | 0x80);
  return out + static_cast<char>(n);
}
std::string number(int field, uint64_t value) { return varint(uint64_t(field) << 3) + varint(value); }
std::string bytes(int field, const std::string& value) {
  return varint(uint64_t(field) << 3 | 2) + varint(value.size()) + value;
}
std::string real(int field, float value) {
  return varint(uint64_t(field) << 3 | 5) + std::string(reinterpret_cast<const char*>(&value), 4);
}
std::string piece(const std::string& token, float score = 0, uint64_t type = 1) {
  return bytes(1, bytes(1, token) + real(2, score) + number(3, type));
}
/// Unknown 0, "a" 1, "b" 2, and a trainer_spec: BPE, without begin and end of text.
const std::string trainer = bytes(2, number(3, 2) + number(40, 0) + number(41, ~0ull) + number(42, ~0ull));
const std::string good = piece("<unk>", 0, 2) + piece("a", -1) + piece("b", -2) + piece("ab", -0.5) + trainer;

}  // namespace

class TestSentencePiece : public QObject {
  Q_OBJECT
 private slots:
  void golden_ids_data() {
    QTest::addColumn<QString>("name");
    QTest::addColumn<QString>("form");
    for (const char* name : {"unigram", "bpe"})
      for (const char* form : {"model", "gguf", "tokenizer.json"}) QTest::addRow("%s.%s", name, form) << name << form;
  }

  void golden_ids() {
    QFETCH(QString, name);
    QFETCH(QString, form);
    const std::string path = goldens + (name + "." + form).toStdString();
    const auto read = form == "model"  ? read_sentencepiece(path, {})
                      : form == "gguf" ? from_gguf(whole(QString::fromStdString(path)))
                                       : Tokenizer::read(path);
    QVERIFY2(read, read ? "" : read.error().text.c_str());
    const bool hf = form == "tokenizer.json";
    const int unk = (*read)->specials().unk;
    const QJsonArray cases =
        QJsonDocument::fromJson(whole(QString::fromStdString(goldens) + "golden.json")).object()[name].toArray();
    QVERIFY(cases.size() > 35);
    for (const QJsonValue& one : cases) {
      const std::string text = one["text"].toString().toStdString();
      if (!hf && text.find("<s>") != std::string::npos) continue;  // SentencePiece takes special text as any text
      const auto got = (*read)->encode(text, false);
      QVERIFY2(got, got ? "" : got.error().text.c_str());
      const auto want = ids_of(one[hf ? "hf_ids" : "ids"]);
      QVERIFY2(got->ids == want, qPrintable(one["text"].toString() + ": " + joined(got->ids) + " for " + joined(want)));
      if (hf) QCOMPARE(joined((*read)->encode(text, true)->ids), joined(ids_of(one["hf_wrapped"])));
      for (const auto& [begin, end] : got->bytes) QVERIFY(begin <= end && end <= text.size());
      if (!hf && std::ranges::find(got->ids, unk) != got->ids.end()) continue;  // it says " ⁇ " for the unknown
      QCOMPARE(QString::fromStdString((*read)->decode(got->ids)), one[hf ? "hf_decoded" : "decoded"].toString());
    }
  }

  /// Every golden string of llama.cpp's vocabularies, from the GGUF file itself.
  void D18_vocabularies_data() {
    QTest::addColumn<QString>("name");
    for (const char* name : {"gpt-2", "bert-bge", "llama-spm", "phi-3", "falcon", "deepseek-coder"})
      QTest::newRow(name) << name;
  }
  void D18_vocabularies() {
    QFETCH(QString, name);
    const QByteArray file = shared("vocab-" + name + ".gguf");
    if (file.isEmpty()) QSKIP("needs ../shared/data");
    const std::clock_t begin = std::clock();
    const auto read = from_gguf(file);
    QVERIFY2(read, read ? "" : read.error().text.c_str());
    const qint64 ms = (std::clock() - begin) * 1000 / CLOCKS_PER_SEC;
    const QJsonArray cases = QJsonDocument::fromJson(shared("vocab-" + name + ".goldens.json")).array();
    QVERIFY(cases.size() >= 46);
    for (const QJsonValue& one : cases) {
      const QString text = one["text"].toString();
      const auto got = (*read)->encode(text.toStdString(), false);
      QVERIFY2(got, got ? "" : got.error().text.c_str());
      QVERIFY2(got->ids == ids_of(one["ids"]),
               qPrintable(text + ": " + joined(got->ids) + " for " + joined(ids_of(one["ids"]))));
      if (name != "bert-bge") QCOMPARE(QString::fromStdString((*read)->decode(got->ids)), text);
      for (const auto& [from, to] : got->bytes) QVERIFY(from <= to && to <= size_t(text.toUtf8().size()));
    }
    qInfo("%s: read in %lld ms, %lld cases", qPrintable(name), static_cast<long long>(ms),
          static_cast<long long>(cases.size()));
  }

  /// 2,000 lines of every script, hash against hash (tests/goldens/make_corpus_hashes.py).
  void D18_a_corpus_data() {
    QTest::addColumn<QString>("name");
    QTest::addColumn<QString>("hash");
    const QJsonObject hashes = QJsonDocument::fromJson(whole(root + "/tests/goldens/corpus_hashes.json")).object();
    for (const QString& name : hashes.keys()) QTest::newRow(qPrintable(name)) << name << hashes[name].toString();
  }
  void D18_a_corpus() {
    QFETCH(QString, name);
    QFETCH(QString, hash);
    Sha256 got;
    const std::vector<std::string> lines = corpus();
    if (name.isEmpty()) {  // the lines themselves
      const std::string all = fmt::format("{}", fmt::join(lines, "\n"));
      got.update(std::as_bytes(std::span(all)));
      QCOMPARE(got.finish(), hash.toStdString());
      return;
    }
    const QString path = name.startsWith("vocab-") ? root + "/../shared/data/" + name : root + "/" + name;
    if (!QFile::exists(path)) QSKIP("needs ../shared/data");
    const auto t =
        name.endsWith(".model") ? read_sentencepiece(path.toStdString(), {}) : Tokenizer::read(path.toStdString());
    QVERIFY2(t, t ? "" : t.error().text.c_str());
    for (const std::string& line : lines) {
      std::vector<int32_t> ids = (*t)->encode(line, false)->ids;
      ids.push_back(-1);
      got.update(std::as_bytes(std::span(ids)));
    }
    QCOMPARE(got.finish(), hash.toStdString());
  }

  void begin_of_text_and_pieces() {
    const QByteArray file = shared("stories260K.gguf");
    if (file.isEmpty()) QSKIP("needs ../shared/data");
    const auto t = *from_gguf(file);
    QCOMPARE(joined(t->encode("Once upon a time", true)->ids), QString("1 403 407 261 378"));
    QCOMPARE(t->piece(403), std::string(" Once"));
    QCOMPARE(t->piece(13), std::string("⟨0A⟩"));
    QVERIFY(t->is_special(1) && t->specials().eos == 2 && t->size() == 512);
    QCOMPARE(t->decode(std::vector<int32_t>{403, 407, 13, 378}), std::string("Once upon\n time"));
  }

  void long_texts_are_linear() {
    for (const char* form : {"unigram.model", "bpe.model", "bpe.tokenizer.json", "unigram.tokenizer.json"}) {
      const std::string path = goldens + form;
      const auto t = *(path.ends_with("json") ? Tokenizer::read(path) : read_sentencepiece(path, {}));
      for (const char* what : {"the key ", "a", " ", "\n", "ж", "👩‍👩‍👧", "e\u0301\u0323", "<sep>"}) {
        std::string text;
        while (text.size() < 500'000) text += what;
        const std::clock_t begin = std::clock();
        QVERIFY(t->encode(text, false));
        const qint64 ms = (std::clock() - begin) * 1000 / CLOCKS_PER_SEC;
        QVERIFY2(ms < 20000, "half a megabyte takes so long only where the work is not linear");
      }
    }
  }

  void a_folder_with_a_model_file() {
    QTemporaryDir dir;
    QVERIFY(QFile::copy(QString::fromStdString(goldens) + "bpe.model", dir.filePath("tokenizer.model")));
    const auto t = *read_old_tokenizer(dir.path().toStdString());
    const auto with = t->encode("the key", true)->ids, without = t->encode("the key", false)->ids;
    QVERIFY(with.size() == without.size() + 1 && with[0] == 1);
    QFile config(dir.filePath("tokenizer_config.json"));
    QVERIFY(config.open(QIODevice::WriteOnly) && config.write(R"({"add_bos_token":false,"add_eos_token":true})") > 0);
    config.close();
    QVERIFY((*read_old_tokenizer(dir.path().toStdString()))->encode("the key", true)->ids.back() == 2);
  }

  void equal_scores_merge_leftmost() {
    const auto t = parse_sentencepiece("t.model",
                                       piece("<unk>", 0, 2) + piece("a", -9) + piece("b", -9) + piece("aa", -1) +
                                           piece("ab", -1) + piece("ba", -1) + trainer + bytes(3, number(3, 0)),
                                       {});
    QVERIFY2(t, t ? "" : t.error().text.c_str());
    QCOMPARE(joined((*t)->encode("aab", false)->ids), QString("3 2"));
    QCOMPARE(joined((*t)->encode("abab", false)->ids), QString("4 4"));
    QCOMPARE(joined((*t)->encode("xxaxb", false)->ids), QString("0 1 0 2"));  // unknown neighbours are one
  }

  void base64() {
    for (const char* text : {"", "a", "ab", "abc", "abcd"}) QCOMPARE(*from_base64(to_base64(text)), std::string(text));
    QCOMPARE(to_base64("light work."), std::string("bGlnaHQgd29yay4="));  // RFC 4648's manner
    QVERIFY(!from_base64("a*b"));
  }

  void malformed_model_data() {
    QTest::addColumn<QByteArray>("bytes");
    QTest::addColumn<QString>("says");
    const auto row = [](const char* name, const std::string& bytes, const char* says) {
      QTest::newRow(name) << QByteArray::fromStdString(bytes) << QString(says);
    };
    row("empty", "", "has no pieces");
    row("text", "hello world, this is no model", "t.model: its model has");
    row("zeros", std::string(64, '\0'), "the field number 0");
    row("cut in a piece", good.substr(0, 5), "that are said to follow");
    row("cut in the trainer", good.substr(0, good.size() - 3), "that are said to follow");
    row("piece of 2^60 bytes", std::string("\x0a").append(varint(1ull << 60)), "0 bytes of 1152921504606846976");
    row("endless number", good + std::string(20, '\xff'), "more than ten bytes");
    row("group", good + "\x0b", "the wire type 3 in field 1");
    row("wire type 7", good + "\x0f", "the wire type 7");
    row("pieces a number", number(1, 5), "field 1 with the wire type 0; 2 is needed");
    row("token a number", bytes(1, number(1, 5)), "piece has field 1 with the wire type 0");
    row("score a text", bytes(1, bytes(1, "a") + bytes(2, "x")), "piece has field 2 with the wire type 2; 5");
    row("score NaN", good + piece("c", NAN), "piece 4 has the score nan");
    row("score infinite", good + piece("c", INFINITY), "piece 4 has the score inf");
    row("type 0", good + piece("c", 0, 0), "piece 4 has the type 0");
    row("type 7", good + piece("c", 0, 7), "piece 4 has the type 7");
    row("empty piece", good + piece(""), "piece 4 is empty");
    row("piece not UTF-8", good + piece("\xff\xfe"), "token 4 is not valid UTF-8");
    row("word model", good + bytes(2, number(3, 3)), "model_type is 3");
    row("suffix", good + bytes(2, number(24, 1)), "treat_whitespace_as_suffix");
    row("no escape", good + bytes(3, number(5, 0)), "escape_whitespaces");
    row("unk beyond", good + bytes(2, number(40, 99)), "the unknown token is 99; the vocabulary has 4");
    row("bos beyond", good + bytes(2, number(41, 1000)), "the begin-of-text token is 1000");
    row("eos beyond", good + bytes(2, number(42, 4)), "the end-of-text token is 4");
    row("map of one byte", good + bytes(3, bytes(2, "x")), "precompiled_charsmap has 1 bytes");
    row("map too short", good + bytes(3, bytes(2, std::string("\x10\0\0\0abcd", 8))),
        "says 16 bytes of trie; it has 4");
    row("map of odd size", good + bytes(3, bytes(2, std::string("\3\0\0\0abcd", 8))), "says 3 bytes of trie");
    row("map a number", good + bytes(3, number(2, 3)), "normalizer_spec has field 2 with the wire type 0");
    row("settings without a begin", good, "begin-of-text token is to be added");
  }
  void malformed_model() {
    QFETCH(QByteArray, bytes);
    QFETCH(QString, says);
    SentencePieceSettings settings;
    if (says.startsWith("begin")) settings.add_bos = true;
    const auto t = parse_sentencepiece("t.model", bytes.toStdString(), settings);
    QVERIFY(!t);
    QVERIFY2(QString::fromStdString(t.error().text).contains(says), t.error().text.c_str());
    QVERIFY2(t.error().text.starts_with("t.model"), t.error().text.c_str());
  }
  void the_good_one_is_read() {
    const auto t = parse_sentencepiece("t.model", good, {});
    QVERIFY2(t, t ? "" : t.error().text.c_str());
    QCOMPARE(joined((*t)->encode("ab", true)->ids), QString("0 3"));  // the dummy prefix is unknown here
  }

  void malformed_gguf_data() {
    QTest::addColumn<QByteArray>("bytes");
    QTest::addColumn<QString>("says");
    const auto row = [](const char* name, const char* says, const std::function<void(GgufBytes&)>& change) {
      GgufBytes file;
      change(file);
      QTest::newRow(name) << file.done() << QString(says);
    };
    const auto llama = [](GgufBytes& f) -> GgufBytes& {
      return f.text("tokenizer.ggml.model", "llama").texts("tokenizer.ggml.tokens", {"<unk>", "a"});
    };
    const auto gpt2 = [](GgufBytes& f) -> GgufBytes& {
      return f.text("tokenizer.ggml.model", "gpt2").texts("tokenizer.ggml.tokens", {"a", "b", "ab"});
    };
    const auto bert = [](GgufBytes& f) -> GgufBytes& {
      return f.text("tokenizer.ggml.model", "bert").texts("tokenizer.ggml.tokens", {"[UNK]", "▁a", "b"});
    };
    row("unknown model", "tokenizer.ggml.model is \"rwkv\"", [](auto& f) { f.text("tokenizer.ggml.model", "rwkv"); });
    row("model a number", "tokenizer.ggml.model is 5; a text", [](auto& f) { f.u32("tokenizer.ggml.model", 5); });
    row("no tokens", "tokenizer.ggml.tokens is missing", [](auto& f) { f.text("tokenizer.ggml.model", "llama"); });
    row("tokens of none", "tokenizer.ggml.tokens is missing",
        [](auto& f) { f.text("tokenizer.ggml.model", "llama").texts("tokenizer.ggml.tokens", {}); });
    row("tokens numbers", "tokenizer.ggml.tokens is a list of 2 F32", [](auto& f) {
      f.text("tokenizer.ggml.model", "llama").template list<float>("tokenizer.ggml.tokens", 6, {1, 2});
    });
    row("no scores", "tokenizer.ggml.scores is missing", [&](auto& f) { llama(f); });
    row("scores too few", "tokenizer.ggml.scores has 1 entries; tokenizer.ggml.tokens has 2",
        [&](auto& f) { llama(f).template list<float>("tokenizer.ggml.scores", 6, {1}); });
    row("score NaN", "tokenizer.ggml.scores of 1 is nan", [&](auto& f) {
      llama(f).template list<float>("tokenizer.ggml.scores", 6, {1, NAN});
    });
    row("types too many", "tokenizer.ggml.token_type has 3 entries", [&](auto& f) {
      llama(f)
          .template list<float>("tokenizer.ggml.scores", 6, {1, 2})
          .template list<int32_t>("tokenizer.ggml.token_type", 5, {1, 1, 1});
    });
    row("type 9", "tokenizer.ggml.token_type of 1 is 9", [&](auto& f) {
      llama(f)
          .template list<float>("tokenizer.ggml.scores", 6, {1, 2})
          .template list<int32_t>("tokenizer.ggml.token_type", 5, {1, 9});
    });
    row("token not UTF-8", "token 1 is not valid UTF-8", [&](auto& f) {
      f.text("tokenizer.ggml.model", "llama")
          .texts("tokenizer.ggml.tokens", {"a", "\xff"})
          .template list<float>("tokenizer.ggml.scores", 6, {1, 2});
    });
    row("bos beyond", "the begin-of-text token is 7", [&](auto& f) {
      llama(f).template list<float>("tokenizer.ggml.scores", 6, {1, 2}).u32("tokenizer.ggml.bos_token_id", 7);
    });
    row("bos a text", "tokenizer.ggml.bos_token_id is \"x\"", [&](auto& f) {
      llama(f).template list<float>("tokenizer.ggml.scores", 6, {1, 2}).text("tokenizer.ggml.bos_token_id", "x");
    });
    row("add_bos a number", "tokenizer.ggml.add_bos_token is 1; a BOOL", [&](auto& f) {
      llama(f).template list<float>("tokenizer.ggml.scores", 6, {1, 2}).u32("tokenizer.ggml.add_bos_token", 1);
    });
    row("add_bos without one", "begin-of-text token is to be added",
        [&](auto& f) { gpt2(f).texts("tokenizer.ggml.merges", {}).flag("tokenizer.ggml.add_bos_token", 1); });
    row("no merges", "tokenizer.ggml.merges is missing", [&](auto& f) { gpt2(f); });
    row("merge of one", "merge 0 is \"a\"; two tokens",
        [&](auto& f) { gpt2(f).texts("tokenizer.ggml.merges", {"a"}); });
    row("merge of strangers", "needs the token \"x\"", [&](auto& f) {
      gpt2(f).texts("tokenizer.ggml.merges", {"a b", "x b"});
    });
    row("merge not UTF-8", "merge 0", [&](auto& f) { gpt2(f).texts("tokenizer.ggml.merges", {"\xff b"}); });
    row("unknown pre", "tokenizer.ggml.pre is \"martian\"; known are gpt-2",
        [&](auto& f) { gpt2(f).texts("tokenizer.ggml.merges", {"a b"}).text("tokenizer.ggml.pre", "martian"); });
    row("bert's unknown beyond", "the unknown token is 100", [&](auto& f) { bert(f); });
    row("bert's cls beyond", "the begin-of-text token is 101",
        [&](auto& f) { bert(f).u32("tokenizer.ggml.unknown_token_id", 0); });
    row("t5's map a text", "tokenizer.ggml.precompiled_charsmap is \"x\"", [&](auto& f) {
      f.text("tokenizer.ggml.model", "t5")
          .texts("tokenizer.ggml.tokens", {"a"})
          .template list<float>("tokenizer.ggml.scores", 6, {1})
          .text("tokenizer.ggml.precompiled_charsmap", "x");
    });
    row("t5's map broken", "says 9 bytes of trie", [&](auto& f) {
      f.text("tokenizer.ggml.model", "t5")
          .texts("tokenizer.ggml.tokens", {"a"})
          .template list<float>("tokenizer.ggml.scores", 6, {1})
          .template list<uint8_t>("tokenizer.ggml.precompiled_charsmap", 0, {9, 0, 0, 0, 1});
    });
  }
  void malformed_gguf() {
    QFETCH(QByteArray, bytes);
    QFETCH(QString, says);
    const auto t = from_gguf(bytes);
    QVERIFY(!t);
    QVERIFY2(QString::fromStdString(t.error().text).contains(says), t.error().text.c_str());
    QVERIFY2(t.error().text.starts_with("m.gguf"), t.error().text.c_str());
  }
  void a_gguf_without_a_tokenizer() {
    GgufBytes file;
    const auto none = from_gguf(file.u32("a", 1).done());
    QVERIFY(none && *none == nullptr);
  }
};

QTEST_APPLESS_MAIN(TestSentencePiece)
#include "test_sentencepiece.moc"
