// A tiny GPT-2 folder in Hugging Face layout, written by the tests themselves, to be broken in a hundred ways.
#pragma once

#include <QByteArray>
#include <QJsonObject>
#include <QList>
#include <QString>

namespace cutaway::tests {

struct FileTensor {
  QByteArray name, dtype;  // "h.0.ln_1.weight", "F32"
  QList<qint64> shape;
  QByteArray data;
};

/// 2 layers, D 16, 2 heads, 32 positions, 260 entries; linears [in, out] as hub files have them. Values are a fixed
/// wave.
QList<FileTensor> tiny_gpt2_tensors();
QJsonObject tiny_gpt2_config();
/// Byte-level BPE: the 256 bytes, "he" 256, "the" 257, "<|endoftext|>" 258.
QJsonObject tiny_tokenizer();

/// The header and the data as safetensors lays them out, tensors one after another.
QByteArray safetensors_header(const QList<FileTensor>&);
QByteArray safetensors_data(const QList<FileTensor>&);
/// 8 bytes of length, little-endian, then header and data, whatever they are.
QByteArray safetensors(const QByteArray& header, const QByteArray& data);
QByteArray safetensors(const QList<FileTensor>&);

QByteArray json(const QJsonObject&);
void write_file(const QString& path, const QByteArray& bytes);
/// config.json, model.safetensors and tokenizer.json into an existing folder.
void write_tiny_gpt2(const QString& folder);

}  // namespace cutaway::tests
