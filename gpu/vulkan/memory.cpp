#include "gpu/vulkan/memory.h"

#include <algorithm>

#include "gpu/vulkan/check.h"
#include "gpu/vulkan/core.h"

namespace cutaway {
namespace {

constexpr size_t alignment = 256;
constexpr size_t usual_block_bytes = size_t{32} << 20;

Error no_room(size_t bytes, const char* what) {
  return machine_error("Vulkan: the device has no {} MiB left for {}", (bytes >> 20) + 1, what);
}

size_t rounded(size_t bytes) { return (std::max<size_t>(bytes, 1) + alignment - 1) / alignment * alignment; }

struct Wanted {
  VkMemoryPropertyFlags must, wish;
};

Wanted wanted(MemoryKind kind) {
  constexpr VkMemoryPropertyFlags mapped = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  switch (kind) {
    case MemoryKind::Device:
      return {0, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT};
    case MemoryKind::Upload:
      return {mapped, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT};  // page tables are read often
    case MemoryKind::Download:
      return {mapped, VK_MEMORY_PROPERTY_HOST_CACHED_BIT};
  }
  return {};
}

}  // namespace

Buffer::~Buffer() {
  if (memory_) memory_->give_back(*this);
}

Memory::Memory(std::shared_ptr<const Core> core) : core_(std::move(core)), device_(core_->device()) {
  vkGetPhysicalDeviceMemoryProperties(core_->physical(), &properties_);
  VkPhysicalDeviceMaintenance4Properties most_buffer{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_PROPERTIES};
  VkPhysicalDeviceMaintenance3Properties most_memory{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES};
  VkPhysicalDeviceProperties2 all{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
  all.pNext = &most_buffer;
  most_buffer.pNext = &most_memory;
  vkGetPhysicalDeviceProperties2(core_->physical(), &all);
  most_block_bytes_ = std::min(most_buffer.maxBufferSize, most_memory.maxMemoryAllocationSize);
}

Memory::~Memory() {
  for (Block& block : blocks_) destroy(block);
}

void Memory::destroy(Block& block) noexcept {
  vkDestroyBuffer(device_, block.buffer, nullptr);
  vkFreeMemory(device_, block.memory, nullptr);
  block = {};
}

Result<VkDeviceMemory> Memory::allocate(VkMemoryRequirements need, VkMemoryPropertyFlags must,
                                        VkMemoryPropertyFlags wish, bool addressed, const char* what) {
  std::vector<uint32_t> types;  // those that will do, the wished for first
  for (const VkMemoryPropertyFlags wanted : {must | wish, must})
    for (uint32_t i = 0; i < properties_.memoryTypeCount; ++i)
      if ((need.memoryTypeBits >> i & 1) && (properties_.memoryTypes[i].propertyFlags & wanted) == wanted)
        types.push_back(i);
  if (types.empty()) return machine_error("Vulkan: this device has no memory of the kind that {} needs", what);
  VkMemoryAllocateFlagsInfo flags{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO};
  flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
  VkMemoryAllocateInfo info{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO};
  info.pNext = addressed ? &flags : nullptr;
  info.allocationSize = need.size;
  for (uint32_t type : types) {
    info.memoryTypeIndex = type;
    VkDeviceMemory memory = VK_NULL_HANDLE;
    const VkResult status = vkAllocateMemory(device_, &info, nullptr, &memory);
    if (status == VK_ERROR_OUT_OF_DEVICE_MEMORY || status == VK_ERROR_OUT_OF_HOST_MEMORY) continue;
    if (auto ok = check(status, "vkAllocateMemory"); !ok) return ok.error();
    return memory;
  }
  return no_room(need.size, what);
}

Result<size_t> Memory::add_block(size_t bytes, MemoryKind kind, const char* what) {
  if (bytes > most_block_bytes_) return no_room(bytes, what);
  Block block;
  block.bytes = std::max(bytes, std::min<size_t>(usual_block_bytes, most_block_bytes_));
  block.kind = kind;
  VkBufferCreateInfo info{VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO};
  info.size = block.bytes;
  info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT |
               VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT | VK_BUFFER_USAGE_VERTEX_BUFFER_BIT |
               VK_BUFFER_USAGE_INDEX_BUFFER_BIT;
  if (auto ok = check(vkCreateBuffer(device_, &info, nullptr, &block.buffer), "vkCreateBuffer"); !ok) return ok.error();
  VkMemoryRequirements need{};
  vkGetBufferMemoryRequirements(device_, block.buffer, &need);
  auto memory = allocate(need, wanted(kind).must, wanted(kind).wish, true, what);
  if (!memory) {
    destroy(block);
    return memory.error();
  }
  block.memory = *memory;
  auto ok = check(vkBindBufferMemory(device_, block.buffer, block.memory, 0), "vkBindBufferMemory");
  if (ok && kind != MemoryKind::Device) {
    void* host = nullptr;
    ok = check(vkMapMemory(device_, block.memory, 0, VK_WHOLE_SIZE, 0, &host), "vkMapMemory");
    block.host = static_cast<std::byte*>(host);
  }
  if (!ok) {
    destroy(block);
    return ok.error();
  }
  VkBufferDeviceAddressInfo address{VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO};
  address.buffer = block.buffer;
  block.address = vkGetBufferDeviceAddress(device_, &address);
  block.free[0] = block.bytes;
  const auto hole = std::find_if(blocks_.begin(), blocks_.end(), [](const Block& b) { return b.bytes == 0; });
  const size_t index = static_cast<size_t>(hole - blocks_.begin());
  if (hole == blocks_.end()) blocks_.emplace_back();
  blocks_[index] = std::move(block);
  return index;
}

Result<BufferPtr> Memory::take(size_t bytes, MemoryKind kind, const char* what) {
  const size_t size = rounded(bytes);
  std::lock_guard lock(mutex_);
  size_t index = blocks_.size();
  std::map<size_t, size_t>::iterator piece;
  for (size_t i = 0; i < blocks_.size() && index == blocks_.size(); ++i) {
    if (blocks_[i].bytes == 0 || blocks_[i].kind != kind) continue;
    auto& free = blocks_[i].free;
    piece = std::find_if(free.begin(), free.end(), [&](const auto& f) { return f.second >= size; });
    if (piece != free.end()) index = i;
  }
  if (index == blocks_.size()) {
    auto added = add_block(size, kind, what);
    if (!added) return added.error();
    index = *added;
    piece = blocks_[index].free.begin();
  }
  Block& block = blocks_[index];
  const auto [offset, room] = *piece;
  block.free.erase(piece);
  if (room > size) block.free[offset + size] = room - size;

  std::shared_ptr<Buffer> buffer(new Buffer);
  buffer->memory_ = shared_from_this();
  buffer->block_ = index;
  buffer->handle = block.buffer;
  buffer->offset = offset;
  buffer->address = block.address + offset;
  buffer->host = block.host ? block.host + offset : nullptr;
  buffer->bytes = bytes;
  return BufferPtr(buffer);
}

void Memory::give_back(const Buffer& buffer) noexcept {
  std::lock_guard lock(mutex_);
  Block& block = blocks_[buffer.block_];
  size_t offset = buffer.offset, size = rounded(buffer.bytes);
  auto next = block.free.lower_bound(offset);
  if (next != block.free.end() && offset + size == next->first) {
    size += next->second;
    next = block.free.erase(next);
  }
  if (next != block.free.begin()) {
    const auto before = std::prev(next);
    if (before->first + before->second == offset) {
      before->second += size;
      if (before->second == block.bytes && block.bytes > usual_block_bytes) destroy(block);
      return;
    }
  }
  block.free[offset] = size;
  if (size == block.bytes && block.bytes > usual_block_bytes) destroy(block);
}

Result<VkDeviceMemory> Memory::for_image(VkImage image, const char* what) {
  VkMemoryRequirements need{};
  vkGetImageMemoryRequirements(device_, image, &need);
  auto memory = allocate(need, 0, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, false, what);
  if (!memory) return memory.error();
  if (auto ok = check(vkBindImageMemory(device_, image, *memory, 0), "vkBindImageMemory"); !ok) {
    vkFreeMemory(device_, *memory, nullptr);
    return ok.error();
  }
  return *memory;
}

size_t Memory::blocks_bytes() const {
  std::lock_guard lock(mutex_);
  size_t sum = 0;
  for (const Block& block : blocks_) sum += block.bytes;
  return sum;
}

}  // namespace cutaway
