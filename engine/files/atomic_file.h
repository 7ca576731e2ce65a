// Writes a file so that nobody ever sees half of it: under a temporary name in the same folder, then renamed. What was
// there before stays until the new file is complete and on disk; a failure leaves nothing behind.
//
//   auto file = AtomicFile::create("map.svg");
//   if (!file) return file.error();
//   if (auto ok = file->write(text); !ok) return ok.error();
//   return file->commit();
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "engine/result.h"

namespace cutaway {

class AtomicFile {
 public:
  /// Fails when the folder is missing or can't be written, or when a folder, a device or a pipe has that name. A link
  /// stays a link: what it leads to is written.
  static Result<AtomicFile> create(const std::string& path);
  AtomicFile(AtomicFile&&) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();  // without commit(): removes the temporary file

  Result<void> write(std::string_view bytes);
  Result<void> write(std::span<const std::byte> bytes);
  /// Puts the file on disk and in its place. Call it once, as the last thing.
  Result<void> commit();

 private:
  AtomicFile() = default;
  std::string path_, temporary_;
  int fd_ = -1;
};

/// All of it at once.
Result<void> write_file(const std::string& path, std::string_view bytes);

}  // namespace cutaway
