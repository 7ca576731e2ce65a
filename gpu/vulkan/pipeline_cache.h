// The driver's compiled pipelines on disk, so that the second start is quick. A damaged or foreign file is not used.
#pragma once

#include <volk.h>

#include <cstddef>
#include <string>
#include <vector>

namespace cutaway {

/// "$XDG_CACHE_HOME/cutaway/pipelines-<device and driver>.bin"; empty when the user has no such place.
std::string pipeline_cache_path(const VkPhysicalDeviceProperties&);
/// What write_cache_file() was given; empty when there is none or it is damaged.
std::vector<std::byte> read_cache_file(const std::string& path);
/// Replaces the file in one step. A cache that can't be written is not an error.
void write_cache_file(const std::string& path, const std::vector<std::byte>& data) noexcept;

}  // namespace cutaway
