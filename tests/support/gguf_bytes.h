// A GGUF file put together byte by byte for tests, the right way or not; written from the format's description.
#pragma once

#include <QByteArray>
#include <initializer_list>
#include <string>
#include <vector>

#include "engine/blocks.h"

namespace cutaway::tests {

class GgufBytes {
 public:
  GgufBytes& u32(const std::string& key, uint32_t value) { return raw_key(key, 4, bytes(value)); }
  GgufBytes& f32(const std::string& key, float value) { return raw_key(key, 6, bytes(value)); }
  GgufBytes& flag(const std::string& key, uint8_t value) { return raw_key(key, 7, bytes(value)); }
  GgufBytes& text(const std::string& key, const std::string& value) { return raw_key(key, 8, text(value)); }
  GgufBytes& texts(const std::string& key, const std::vector<std::string>& values) {
    QByteArray all;
    for (const std::string& value : values) all += text(value);
    return raw_list(key, 8, values.size(), all);
  }
  template <class T>
  GgufBytes& list(const std::string& key, uint32_t type, const std::vector<T>& values) {
    QByteArray all;
    for (T value : values) all += bytes(value);
    return raw_list(key, type, values.size(), all);
  }
  GgufBytes& raw_key(const std::string& key, uint32_t type, const QByteArray& value) {
    keys_ += text(key) + bytes(type) + value;
    ++n_keys_;
    return *this;
  }
  GgufBytes& raw_list(const std::string& key, uint32_t type, uint64_t count, const QByteArray& values) {
    return raw_key(key, 9, bytes(type) + bytes(count) + values);
  }

  /// shape: row-major, as ours. values are written in dtype (F32, F16, BF16, Q8_0, Q4_0).
  GgufBytes& tensor(const std::string& name, DType dtype, const Shape& shape, const std::vector<float>& values) {
    QByteArray data(static_cast<qsizetype>(bytes_of(dtype, static_cast<int64_t>(values.size()))), 0);
    auto* out = reinterpret_cast<std::byte*>(data.data());
    auto* halves = reinterpret_cast<uint16_t*>(data.data());
    if (is_block(dtype)) blocks_from_float(dtype, values.data(), static_cast<int64_t>(values.size()), out);
    for (size_t i = 0; i < values.size() && !is_block(dtype); ++i)
      if (dtype == DType::F32)
        memcpy(data.data() + 4 * i, &values[i], 4);
      else
        halves[i] = dtype == DType::F16 ? float_to_half(values[i]) : float_to_bf16(values[i]);
    const uint32_t type = dtype == DType::F32    ? 0
                          : dtype == DType::F16  ? 1
                          : dtype == DType::BF16 ? 30
                          : dtype == DType::Q4_0 ? 2
                                                 : 8;
    return raw_tensor(name, type, {shape.rbegin(), shape.rend()}, data);
  }
  /// sides: the fastest first, as the file has them.
  GgufBytes& raw_tensor(const std::string& name, uint32_t type, const std::vector<int64_t>& sides,
                        const QByteArray& data) {
    raw_info(name, type, std::vector<uint64_t>(sides.begin(), sides.end()), static_cast<uint64_t>(data_.size()));
    data_ += data;
    data_.append((32 - data_.size() % 32) % 32, 0);
    return *this;
  }
  GgufBytes& raw_info(const std::string& name, uint32_t type, const std::vector<uint64_t>& sides, uint64_t offset) {
    infos_ += text(name) + bytes(static_cast<uint32_t>(sides.size()));
    for (uint64_t side : sides) infos_ += bytes(side);
    infos_ += bytes(type) + bytes(offset);
    ++n_tensors_;
    return *this;
  }

  QByteArray done() const {
    QByteArray file = "GGUF" + bytes(uint32_t{3}) + bytes(n_tensors_) + bytes(n_keys_) + keys_ + infos_;
    if (n_tensors_ > 0) file.append((32 - file.size() % 32) % 32, 0);
    return file + data_;
  }

  template <class T>
  static QByteArray bytes(T value) {
    return QByteArray(reinterpret_cast<const char*>(&value), sizeof(T));
  }
  static QByteArray text(const std::string& value) {
    return bytes(static_cast<uint64_t>(value.size())) + QByteArray::fromStdString(value);
  }

 private:
  QByteArray keys_, infos_, data_;
  uint64_t n_keys_ = 0, n_tensors_ = 0;
};

}  // namespace cutaway::tests
