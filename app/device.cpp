#include "app/device.h"

#include <mutex>

namespace cutaway {

Result<std::shared_ptr<Device>> shared_device() {
  static std::mutex mutex;
  static std::weak_ptr<Device> open;
  const std::lock_guard lock(mutex);
  if (auto device = open.lock()) return device;
  auto device = open_device({});
  if (device) open = *device;
  return device;
}

}  // namespace cutaway
