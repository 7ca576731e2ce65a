#include "gpu/vulkan/pipeline_cache.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace cutaway {
namespace {

constexpr size_t most_bytes = size_t{256} << 20;

struct Header {
  char magic[8] = {'c', 'u', 't', 'p', 'i', 'p', 'e', '1'};
  uint64_t bytes = 0;
  uint64_t sum = 0;
};

/// FNV-1a, 64 bits.
uint64_t sum_of(const std::vector<std::byte>& data) {
  uint64_t sum = 14695981039346656037u;
  for (std::byte b : data) sum = (sum ^ static_cast<uint64_t>(b)) * 1099511628211u;
  return sum;
}

}  // namespace

std::string pipeline_cache_path(const VkPhysicalDeviceProperties& device) {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  std::string folder;
  if (cache && *cache)
    folder = cache;
  else if (home && *home)
    folder = std::string(home) + "/.cache";
  else
    return {};
  std::string uuid;
  for (uint8_t b : device.pipelineCacheUUID) uuid += fmt::format("{:02x}", b);
  return fmt::format("{}/cutaway/pipelines-{:x}-{:x}-{:x}-{}.bin", folder, device.vendorID, device.deviceID,
                     device.driverVersion, uuid);
}

std::vector<std::byte> read_cache_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  Header header;
  const Header expected;
  if (!in.read(reinterpret_cast<char*>(&header), sizeof header)) return {};
  if (std::memcmp(header.magic, expected.magic, sizeof header.magic) != 0 || header.bytes > most_bytes) return {};
  std::vector<std::byte> data(header.bytes);
  if (!in.read(reinterpret_cast<char*>(data.data()), static_cast<std::streamsize>(data.size()))) return {};
  return sum_of(data) == header.sum ? data : std::vector<std::byte>();
}

void write_cache_file(const std::string& path, const std::vector<std::byte>& data) noexcept try {
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  const std::string fresh = fmt::format("{}.{}", path, getpid());
  Header header;
  header.bytes = data.size();
  header.sum = sum_of(data);
  std::ofstream out(fresh, std::ios::binary);
  out.write(reinterpret_cast<const char*>(&header), sizeof header);
  out.write(reinterpret_cast<const char*>(data.data()), static_cast<std::streamsize>(data.size()));
  out.close();
  if (out)
    std::filesystem::rename(fresh, path, ignored);
  else
    std::filesystem::remove(fresh, ignored);
} catch (...) {
  // Out of memory for a path: the next start compiles again.
}

}  // namespace cutaway
