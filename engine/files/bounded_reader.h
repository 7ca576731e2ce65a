// The one way in which parsers read a file: it is mapped read-only, every access names its range, and a range that
// leaves the file is refused before a byte is touched.
//
//   auto file = BoundedReader::open(path);
//   if (!file) return file.error();
//   auto length = (*file)->u64(0);                      // the first eight bytes, little endian
//   auto header = (*file)->bytes(8, *length);           // fails where 8 + *length overflows or passes the end
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "engine/result.h"

namespace cutaway {

class BoundedReader {
 public:
  /// Maps a regular file. Directories, pipes and devices are refused.
  static Result<std::shared_ptr<const BoundedReader>> open(const std::string& path);
  /// The same over memory of one's own, which outlives the reader; `name` stands in messages.
  static std::shared_ptr<const BoundedReader> over(std::string name, std::span<const std::byte> memory);

  ~BoundedReader();
  BoundedReader(const BoundedReader&) = delete;
  BoundedReader& operator=(const BoundedReader&) = delete;

  const std::string& name() const { return name_; }  // the file's name without its folder, for messages
  uint64_t size() const { return memory_.size(); }
  Result<std::span<const std::byte>> bytes(uint64_t begin, uint64_t count) const;
  Result<std::string_view> text(uint64_t begin, uint64_t count) const;
  Result<uint64_t> u64(uint64_t begin) const;

  /// Tells the system that this range won't be read again soon; its pages leave memory. The data stays readable.
  void forget(std::span<const std::byte> range) const;

 private:
  BoundedReader() = default;
  std::string name_;
  std::span<const std::byte> memory_;
  bool mapped_ = false;
};

/// A whole small text file (a config, a vocabulary) of at most `limit` bytes, read into memory.
Result<std::string> read_text_file(const std::string& path, uint64_t limit);

/// The last part of a path, for messages: "model.safetensors".
std::string file_name(const std::string& path);
bool is_file(const std::string& path);
bool is_folder(const std::string& path);

}  // namespace cutaway
