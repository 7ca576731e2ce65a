#include "gpu/vulkan/image.h"

#include "gpu/vulkan/check.h"

namespace cutaway {

Result<std::unique_ptr<Image>> Image::make(Device& device, VkFormat format, int width, int height,
                                           VkImageUsageFlags usage, const char* what) {
  const auto most = device.limits().maxImageDimension2D;
  if (width < 1 || height < 1 || static_cast<uint32_t>(width) > most || static_cast<uint32_t>(height) > most)
    return machine_error("{} of {} x {} pixels is beyond this device; it holds 1 to {} each way", what, width, height,
                         most);
  std::unique_ptr<Image> image(new Image(device));
  image->width_ = width, image->height_ = height;
  VkImageCreateInfo info{VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO};
  info.imageType = VK_IMAGE_TYPE_2D;
  info.format = format;
  info.extent = {static_cast<uint32_t>(width), static_cast<uint32_t>(height), 1};
  info.mipLevels = info.arrayLayers = 1;
  info.samples = VK_SAMPLE_COUNT_1_BIT;
  info.tiling = VK_IMAGE_TILING_OPTIMAL;
  info.usage = usage;
  if (auto ok = check(vkCreateImage(device.handle(), &info, nullptr, &image->image_), "vkCreateImage"); !ok)
    return ok.error();
  auto memory = device.memory().for_image(image->image_, what);
  if (!memory) return memory.error();
  image->memory_ = *memory;
  VkImageViewCreateInfo view{VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO};
  view.image = image->image_;
  view.viewType = VK_IMAGE_VIEW_TYPE_2D;
  view.format = format;
  view.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
  if (auto ok = check(vkCreateImageView(device.handle(), &view, nullptr, &image->view_), "vkCreateImageView"); !ok)
    return ok.error();
  return image;
}

Image::~Image() {
  vkDestroyImageView(device_, view_, nullptr);
  vkDestroyImage(device_, image_, nullptr);
  vkFreeMemory(device_, memory_, nullptr);
}

void change_layout(VkCommandBuffer commands, VkImage image, VkImageLayout from, VkImageLayout to) {
  VkImageMemoryBarrier2 barrier{VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER_2};
  barrier.srcStageMask = barrier.dstStageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT;
  barrier.srcAccessMask = VK_ACCESS_2_MEMORY_WRITE_BIT;
  barrier.dstAccessMask = VK_ACCESS_2_MEMORY_READ_BIT | VK_ACCESS_2_MEMORY_WRITE_BIT;
  barrier.oldLayout = from;
  barrier.newLayout = to;
  barrier.srcQueueFamilyIndex = barrier.dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED;
  barrier.image = image;
  barrier.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
  VkDependencyInfo info{VK_STRUCTURE_TYPE_DEPENDENCY_INFO};
  info.imageMemoryBarrierCount = 1;
  info.pImageMemoryBarriers = &barrier;
  vkCmdPipelineBarrier2(commands, &info);
}

}  // namespace cutaway
