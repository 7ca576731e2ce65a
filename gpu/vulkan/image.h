// An image with memory and a view of its own.
#pragma once

#include "gpu/vulkan/device.h"

namespace cutaway {

class Image {
 public:
  static Result<std::unique_ptr<Image>> make(Device&, VkFormat, int width, int height, VkImageUsageFlags,
                                             const char* what);
  ~Image();
  Image(const Image&) = delete;
  Image& operator=(const Image&) = delete;

  VkImage handle() const { return image_; }
  VkImageView view() const { return view_; }
  int width() const { return width_; }
  int height() const { return height_; }

 private:
  explicit Image(Device& device) : device_(device.handle()) {}
  VkDevice device_;
  VkImage image_ = VK_NULL_HANDLE;
  VkDeviceMemory memory_ = VK_NULL_HANDLE;
  VkImageView view_ = VK_NULL_HANDLE;
  int width_ = 0, height_ = 0;
};

/// Records a change of layout of an image's one level, with everything before seen by everything after.
void change_layout(VkCommandBuffer, VkImage, VkImageLayout from, VkImageLayout to);

}  // namespace cutaway
