// The instance and the logical device, and nothing else: everything made from them keeps the core alive, so it dies
// last.
#pragma once

#include <volk.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "gpu/vulkan_backend.h"

namespace cutaway {

/// What the validation layer says; filled from any thread.
class Messages {
 public:
  void add(std::string text);
  std::vector<std::string> all() const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> texts_;
};

class Instance {
 public:
  /// Fails with Fault::Machine: no loader library, no driver, or no validation layer though asked for.
  static Result<std::unique_ptr<Instance>> make(bool validate);
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  VkInstance handle() const { return handle_; }
  /// Best first: usable before unusable, a real GPU before a CPU device.
  std::vector<VkPhysicalDevice> devices() const;
  const Messages& messages() const { return messages_; }

 private:
  Instance() = default;
  VkInstance handle_ = VK_NULL_HANDLE;
  VkDebugUtilsMessengerEXT messenger_ = VK_NULL_HANDLE;
  Messages messages_;
};

/// What `devices_found()` says of one.
DeviceFound describe(VkPhysicalDevice);

class Core {
 public:
  static Result<std::shared_ptr<const Core>> make(const DeviceOptions&);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  const Instance& instance() const { return *instance_; }
  VkPhysicalDevice physical() const { return physical_; }
  VkDevice device() const { return device_; }
  /// One family for compute and drawing.
  uint32_t family() const { return family_; }
  VkQueue queue() const { return queue_; }

 private:
  Core() = default;
  Result<void> make_device();
  std::unique_ptr<Instance> instance_;
  VkPhysicalDevice physical_ = VK_NULL_HANDLE;
  VkDevice device_ = VK_NULL_HANDLE;
  uint32_t family_ = 0;
  VkQueue queue_ = VK_NULL_HANDLE;
};

}  // namespace cutaway
