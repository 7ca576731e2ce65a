// A status from Vulkan is never ignored: check() turns it into a Result.
#pragma once

#include <volk.h>

#include "engine/result.h"

namespace cutaway {

/// "VK_ERROR_DEVICE_LOST".
const char* name_of(VkResult);

/// Success, or "Vulkan: vkQueueSubmit2 failed with VK_ERROR_DEVICE_LOST" as Fault::Machine.
Result<void> check(VkResult, const char* call);

}  // namespace cutaway
