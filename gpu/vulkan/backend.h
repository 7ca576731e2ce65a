// The Vulkan backend: device memory, uploaded weights and the only way back to the host.
#pragma once

#include "engine/snapshot.h"
#include "gpu/vulkan/arena.h"
#include "gpu/vulkan/tiles.h"
#include "gpu/vulkan/work.h"

namespace cutaway {

/// A model's weights on the device, by index into its schema. Kept alive by the plans that use them.
struct DeviceWeights {
  struct Tensor {
    BufferPtr buffer;
    uint32_t storage = 0;  // constant 0 of weights.glsl
  };
  ModelPtr model;
  std::vector<Tensor> tensors;
};

class VulkanBackend final : public Backend, public std::enable_shared_from_this<VulkanBackend> {
 public:
  /// How attention runs: one invocation for four queries, where barriers are dear (software devices), or one group a
  /// query. Both make the same numbers; tests ask for the one that this device would not take.
  enum class Attend : uint8_t { AsTheDeviceLikes, ByRows, ByGroups };
  explicit VulkanBackend(std::shared_ptr<Device> device, Attend attend = Attend::AsTheDeviceLikes)
      : device_(std::move(device)),
        arena_(std::make_shared<DeviceArena>(device_)),
        by_rows_(attend == Attend::AsTheDeviceLikes ? device_->about().is_cpu : attend == Attend::ByRows) {}

  BackendInfo info() const override { return {"vulkan", device_->about().name}; }
  std::shared_ptr<PageArena> arena() override { return arena_; }
  bool runs_blocks() const override { return true; }
  Result<std::unique_ptr<Plan>> compile(ModelPtr, const Taps&) override;
  Result<Tile> tile(const TileRequest&) override;
  Result<void> read(const PagedRows&, int64_t begin, int64_t end, float* out) override;
  size_t bytes_read_back() const override { return bytes_read_back_; }

  Device& device() { return *device_; }
  bool attends_by_rows() const { return by_rows_; }
  /// Copies device memory to the host and counts it: every tensor that comes back comes through here. Finishes `work`.
  Result<void> read_back(Work&, const Buffer& from, size_t offset, size_t bytes, void* out);

 private:
  Result<std::shared_ptr<const DeviceWeights>> weights_of(const ModelPtr&);

  std::shared_ptr<Device> device_;
  std::shared_ptr<DeviceArena> arena_;
  const bool by_rows_;
  std::atomic<size_t> bytes_read_back_{0};
  std::mutex weights_mutex_;
  std::map<const Model*, std::weak_ptr<const DeviceWeights>> weights_;
};

/// Sends a model's weights to the device.
Result<std::shared_ptr<const DeviceWeights>> upload_weights(Device&, const ModelPtr&);

/// Computes a tile from device pages (gpu/vulkan/tile_work.cpp). progress may be null.
Result<DeviceTilePtr> compute_tile(Device&, const TileRequest&, Progress* progress);

}  // namespace cutaway
