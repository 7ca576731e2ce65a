// The one graphics device of this process: what computes on it and what draws on it share its memory.
#pragma once

#include <memory>

#include "gpu/vulkan_backend.h"

namespace cutaway {

/// Opened at the first call and as long as somebody holds it. Any thread. Fails with Fault::Machine.
Result<std::shared_ptr<Device>> shared_device();

}  // namespace cutaway
