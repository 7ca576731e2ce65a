// The named tensors of a safetensors file, of all shards of a checkpoint, or of a GGUF file; mapped and never copied.
//
//   auto files = TensorFiles::open_folder("gpt2");
//   const FileTensor* t = (*files)->find("h.0.attn.c_attn.weight");
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/files/bounded_reader.h"
#include "engine/tensor.h"

namespace cutaway {

class Gguf;

struct FileTensor {
  std::string name;
  std::string file;            // "model-00001-of-00002.safetensors"
  std::optional<DType> dtype;  // nothing for a type that a file may hold and we don't read (C64, Q5_1)
  std::string dtype_name;      // as the file spells it
  Shape shape;
  std::span<const std::byte> data;  // dense, row-major, little endian; aligned to nothing
};

class TensorFiles {
 public:
  /// One file, of safetensors or, if it begins with "GGUF", of that. Fails on every row of spec/dense.md 12.1 and 12.2,
  /// naming the file, the tensor and both numbers.
  static Result<std::shared_ptr<const TensorFiles>> open_file(const std::string& path);
  /// model.safetensors, else the shards of model.safetensors.index.json, else the folder's only *.safetensors. Pickles
  /// are never opened: a folder that has nothing else is refused with the way to convert it.
  static Result<std::shared_ptr<const TensorFiles>> open_folder(const std::string& folder);
  /// Over memory of one's own that outlives the object.
  static Result<std::shared_ptr<const TensorFiles>> open_memory(std::string name, std::span<const std::byte> memory);

  const FileTensor* find(std::string_view name) const;
  const std::vector<FileTensor>& tensors() const { return tensors_; }               // by name
  const std::map<std::string, std::string>& metadata() const { return metadata_; }  // of the first file
  /// What to call all of them in a message: the file's name, or the index's.
  const std::string& name() const { return name_; }
  uint64_t bytes() const;  // of all files
  /// The key/values beside the tensors; null for safetensors.
  const std::shared_ptr<const Gguf>& gguf() const { return gguf_; }

  /// As `sha256sum` prints it, of the one file; of several, the hash of their hashes in the order of their names.
  std::string sha256() const;
  /// The tensor's pages may leave memory; it stays readable.
  void forget(const FileTensor&) const;

 private:
  TensorFiles() = default;
  Result<void> add(std::shared_ptr<const BoundedReader>);
  Result<void> add_gguf(std::shared_ptr<const BoundedReader>);
  static Result<std::shared_ptr<const TensorFiles>> open_index(const std::string& folder, const std::string& index);

  std::string name_;
  std::vector<std::shared_ptr<const BoundedReader>> files_;
  std::vector<FileTensor> tensors_;
  std::map<std::string, std::string> metadata_;
  std::shared_ptr<const Gguf> gguf_;
};

}  // namespace cutaway
