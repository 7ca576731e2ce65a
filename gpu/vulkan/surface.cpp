#include "gpu/vulkan/surface.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "gpu/vulkan/check.h"
#include "gpu/vulkan/draw_pipelines.h"
#include "gpu/vulkan/image.h"

namespace cutaway {

class Texture {
 public:
  Texture(std::shared_ptr<Device> device, VkDescriptorPool pool, VkDescriptorSet set, std::unique_ptr<Image> image)
      : set(set), device_(std::move(device)), pool_(pool), image_(std::move(image)) {}
  ~Texture() { vkDestroyDescriptorPool(device_->handle(), pool_, nullptr); }
  Texture(const Texture&) = delete;
  Texture& operator=(const Texture&) = delete;

  const VkDescriptorSet set;

 private:
  std::shared_ptr<Device> device_;
  VkDescriptorPool pool_;  // of this one set
  std::unique_ptr<Image> image_;
};

struct Surface::Inside {
  std::shared_ptr<Device> device;
  std::unique_ptr<DrawPipelines> pipelines;
  VkCommandPool pool = VK_NULL_HANDLE;
  VkCommandBuffer commands = VK_NULL_HANDLE;
  VkFence fence = VK_NULL_HANDLE;
  bool submitted = false;  // the fence will be signalled
  std::unique_ptr<Image> target;
  BufferPtr pixels;               // the host's copy of the target
  std::vector<BufferPtr> meshes;  // of the frame under way, as are the next two
  std::vector<DeviceTilePtr> tiles;
  std::vector<std::shared_ptr<const Texture>> textures;

  explicit Inside(std::shared_ptr<Device> d) : device(std::move(d)) {}
  ~Inside() {
    if (submitted) (void)device->wait(fence);
    vkDestroyFence(device->handle(), fence, nullptr);
    vkDestroyCommandPool(device->handle(), pool, nullptr);
  }
  Result<void> prepare();
  Result<void> resize(int width, int height);
  Result<void> open();
  Result<void> submit();
  Result<void> wait();
  void start(uint32_t clear_rgba) const;
  void copy_out() const;
  bool set_clip(PixelRect) const;
};

Surface::Surface(std::unique_ptr<Inside> inside) : inside_(std::move(inside)) {}
Surface::~Surface() = default;

Result<std::unique_ptr<Surface>> Surface::make(std::shared_ptr<Device> device, int width, int height) {
  auto inside = std::make_unique<Inside>(std::move(device));
  if (auto ok = inside->prepare(); !ok) return ok.error();
  if (auto ok = inside->resize(width, height); !ok) return ok.error();
  return std::unique_ptr<Surface>(new Surface(std::move(inside)));
}

Result<void> Surface::Inside::prepare() {
  auto made = DrawPipelines::make(*device);
  if (!made) return made.error();
  pipelines = *std::move(made);
  VkCommandPoolCreateInfo pool_info{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
  pool_info.queueFamilyIndex = device->core().family();
  auto ok = check(vkCreateCommandPool(device->handle(), &pool_info, nullptr, &pool), "vkCreateCommandPool");
  if (!ok) return ok;
  VkCommandBufferAllocateInfo buffer{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO};
  buffer.commandPool = pool;
  buffer.commandBufferCount = 1;
  ok = check(vkAllocateCommandBuffers(device->handle(), &buffer, &commands), "vkAllocateCommandBuffers");
  if (!ok) return ok;
  VkFenceCreateInfo fence_info{VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
  return check(vkCreateFence(device->handle(), &fence_info, nullptr, &fence), "vkCreateFence");
}

Result<void> Surface::Inside::resize(int width, int height) {
  if (auto ok = wait(); !ok) return ok;
  auto image = Image::make(*device, surface_format, width, height,
                           VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_TRANSFER_SRC_BIT, "the picture");
  if (!image) return image.error();
  auto copy =
      device->buffer(static_cast<size_t>(width) * static_cast<size_t>(height) * 4, MemoryKind::Download, "the picture");
  if (!copy) return copy.error();
  target = *std::move(image);
  pixels = *std::move(copy);
  return {};
}

/// Begins recording; the device is done with everything recorded before.
Result<void> Surface::Inside::open() {
  if (auto ok = wait(); !ok) return ok;
  meshes.clear(), tiles.clear(), textures.clear();
  if (auto ok = check(vkResetCommandPool(device->handle(), pool, 0), "vkResetCommandPool"); !ok) return ok;
  VkCommandBufferBeginInfo begin{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
  begin.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
  return check(vkBeginCommandBuffer(commands, &begin), "vkBeginCommandBuffer");
}

Result<void> Surface::Inside::submit() {
  if (auto ok = check(vkEndCommandBuffer(commands), "vkEndCommandBuffer"); !ok) return ok;
  auto sent = device->submit(commands, fence);
  submitted = static_cast<bool>(sent);
  return sent;
}

Result<void> Surface::Inside::wait() {
  if (!submitted) return {};
  if (auto ok = device->wait(fence); !ok) return ok;
  submitted = false;
  return check(vkResetFences(device->handle(), 1, &fence), "vkResetFences");
}

void Surface::Inside::start(uint32_t rgba) const {
  // The change of layout is the barrier, too, behind which tiles that compute wrote are seen.
  change_layout(commands, target->handle(), VK_IMAGE_LAYOUT_UNDEFINED, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL);
  const auto part = [&](int shift) { return static_cast<float>(rgba >> shift & 255) / 255; };
  VkRenderingAttachmentInfo attachment{VK_STRUCTURE_TYPE_RENDERING_ATTACHMENT_INFO};
  attachment.imageView = target->view();
  attachment.imageLayout = VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL;
  attachment.loadOp = VK_ATTACHMENT_LOAD_OP_CLEAR;
  attachment.storeOp = VK_ATTACHMENT_STORE_OP_STORE;
  attachment.clearValue.color = {{part(0), part(8), part(16), part(24)}};
  const auto width = static_cast<uint32_t>(target->width()), height = static_cast<uint32_t>(target->height());
  VkRenderingInfo rendering{VK_STRUCTURE_TYPE_RENDERING_INFO};
  rendering.renderArea = {{0, 0}, {width, height}};
  rendering.layerCount = 1;
  rendering.colorAttachmentCount = 1;
  rendering.pColorAttachments = &attachment;
  vkCmdBeginRendering(commands, &rendering);
  const VkViewport viewport{0, 0, static_cast<float>(width), static_cast<float>(height), 0, 1};
  vkCmdSetViewport(commands, 0, 1, &viewport);
}

void Surface::Inside::copy_out() const {
  vkCmdEndRendering(commands);
  change_layout(commands, target->handle(), VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
                VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL);
  VkBufferImageCopy region{};
  region.bufferOffset = pixels->offset;
  region.imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1};
  region.imageExtent = {static_cast<uint32_t>(target->width()), static_cast<uint32_t>(target->height()), 1};
  vkCmdCopyImageToBuffer(commands, target->handle(), VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL, pixels->handle, 1, &region);
  VkMemoryBarrier2 to_host{VK_STRUCTURE_TYPE_MEMORY_BARRIER_2};
  to_host.srcStageMask = VK_PIPELINE_STAGE_2_COPY_BIT, to_host.srcAccessMask = VK_ACCESS_2_TRANSFER_WRITE_BIT;
  to_host.dstStageMask = VK_PIPELINE_STAGE_2_HOST_BIT, to_host.dstAccessMask = VK_ACCESS_2_HOST_READ_BIT;
  VkDependencyInfo info{VK_STRUCTURE_TYPE_DEPENDENCY_INFO};
  info.memoryBarrierCount = 1;
  info.pMemoryBarriers = &to_host;
  vkCmdPipelineBarrier2(commands, &info);
}

/// False when nothing of it is on the picture.
bool Surface::Inside::set_clip(PixelRect r) const {
  const auto w = static_cast<float>(target->width()), h = static_cast<float>(target->height());
  const float left = std::clamp(std::floor(r.x + 0.5f), 0.f, w), top = std::clamp(std::floor(r.y + 0.5f), 0.f, h);
  const float right = std::clamp(std::floor(r.x + r.w + 0.5f), left, w);
  const float bottom = std::clamp(std::floor(r.y + r.h + 0.5f), top, h);
  if (!(right > left && bottom > top)) return false;
  const VkRect2D scissor{{static_cast<int32_t>(left), static_cast<int32_t>(top)},
                         {static_cast<uint32_t>(right - left), static_cast<uint32_t>(bottom - top)}};
  vkCmdSetScissor(commands, 0, 1, &scissor);
  return true;
}

Result<void> Surface::resize(int width, int height) {
  if (width == this->width() && height == this->height()) return {};
  return inside_->resize(width, height);
}
int Surface::width() const { return inside_->target->width(); }
int Surface::height() const { return inside_->target->height(); }

Result<std::shared_ptr<const Texture>> Surface::texture(int width, int height, std::span<const uint8_t> alpha) {
  assert(alpha.size() == static_cast<size_t>(width) * static_cast<size_t>(height));
  Inside& in = *inside_;
  auto image = Image::make(*in.device, VK_FORMAT_R8_UNORM, width, height,
                           VK_IMAGE_USAGE_SAMPLED_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT, "a texture");
  if (!image) return image.error();
  auto staging = in.device->buffer(alpha.size(), MemoryKind::Upload, "a texture");
  if (!staging) return staging.error();
  std::memcpy((*staging)->host, alpha.data(), alpha.size());
  if (auto ok = in.open(); !ok) return ok.error();
  change_layout(in.commands, (*image)->handle(), VK_IMAGE_LAYOUT_UNDEFINED, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL);
  VkBufferImageCopy region{};
  region.bufferOffset = (*staging)->offset;
  region.imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1};
  region.imageExtent = {static_cast<uint32_t>(width), static_cast<uint32_t>(height), 1};
  vkCmdCopyBufferToImage(in.commands, (*staging)->handle, (*image)->handle(), VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, 1,
                         &region);
  change_layout(in.commands, (*image)->handle(), VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL,
                VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL);
  if (auto ok = in.submit(); !ok) return ok.error();
  if (auto ok = in.wait(); !ok) return ok.error();

  const VkDevice device = in.device->handle();
  const VkDescriptorPoolSize size{VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, 1};
  VkDescriptorPoolCreateInfo pool_info{VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO};
  pool_info.maxSets = pool_info.poolSizeCount = 1;
  pool_info.pPoolSizes = &size;
  VkDescriptorPool pool = VK_NULL_HANDLE;
  if (auto ok = check(vkCreateDescriptorPool(device, &pool_info, nullptr, &pool), "vkCreateDescriptorPool"); !ok)
    return ok.error();
  VkDescriptorSetAllocateInfo set_info{VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO};
  set_info.descriptorPool = pool;
  set_info.descriptorSetCount = 1;
  set_info.pSetLayouts = &in.pipelines->texture_layout;
  VkDescriptorSet set = VK_NULL_HANDLE;
  if (auto ok = check(vkAllocateDescriptorSets(device, &set_info, &set), "vkAllocateDescriptorSets"); !ok) {
    vkDestroyDescriptorPool(device, pool, nullptr);
    return ok.error();
  }
  const VkDescriptorImageInfo where{VK_NULL_HANDLE, (*image)->view(), VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL};
  VkWriteDescriptorSet write{VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET};
  write.dstSet = set;
  write.descriptorCount = 1;
  write.descriptorType = VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER;
  write.pImageInfo = &where;
  vkUpdateDescriptorSets(device, 1, &write, 0, nullptr);
  return std::shared_ptr<const Texture>(std::make_shared<Texture>(in.device, pool, set, *std::move(image)));
}

Result<void> Surface::begin(uint32_t clear_rgba) {
  if (auto ok = inside_->open(); !ok) return ok;
  inside_->start(clear_rgba);
  return {};
}

Result<void> Surface::mesh(std::span<const Vertex> vertices, std::span<const uint16_t> indices) {
  Inside& in = *inside_;
  auto corners = in.device->buffer(vertices.size_bytes(), MemoryKind::Upload, "a mesh");
  if (!corners) return corners.error();
  auto order = in.device->buffer(indices.size_bytes(), MemoryKind::Upload, "a mesh");
  if (!order) return order.error();
  std::memcpy((*corners)->host, vertices.data(), vertices.size_bytes());
  std::memcpy((*order)->host, indices.data(), indices.size_bytes());
  vkCmdBindVertexBuffers(in.commands, 0, 1, &(*corners)->handle, &(*corners)->offset);
  vkCmdBindIndexBuffer(in.commands, (*order)->handle, (*order)->offset, VK_INDEX_TYPE_UINT16);
  in.meshes.push_back(*std::move(corners));
  in.meshes.push_back(*std::move(order));
  return {};
}

void Surface::triangles(uint32_t first_index, uint32_t count, uint32_t first_vertex, PixelRect clip,
                        std::shared_ptr<const Texture> texture) {
  Inside& in = *inside_;
  if (count == 0 || !in.set_clip(clip)) return;
  const float size[] = {static_cast<float>(width()), static_cast<float>(height())};
  vkCmdBindPipeline(in.commands, VK_PIPELINE_BIND_POINT_GRAPHICS, in.pipelines->triangles);
  vkCmdBindDescriptorSets(in.commands, VK_PIPELINE_BIND_POINT_GRAPHICS, in.pipelines->triangles_layout, 0, 1,
                          &texture->set, 0, nullptr);
  vkCmdPushConstants(in.commands, in.pipelines->triangles_layout, VK_SHADER_STAGE_VERTEX_BIT, 0, sizeof size, size);
  vkCmdDrawIndexed(in.commands, count, 1, first_index, static_cast<int32_t>(first_vertex), 0);
  if (in.textures.empty() || in.textures.back() != texture) in.textures.push_back(std::move(texture));
}

void Surface::heat_map(DeviceTilePtr tile, const HeatLook& look) {
  Inside& in = *inside_;
  if (!(look.at.w > 0 && look.at.h > 0) || !in.set_clip(look.clip)) return;
  HeatPush push{.values = tile->values,
                .row_max = tile->row_max,
                .map_max = tile->map_max,
                .left = look.at.x,
                .top = look.at.y,
                .width = look.at.w,
                .height = look.at.h,
                .target_width = static_cast<float>(width()),
                .target_height = static_cast<float>(height()),
                .rows = static_cast<uint32_t>(tile->request.rows),
                .columns = static_cast<uint32_t>(tile->request.columns),
                .hatch = look.hatch,
                .dots = look.dots,
                .error = look.error,
                .scale = static_cast<uint32_t>(look.scale),
                .pitch = std::max(1.f, look.hatch_pitch),
                .gap = look.gap};
  std::ranges::copy(look.palette, push.palette);
  vkCmdBindPipeline(in.commands, VK_PIPELINE_BIND_POINT_GRAPHICS, in.pipelines->heat);
  vkCmdPushConstants(in.commands, in.pipelines->heat_layout, VK_SHADER_STAGE_VERTEX_BIT | VK_SHADER_STAGE_FRAGMENT_BIT,
                     0, sizeof push, &push);
  vkCmdDraw(in.commands, 4, 1, 0, 0);
  in.tiles.push_back(std::move(tile));
}

Result<void> Surface::end() {
  inside_->copy_out();
  return inside_->submit();
}

Result<Picture> Surface::picture() {
  if (auto ok = inside_->wait(); !ok) return ok.error();
  return Picture{reinterpret_cast<const uint8_t*>(inside_->pixels->host), width(), height(), width() * 4};
}

}  // namespace cutaway
