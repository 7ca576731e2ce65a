// Device memory: big blocks from the driver, each one a buffer, handed out in pieces. Everything is reached by its
// 64-bit device address, so there are no descriptor sets for data and no limit on a buffer's range.
#pragma once

#include <volk.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/result.h"

namespace cutaway {

/// Device: fast for shaders. Upload: written by the host, read once by shaders. Download: read by the host.
enum class MemoryKind : uint8_t { Device, Upload, Download };
inline constexpr size_t n_memory_kinds = 3;

class Core;  // gpu/vulkan/core.h
class Memory;

/// A piece of a block; gives itself back. Whoever frees it has waited for the device.
class Buffer {
 public:
  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  VkBuffer handle = VK_NULL_HANDLE;
  VkDeviceSize offset = 0;    // of the piece within the handle
  uint64_t address = 0;       // of its first byte
  std::byte* host = nullptr;  // null for MemoryKind::Device
  size_t bytes = 0;           // as asked for

 private:
  friend class Memory;
  Buffer() = default;
  std::shared_ptr<Memory> memory_;
  size_t block_ = 0;
};
using BufferPtr = std::shared_ptr<const Buffer>;

class Memory : public std::enable_shared_from_this<Memory> {
 public:
  explicit Memory(std::shared_ptr<const Core>);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  /// 256-byte aligned. Contents are undefined. Any thread. `what` stands in the message when memory is out.
  Result<BufferPtr> take(size_t bytes, MemoryKind, const char* what);
  /// Memory for an image, of its own; free it with vkFreeMemory.
  Result<VkDeviceMemory> for_image(VkImage, const char* what);

  size_t blocks_bytes() const;  // asked from the driver

 private:
  friend class Buffer;
  struct Block {
    VkDeviceMemory memory = VK_NULL_HANDLE;
    VkBuffer buffer = VK_NULL_HANDLE;
    uint64_t address = 0;
    std::byte* host = nullptr;
    size_t bytes = 0;
    MemoryKind kind = MemoryKind::Device;
    std::map<size_t, size_t> free;  // offset -> bytes, neighbours merged
  };
  Result<size_t> add_block(size_t bytes, MemoryKind, const char* what);
  Result<VkDeviceMemory> allocate(VkMemoryRequirements, VkMemoryPropertyFlags must, VkMemoryPropertyFlags wish,
                                  bool addressed, const char* what);
  void give_back(const Buffer&) noexcept;
  void destroy(Block&) noexcept;

  std::shared_ptr<const Core> core_;  // outlives every buffer
  VkDevice device_;
  VkPhysicalDeviceMemoryProperties properties_{};
  VkDeviceSize most_block_bytes_ = 0;
  mutable std::mutex mutex_;
  std::vector<Block> blocks_;  // a destroyed one keeps its index, with bytes 0
};

}  // namespace cutaway
