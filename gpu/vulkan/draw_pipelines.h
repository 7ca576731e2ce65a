// The two graphics pipelines: heat maps from device buffers, and textured triangles. Both draw onto B8G8R8A8_UNORM
// with plain alpha blending; viewport and scissor are set while recording.
#pragma once

#include "gpu/vulkan/device.h"

namespace cutaway {

inline constexpr VkFormat surface_format = VK_FORMAT_B8G8R8A8_UNORM;

/// As heat.glsl declares it.
struct HeatPush {
  uint64_t values = 0, row_max = 0, map_max = 0;
  float left = 0, top = 0, width = 0, height = 0, target_width = 0, target_height = 0;
  uint32_t rows = 0, columns = 0;
  uint32_t palette[11] = {};
  uint32_t hatch = 0, dots = 0, error = 0, scale = 0;
  float pitch = 6, gap = 0;
};
static_assert(sizeof(HeatPush) <= push_bytes);

class DrawPipelines {
 public:
  static Result<std::unique_ptr<DrawPipelines>> make(Device&);
  ~DrawPipelines();
  DrawPipelines(const DrawPipelines&) = delete;
  DrawPipelines& operator=(const DrawPipelines&) = delete;

  VkPipeline heat = VK_NULL_HANDLE, triangles = VK_NULL_HANDLE;
  VkPipelineLayout heat_layout = VK_NULL_HANDLE, triangles_layout = VK_NULL_HANDLE;
  VkDescriptorSetLayout texture_layout = VK_NULL_HANDLE;  // binding 0: a sampled image, linear
  VkSampler sampler = VK_NULL_HANDLE;

 private:
  explicit DrawPipelines(Device& device) : device_(device) {}
  Result<void> make_layouts();
  Result<VkPipeline> pipeline(const char* vertex, const char* fragment, VkPipelineLayout, bool with_vertices);
  Device& device_;
};

}  // namespace cutaway
