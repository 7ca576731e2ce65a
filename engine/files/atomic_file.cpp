#include "engine/files/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "engine/files/bounded_reader.h"

namespace cutaway {
namespace {

/// A full disk is the machine's fault; a path that can't be written is what the user gave.
Error write_error(const std::string& path, int code) {
  const Fault fault = code == ENOSPC || code == EDQUOT || code == EIO ? Fault::Machine : Fault::Given;
  return {fmt::format("{} can't be written: {}", path, std::strerror(code)), fault};
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// The file that a link leads to, so that the link stays one.
std::string behind_links(const std::string& path) {
  std::error_code failed;
  if (!std::filesystem::is_symlink(path, failed)) return path;
  const std::filesystem::path real = std::filesystem::weakly_canonical(path, failed);
  return failed ? path : real.string();
}

mode_t file_mode() {
  const mode_t mask = ::umask(0);
  ::umask(mask);
  return 0666 & ~mask;
}

}  // namespace

Result<AtomicFile> AtomicFile::create(const std::string& asked) {
  if (asked.empty()) return error("the name of the file to write is empty");
  if (asked.find('\0') != std::string::npos) return error("a path with a NUL byte names no file");
  const std::string path = behind_links(asked);
  if (is_folder(path)) return error("{} can't be written: it is a folder", path);
  std::error_code absent;  // a device or a pipe must never be replaced by a file
  if (std::filesystem::exists(path, absent) && !is_file(path))
    return error("{} can't be written: it is not an ordinary file", path);
  if (!is_folder(folder_of(path))) return error("{} can't be written: there is no folder {}", path, folder_of(path));
  std::string name = path + ".XXXXXX";
  const int fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) return write_error(path, errno);
  AtomicFile file;
  file.path_ = path;
  file.temporary_ = name;
  file.fd_ = fd;
  return file;
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)), temporary_(std::move(other.temporary_)), fd_(std::exchange(other.fd_, -1)) {
  other.temporary_.clear();
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Result<void> AtomicFile::write(std::string_view bytes) {
  assert(fd_ >= 0);
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd_, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return write_error(path_, errno);
    bytes.remove_prefix(static_cast<size_t>(put));
  }
  return {};
}

Result<void> AtomicFile::write(std::span<const std::byte> bytes) {
  return write(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

Result<void> AtomicFile::commit() {
  assert(fd_ >= 0);
  static const mode_t mode = file_mode();  // once: asking for the mask sets it for a moment
  ::fchmod(fd_, mode);
  if (::fsync(fd_) != 0) return write_error(path_, errno);
  const int closed = ::close(std::exchange(fd_, -1));
  if (closed != 0) return write_error(path_, errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) return write_error(path_, errno);
  temporary_.clear();
  return {};
}

Result<void> write_file(const std::string& path, std::string_view bytes) {
  Result<AtomicFile> file = AtomicFile::create(path);
  if (!file) return file.error();
  if (Result<void> ok = file->write(bytes); !ok) return ok;
  return file->commit();
}

}  // namespace cutaway
