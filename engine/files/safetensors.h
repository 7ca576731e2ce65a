// The safetensors format: u64 header length, JSON header, data. Reading gives views into the file; writing streams.
#pragma once

#include <map>

#include "engine/files/atomic_file.h"
#include "engine/files/tensor_files.h"

namespace cutaway {

struct SafetensorsContents {
  std::map<std::string, std::string> metadata;
  std::vector<FileTensor> tensors;  // in the order of their data
};

/// Reads and checks the header; every tensor lies inside the file, without gap or overlap. Nothing is read of the data.
Result<SafetensorsContents> read_safetensors(const BoundedReader& file);

/// Writes a file whose tensors come piece by piece, so that it may be larger than memory.
///
///   auto out = SafetensorsWriter::create(path, {{"format", "cutaway-trace"}}, {{"logits", DType::F32, {12, 2048}}});
///   for (const auto& entry : out->entries()) out->append(bytes);   // all bytes of each entry, in that order
///   out->commit();
class SafetensorsWriter {
 public:
  struct Entry {
    std::string name;
    DType dtype;
    Shape shape;
  };
  static Result<SafetensorsWriter> create(const std::string& path, const std::map<std::string, std::string>& metadata,
                                          std::vector<Entry> entries);

  /// In the order of the file: widest type first, else as given, so that each tensor is aligned for its type.
  const std::vector<Entry>& entries() const { return entries_; }
  Result<void> append(std::span<const std::byte> bytes);
  Result<void> append(std::span<const float> values) { return append(std::as_bytes(values)); }
  Result<void> commit();

 private:
  SafetensorsWriter(AtomicFile file, std::vector<Entry> entries)
      : file_(std::move(file)), entries_(std::move(entries)) {}
  AtomicFile file_;
  std::vector<Entry> entries_;
  uint64_t left_ = 0;  // bytes of data still to come
};

}  // namespace cutaway
