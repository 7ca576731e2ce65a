// Broken GGUF files and SentencePiece models through the real program: a refusal of one sentence, never a crash,
// nothing left behind.
#include <QDir>
#include <QFile>
#include <QtTest>

#include "tests/support/gguf_bytes.h"
#include "tests/support/malformed.h"
#include "tests/support/program.h"
#include "tests/support/tiny_folder.h"

using namespace cutaway;
using namespace cutaway::tests;

namespace {

using Spoil = std::function<void(const QString&)>;

/// A GPT-2 of one layer, D 8, two heads, 16 positions, byte pairs; every linear [out, in].
GgufBytes keys() {
  GgufBytes file;
  file.text("general.architecture", "gpt2").u32("gpt2.embedding_length", 8).u32("gpt2.block_count", 1);
  file.u32("gpt2.attention.head_count", 2).u32("gpt2.context_length", 16).u32("gpt2.feed_forward_length", 32);
  file.f32("gpt2.attention.layer_norm_epsilon", 1e-5f);
  return file;
}
GgufBytes& tokenizer(GgufBytes& file) {
  return file.text("tokenizer.ggml.model", "gpt2")
      .texts("tokenizer.ggml.tokens", {"a", "b", "ab", "c"})
      .texts("tokenizer.ggml.merges", {"a b"});
}
GgufBytes& tensors(GgufBytes& file) {
  const auto put = [&](const std::string& name, const Shape& shape) {
    file.tensor(name, DType::F32, shape, std::vector<float>(static_cast<size_t>(elements(shape)), 0.5f));
  };
  const auto both = [&](const std::string& name, const Shape& shape) {
    put(name + ".weight", shape), put(name + ".bias", {shape[0]});
  };
  put("token_embd.weight", {4, 8}), put("position_embd.weight", {16, 8});
  both("output_norm", {8}), both("blk.0.attn_norm", {8}), both("blk.0.ffn_norm", {8});
  both("blk.0.attn_qkv", {24, 8}), both("blk.0.attn_output", {8, 8});
  both("blk.0.ffn_up", {32, 8}), both("blk.0.ffn_down", {8, 32});
  return file;
}
QByteArray whole() {
  GgufBytes file = keys();
  return tensors(tokenizer(file)).done();
}

Spoil gguf(const QByteArray& bytes) { return file_holds("m.gguf", bytes); }
/// Other keys before the good ones' tensors.
Spoil with(const std::function<void(GgufBytes&)>& change) {
  GgufBytes file = keys();
  tokenizer(file);
  change(file);
  return gguf(tensors(file).done());
}
Spoil patched(const QByteArray& at, qsizetype behind, const QByteArray& with) {
  QByteArray bytes = whole();
  const qsizetype place = bytes.indexOf(at);
  if (place < 0) qFatal("the file has no %s", at.constData());
  return gguf(bytes.replace(place + at.size() + behind, with.size(), with));
}
/// The folder's tokenizer is this SentencePiece model.
Spoil pieces(const QByteArray& bytes) {
  return [bytes](const QString& folder) {
    QFile::remove(folder + "/tokenizer.json");
    write_file(folder + "/tokenizer.model", bytes);
  };
}

const QStringList run_gguf = {"run", "FOLDER/m.gguf", "--prompt",         "abc", "--steps",
                              "2",   "--trace",       "OUT/t.safetensors"};
const QStringList run_text = {"run", "FOLDER", "--prompt", "abc", "--steps", "1"};
const QByteArray eights(8, '\xff');

const QList<Malformed>& cases() {
  static const QList<Malformed> list = {
      {"no such file", nullptr, {"m.gguf"}, run_gguf},
      {"an empty file", gguf(""), {"m.gguf"}, run_gguf},
      {"four bytes", gguf("GGUF"), {"m.gguf"}, run_gguf},
      {"a text", gguf("hello world, this is no model at all"), {"m.gguf"}, run_gguf},
      {"safetensors under that name", gguf(safetensors(tiny_gpt2_tensors())), {"m.gguf", "no GGUF file"}, run_gguf},
      {"version 1", gguf(whole().replace(4, 1, "\1")), {"m.gguf", "version 1"}, run_gguf},
      {"big-endian", gguf(whole().replace(4, 4, QByteArray("\0\0\0\3", 4))), {"m.gguf", "big-endian"}, run_gguf},
      {"2^64 - 1 tensors", gguf(whole().replace(8, 8, eights)), {"m.gguf", "tensors"}, run_gguf},
      {"2^64 - 1 keys", gguf(whole().replace(16, 8, eights)), {"m.gguf", "keys"}, run_gguf},
      {"a key of 2^64 - 1 bytes", gguf(whole().replace(24, 8, eights)), {"m.gguf", "key 0"}, run_gguf},
      {"cut in the keys", gguf(whole().left(200)), {"m.gguf"}, run_gguf},
      {"cut in the data", gguf(whole().left(whole().size() - 64)), {"m.gguf", "of the data"}, run_gguf},
      {"a list of 2^64 - 1",
       patched("tokenizer.ggml.merges", 8, eights),
       {"m.gguf", "tokenizer.ggml.merges"},
       run_gguf},
      {"a type of 99",
       patched("token_embd.weight", 20, QByteArray("\x63", 1)),
       {"m.gguf", "token_embd.weight", "99"},
       run_gguf},
      {"a side of 2^64 - 1", patched("token_embd.weight", 4, eights), {"m.gguf", "token_embd.weight"}, run_gguf},
      {"five dimensions", patched("token_embd.weight", 0, QByteArray("\5", 1)), {"m.gguf", "5 dimensions"}, run_gguf},
      {"an offset past the end", patched("token_embd.weight", 24, eights), {"m.gguf", "token_embd.weight"}, run_gguf},
      {"heads that don't divide",
       patched("gpt2.attention.head_count", 4, QByteArray("\3", 1)),
       {"m.gguf", "n_head"},
       run_gguf},
      {"no heads", patched("gpt2.attention.head_count", 4, QByteArray("\0", 1)), {"m.gguf", "n_head"}, run_gguf},
      {"2^32 - 1 layers", patched("gpt2.block_count", 4, eights.left(4)), {"m.gguf", "n_layer"}, run_gguf},
      {"two layers", patched("gpt2.block_count", 4, QByteArray("\2", 1)), {"m.gguf", "blk.1."}, run_gguf},
      {"another width",
       patched("gpt2.embedding_length", 4, QByteArray("\6", 1)),
       {"m.gguf", "its header n_embd 6 makes it"},
       run_gguf},
      {"an unknown architecture",
       patched("general.architecture", 12, "gptx"),
       {"m.gguf", "gptx", "known are"},
       run_gguf},
      {"an unknown tokenizer", patched("tokenizer.ggml.model", 12, "gptx"), {"m.gguf", "gptx"}, run_gguf},
      {"a merge of strangers",
       with([](GgufBytes& f) {
         f.texts("tokenizer.ggml.x", {});
         f.u32("tokenizer.ggml.bos_token_id", 77);
       }),
       {"m.gguf", "77"},
       run_gguf},
      {"types of another number",
       with([](GgufBytes& f) { f.list<int32_t>("tokenizer.ggml.token_type", 5, {1}); }),
       {"m.gguf", "token_type"},
       run_gguf},
      {"a pre that is not known",
       with([](GgufBytes& f) { f.text("tokenizer.ggml.pre", "x"); }),
       {"m.gguf", "tokenizer.ggml.pre"},
       run_gguf},
      {"an alignment of 3",
       with([](GgufBytes& f) { f.u32("general.alignment", 3); }),
       {"m.gguf", "general.alignment"},
       run_gguf},
      {"a key twice",
       with([](GgufBytes& f) { f.u32("gpt2.block_count", 1); }),
       {"m.gguf", "gpt2.block_count"},
       run_gguf},
      {"one part of many", with([](GgufBytes& f) { f.u32("split.count", 2); }), {"m.gguf", "split.count"}, run_gguf},
      {"a scalar embedding",
       with([](GgufBytes& f) { f.raw_tensor("extra", 0, {}, QByteArray(4, 0)); }),
       {"m.gguf", "extra"},
       run_gguf},
      {"a model file of nothing", pieces(""), {"tokenizer.model"}, run_text},
      {"a model file of text", pieces("hello, this is no model"), {"tokenizer.model"}, run_text},
      {"a model file of zeros", pieces(QByteArray(100, 0)), {"tokenizer.model"}, run_text},
      {"a model file that is cut", pieces(QByteArray("\x0a\x7f\x0a\x01", 4) + "a"), {"tokenizer.model"}, run_text},
      {"a piece of 2^63 bytes", pieces("\x0a" + QByteArray(8, '\xff') + "\x7f"), {"tokenizer.model"}, run_text},
      {"a type of piece 9",
       pieces(QByteArray("\x0a\x05\x0a\x01\x61\x18\x09", 7)),
       {"tokenizer.model", "type 9"},
       run_text},
      {"ids of begin and end beyond", pieces(QByteArray("\x0a\x03\x0a\x01\x61", 5)), {"tokenizer.model"}, run_text},
  };
  return list;
}

}  // namespace

class TestMalformedGguf : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    if (program().isEmpty()) QSKIP("the program is not built");
    QTemporaryDir dir;
    write_file(dir.filePath("m.gguf"), whole());
    const Outcome outcome = run_cutaway({"run", dir.filePath("m.gguf"), "--prompt", "abc", "--steps", "2"});
    QVERIFY2(outcome.code == 0, outcome.err.constData());
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

QTEST_GUILESS_MAIN(TestMalformedGguf)
#include "test_malformed_gguf.moc"
