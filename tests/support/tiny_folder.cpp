#include "tests/support/tiny_folder.h"

#include <QDir>
#include <QFile>
#include <QJsonArray>
#include <QJsonDocument>

#include <cmath>
#include <cstring>

namespace cutaway::tests {
namespace {

FileTensor tensor(const QByteArray& name, const QList<qint64>& shape) {
  qint64 n = 1;
  for (qint64 side : shape) n *= side;
  QByteArray data(n * 4, 0);
  const bool gain = shape.size() == 1 && name.endsWith(".weight");
  for (qint64 i = 0; i < n; ++i) {
    const float value = gain ? 1.f : 0.2f * std::sin(0.37f * static_cast<float>(i) + static_cast<float>(name.size()));
    std::memcpy(data.data() + i * 4, &value, 4);
  }
  return {name, "F32", shape, data};
}

/// The printable character that stands for a byte in a byte-level vocabulary.
char16_t printable(int byte) {
  const auto stands_for_itself = [](int b) { return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174; };
  if (stands_for_itself(byte)) return static_cast<char16_t>(byte);
  int before = 0;
  for (int b = 0; b < byte; ++b) before += !stands_for_itself(b);
  return static_cast<char16_t>(256 + before);
}

}  // namespace

QList<FileTensor> tiny_gpt2_tensors() {
  QList<FileTensor> all = {tensor("wte.weight", {260, 16}), tensor("wpe.weight", {32, 16})};
  for (int i = 0; i < 2; ++i) {
    const QByteArray h = "h." + QByteArray::number(i) + ".";
    for (const char* norm : {"ln_1", "ln_2"})
      all << tensor(h + norm + ".weight", {16}) << tensor(h + norm + ".bias", {16});
    all << tensor(h + "attn.c_attn.weight", {16, 48}) << tensor(h + "attn.c_attn.bias", {48})
        << tensor(h + "attn.c_proj.weight", {16, 16}) << tensor(h + "attn.c_proj.bias", {16})
        << tensor(h + "mlp.c_fc.weight", {16, 64}) << tensor(h + "mlp.c_fc.bias", {64})
        << tensor(h + "mlp.c_proj.weight", {64, 16}) << tensor(h + "mlp.c_proj.bias", {16});
  }
  return all << tensor("ln_f.weight", {16}) << tensor("ln_f.bias", {16});
}

QJsonObject tiny_gpt2_config() {
  return {{"model_type", "gpt2"}, {"n_embd", 16},      {"n_layer", 2},        {"n_head", 2},
          {"n_positions", 32},    {"vocab_size", 260}, {"eos_token_id", 258}, {"layer_norm_epsilon", 1e-5}};
}

QJsonObject tiny_tokenizer() {
  QJsonObject vocab;
  for (int byte = 0; byte < 256; ++byte) vocab[QString(QChar(printable(byte)))] = byte;
  vocab["he"] = 256;
  vocab["the"] = 257;
  vocab["<|endoftext|>"] = 258;
  const QJsonObject bytes{
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  const QJsonObject end{{"id", 258},       {"content", "<|endoftext|>"}, {"single_word", false}, {"lstrip", false},
                        {"rstrip", false}, {"normalized", false},        {"special", true}};
  const QJsonObject model{{"type", "BPE"},
                          {"dropout", QJsonValue::Null},
                          {"unk_token", QJsonValue::Null},
                          {"continuing_subword_prefix", QJsonValue::Null},
                          {"end_of_word_suffix", QJsonValue::Null},
                          {"fuse_unk", false},
                          {"vocab", vocab},
                          {"merges", QJsonArray{"h e", "t he"}}};
  return {{"version", "1.0"},
          {"truncation", QJsonValue::Null},
          {"padding", QJsonValue::Null},
          {"added_tokens", QJsonArray{end}},
          {"normalizer", QJsonValue::Null},
          {"pre_tokenizer", bytes},
          {"post_processor", bytes},
          {"decoder", bytes},
          {"model", model}};
}

QByteArray json(const QJsonObject& object) { return QJsonDocument(object).toJson(QJsonDocument::Compact); }

QByteArray safetensors_header(const QList<FileTensor>& tensors) {
  QByteArray header = "{\"__metadata__\":{\"format\":\"pt\"}";
  qint64 at = 0;
  for (const FileTensor& t : tensors) {
    QByteArrayList shape;
    for (qint64 side : t.shape) shape << QByteArray::number(side);
    header += ",\"" + t.name + "\":{\"dtype\":\"" + t.dtype + "\",\"shape\":[" + shape.join(",") +
              "],\"data_offsets\":[" + QByteArray::number(at) + "," + QByteArray::number(at + t.data.size()) + "]}";
    at += t.data.size();
  }
  return header + "}";
}

QByteArray safetensors_data(const QList<FileTensor>& tensors) {
  QByteArray data;
  for (const FileTensor& t : tensors) data += t.data;
  return data;
}

QByteArray safetensors(const QByteArray& header, const QByteArray& data) {
  QByteArray length(8, 0);
  const quint64 n = static_cast<quint64>(header.size());
  for (int i = 0; i < 8; ++i) length[i] = static_cast<char>(n >> (8 * i) & 0xff);
  return length + header + data;
}

QByteArray safetensors(const QList<FileTensor>& tensors) {
  return safetensors(safetensors_header(tensors), safetensors_data(tensors));
}

void write_file(const QString& path, const QByteArray& bytes) {
  QFile file(path);
  if (!file.open(QIODevice::WriteOnly | QIODevice::Truncate) || file.write(bytes) != bytes.size())
    qFatal("%s can't be written", qPrintable(path));
}

void write_tiny_gpt2(const QString& folder) {
  write_file(folder + "/config.json", json(tiny_gpt2_config()));
  write_file(folder + "/model.safetensors", safetensors(tiny_gpt2_tensors()));
  write_file(folder + "/tokenizer.json", json(tiny_tokenizer()));
}

}  // namespace cutaway::tests
