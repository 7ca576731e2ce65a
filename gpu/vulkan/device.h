// The device as the rest of gpu/ uses it: memory, pipelines, and one mutex around submitting and waiting for idle.
#pragma once

#include <atomic>
#include <map>
#include <span>
#include <string_view>

#include "gpu/vulkan/core.h"
#include "gpu/vulkan/memory.h"

namespace cutaway {

class Work;  // gpu/vulkan/work.h

/// Bytes that every pipeline may push: what Vulkan promises on any device.
inline constexpr uint32_t push_bytes = 128;

class Device : public std::enable_shared_from_this<Device> {
 public:
  static Result<std::shared_ptr<Device>> open(const DeviceOptions&);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const Core& core() const { return *core_; }
  VkDevice handle() const { return core_->device(); }
  const DeviceFound& about() const { return about_; }
  const VkPhysicalDeviceLimits& limits() const { return limits_; }
  /// Nanoseconds of one tick; 0 where the queue has no timestamps.
  double timestamp_ns() const { return timestamp_ns_; }

  Result<BufferPtr> buffer(size_t bytes, MemoryKind kind, const char* what) { return memory_->take(bytes, kind, what); }
  Memory& memory() { return *memory_; }

  /// Of embedded shader "add.comp" with specialisation constants 0, 1, …; made at the first call, kept. Any thread.
  Result<VkPipeline> compute_pipeline(std::string_view shader, std::span<const uint32_t> constants);
  /// Push constants only: data is reached by address.
  VkPipelineLayout compute_layout() const { return compute_layout_; }
  Result<VkShaderModule> shader_module(std::string_view shader);  // the caller destroys it
  VkPipelineCache pipeline_cache() const { return pipeline_cache_; }

  /// Submits one command buffer; the fence is signalled when it is done. Any thread.
  Result<void> submit(VkCommandBuffer, VkFence);
  Result<void> wait(VkFence);
  Result<void> wait_idle();

  /// A recorder of compute from the pool of idle ones: each thread that computes takes its own.
  Result<std::unique_ptr<Work>> take_work();
  void give_back(std::unique_ptr<Work>) noexcept;

 private:
  Device() = default;
  Result<void> prepare();
  void save_pipeline_cache() noexcept;

  std::shared_ptr<const Core> core_;
  std::shared_ptr<Memory> memory_;
  DeviceFound about_;
  VkPhysicalDeviceLimits limits_{};
  double timestamp_ns_ = 0;
  VkPipelineLayout compute_layout_ = VK_NULL_HANDLE;
  VkPipelineCache pipeline_cache_ = VK_NULL_HANDLE;
  size_t cache_bytes_read_ = 0;
  std::string cache_path_;  // empty: no place to keep it
  std::mutex queue_mutex_, pipelines_mutex_, idle_mutex_;
  std::map<std::string, VkPipeline, std::less<>> pipelines_;
  std::vector<std::unique_ptr<Work>> idle_;
};

}  // namespace cutaway
