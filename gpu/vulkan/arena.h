// Pages of caches and recordings in device memory; shaders find them through page tables.
#pragma once

#include "engine/paged.h"
#include "gpu/vulkan/device.h"

namespace cutaway {

class DeviceArena final : public PageArena {
 public:
  explicit DeviceArena(std::shared_ptr<Device> device) : device_(std::move(device)) {}

  Result<std::shared_ptr<Page>> take(size_t bytes) override;
  Result<void> copy(const Page& from, Page& to, size_t bytes) override;
  void give_back(Page&) noexcept override;

 private:
  BufferPtr buffer_of(const Page&) const;

  std::shared_ptr<Device> device_;
  mutable std::mutex mutex_;
  std::vector<BufferPtr> buffers_;  // by Page::slot
  std::vector<int64_t> free_;
};

/// Small data of one errand: page tables, ids, mask bits. Keep it until the device is done with them.
class Uploads {
 public:
  explicit Uploads(Device& device) : device_(device) {}
  /// The device address of a copy of these bytes; 0 after an error, which ok() tells.
  uint64_t put(const void* data, size_t bytes);
  /// Page table of these rows, 0 for a page that a window forgot; or of dense rows at an address.
  uint64_t table(const PagedRows&);
  uint64_t table(uint64_t address, int64_t rows, size_t row_bytes);
  Result<void> ok() const;

 private:
  Device& device_;
  std::vector<BufferPtr> kept_;
  Error error_;
};

}  // namespace cutaway
