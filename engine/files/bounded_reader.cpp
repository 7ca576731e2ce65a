#include "engine/files/bounded_reader.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace cutaway {
namespace {

/// An open file that closes itself.
struct Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

/// Opens a regular file for reading. O_NONBLOCK: a pipe without a writer must not hang us before fstat tells it apart.
Result<uint64_t> open_regular(const std::string& path, Descriptor& file) {
  if (path.find('\0') != std::string::npos) return error("a path with a NUL byte names no file");
  file.fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file.fd < 0) return error("{} can't be opened: {}", path, std::strerror(errno));
  struct stat info {};
  if (::fstat(file.fd, &info) != 0) return error("{} can't be read: {}", path, std::strerror(errno));
  if (S_ISDIR(info.st_mode)) return error("{} is a folder, a file is needed", path);
  if (!S_ISREG(info.st_mode)) return error("{} is not an ordinary file", path);
  return static_cast<uint64_t>(info.st_size);
}

}  // namespace

Result<std::shared_ptr<const BoundedReader>> BoundedReader::open(const std::string& path) {
  Descriptor file;
  const Result<uint64_t> size = open_regular(path, file);
  if (!size) return size.error();
  std::shared_ptr<BoundedReader> reader(new BoundedReader);
  reader->name_ = file_name(path);
  if (*size == 0) return std::shared_ptr<const BoundedReader>(reader);
  void* at = ::mmap(nullptr, *size, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (at == MAP_FAILED) return machine_error("{} ({} bytes) can't be mapped: {}", path, *size, std::strerror(errno));
  reader->memory_ = {static_cast<const std::byte*>(at), *size};
  reader->mapped_ = true;
  return std::shared_ptr<const BoundedReader>(reader);
}

std::shared_ptr<const BoundedReader> BoundedReader::over(std::string name, std::span<const std::byte> memory) {
  std::shared_ptr<BoundedReader> reader(new BoundedReader);
  reader->name_ = std::move(name);
  reader->memory_ = memory;
  return reader;
}

BoundedReader::~BoundedReader() {
  if (mapped_) ::munmap(const_cast<std::byte*>(memory_.data()), memory_.size());
}

Result<std::span<const std::byte>> BoundedReader::bytes(uint64_t begin, uint64_t count) const {
  if (begin > size() || count > size() - begin)  // in this order nothing overflows
    return error("{} ends after {} bytes; {} more are needed at byte {}", name_, size(), count, begin);
  return memory_.subspan(begin, count);
}

Result<std::string_view> BoundedReader::text(uint64_t begin, uint64_t count) const {
  const auto range = bytes(begin, count);
  if (!range) return range.error();
  return std::string_view(reinterpret_cast<const char*>(range->data()), range->size());
}

Result<uint64_t> BoundedReader::u64(uint64_t begin) const {
  const auto range = bytes(begin, 8);
  if (!range) return range.error();
  uint64_t value = 0;
  for (size_t i = 8; i-- > 0;) value = value << 8 | static_cast<uint64_t>((*range)[i]);
  return value;
}

void BoundedReader::forget(std::span<const std::byte> range) const {
  if (!mapped_ || range.empty()) return;
  const uintptr_t page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(range.data()) + page - 1) / page * page;
  const uintptr_t end = reinterpret_cast<uintptr_t>(range.data() + range.size()) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);  // only advice: may fail
}

Result<std::string> read_text_file(const std::string& path, uint64_t limit) {
  Descriptor file;
  const Result<uint64_t> size = open_regular(path, file);
  if (!size) return size.error();
  if (*size > limit) return error("{} has {} bytes; at most {} are read", path, *size, limit);
  std::string text(*size, '\0');
  size_t have = 0;
  while (have < text.size()) {
    const ssize_t got = ::read(file.fd, text.data() + have, text.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return error("{} can't be read: {}", path, std::strerror(errno));
    if (got == 0) break;  // cut short while we read it
    have += static_cast<size_t>(got);
  }
  text.resize(have);
  return text;
}

std::string file_name(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  return slash == std::string::npos || slash + 1 == path.size() ? path : path.substr(slash + 1);
}

bool is_file(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored);
}

bool is_folder(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

}  // namespace cutaway
