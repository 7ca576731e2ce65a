#include "gpu/vulkan/device.h"

#include <algorithm>

#include "gpu/vulkan/check.h"
#include "gpu/vulkan/pipeline_cache.h"
#include "gpu/vulkan/shaders.h"
#include "gpu/vulkan/work.h"

namespace cutaway {

std::vector<DeviceFound> devices_found() {
  auto instance = Instance::make(false);
  if (!instance) return {};
  std::vector<DeviceFound> found;
  for (VkPhysicalDevice device : (*instance)->devices()) found.push_back(describe(device));
  return found;
}

Result<std::shared_ptr<Device>> open_device(const DeviceOptions& options) { return Device::open(options); }
std::string name_of(const Device& device) { return device.about().name; }
bool is_cpu(const Device& device) { return device.about().is_cpu; }
std::vector<std::string> validation_messages(const Device& device) { return device.core().instance().messages().all(); }

Result<std::shared_ptr<Device>> Device::open(const DeviceOptions& options) {
  auto core = Core::make(options);
  if (!core) return core.error();
  std::shared_ptr<Device> device(new Device);
  device->core_ = *core;
  device->memory_ = std::make_shared<Memory>(*core);
  if (auto ok = device->prepare(); !ok) return ok.error();
  return device;
}

Result<void> Device::prepare() {
  about_ = describe(core_->physical());
  VkPhysicalDeviceProperties properties{};
  vkGetPhysicalDeviceProperties(core_->physical(), &properties);
  limits_ = properties.limits;
  uint32_t n = 0;
  vkGetPhysicalDeviceQueueFamilyProperties(core_->physical(), &n, nullptr);
  std::vector<VkQueueFamilyProperties> families(n);
  vkGetPhysicalDeviceQueueFamilyProperties(core_->physical(), &n, families.data());
  if (families[core_->family()].timestampValidBits > 0) timestamp_ns_ = limits_.timestampPeriod;

  const VkPushConstantRange push{VK_SHADER_STAGE_COMPUTE_BIT, 0, push_bytes};
  VkPipelineLayoutCreateInfo layout{VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO};
  layout.pushConstantRangeCount = 1;
  layout.pPushConstantRanges = &push;
  auto ok = check(vkCreatePipelineLayout(handle(), &layout, nullptr, &compute_layout_), "vkCreatePipelineLayout");
  if (!ok) return ok;

  cache_path_ = pipeline_cache_path(properties);
  const std::vector<std::byte> known = cache_path_.empty() ? std::vector<std::byte>() : read_cache_file(cache_path_);
  cache_bytes_read_ = known.size();
  VkPipelineCacheCreateInfo cache{VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO};
  cache.initialDataSize = known.size();
  cache.pInitialData = known.data();
  return check(vkCreatePipelineCache(handle(), &cache, nullptr, &pipeline_cache_), "vkCreatePipelineCache");
}

Device::~Device() {
  idle_.clear();
  if (pipeline_cache_) save_pipeline_cache();
  for (const auto& [key, pipeline] : pipelines_) vkDestroyPipeline(handle(), pipeline, nullptr);
  vkDestroyPipelineCache(handle(), pipeline_cache_, nullptr);
  vkDestroyPipelineLayout(handle(), compute_layout_, nullptr);
}

void Device::save_pipeline_cache() noexcept {
  size_t bytes = 0;
  if (cache_path_.empty() || vkGetPipelineCacheData(handle(), pipeline_cache_, &bytes, nullptr) != VK_SUCCESS) return;
  if (bytes == cache_bytes_read_) return;  // nothing new was compiled
  std::vector<std::byte> data(bytes);
  if (vkGetPipelineCacheData(handle(), pipeline_cache_, &bytes, data.data()) != VK_SUCCESS) return;
  data.resize(bytes);
  write_cache_file(cache_path_, data);
}

Result<VkShaderModule> Device::shader_module(std::string_view shader) {
  const auto all = embedded_shaders();
  const auto found = std::find_if(all.begin(), all.end(), [&](const EmbeddedShader& s) { return s.name == shader; });
  assert(found != all.end());
  VkShaderModuleCreateInfo info{VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO};
  info.codeSize = found->bytes;
  info.pCode = found->code;
  VkShaderModule module = VK_NULL_HANDLE;
  if (auto ok = check(vkCreateShaderModule(handle(), &info, nullptr, &module), "vkCreateShaderModule"); !ok)
    return ok.error();
  return module;
}

Result<VkPipeline> Device::compute_pipeline(std::string_view shader, std::span<const uint32_t> constants) {
  std::string key(shader);
  for (uint32_t c : constants) key += fmt::format(",{}", c);
  std::lock_guard lock(pipelines_mutex_);
  if (const auto known = pipelines_.find(key); known != pipelines_.end()) return known->second;

  auto module = shader_module(shader);
  if (!module) return module.error();
  std::vector<VkSpecializationMapEntry> entries;
  for (uint32_t i = 0; i < constants.size(); ++i) entries.push_back({i, i * 4, 4});
  VkSpecializationInfo special{};
  special.mapEntryCount = static_cast<uint32_t>(entries.size());
  special.pMapEntries = entries.data();
  special.dataSize = constants.size_bytes();
  special.pData = constants.data();
  VkComputePipelineCreateInfo info{VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO};
  info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
  info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
  info.stage.module = *module;
  info.stage.pName = "main";
  info.stage.pSpecializationInfo = &special;
  info.layout = compute_layout_;
  VkPipeline pipeline = VK_NULL_HANDLE;
  const auto ok = check(vkCreateComputePipelines(handle(), pipeline_cache_, 1, &info, nullptr, &pipeline),
                        "vkCreateComputePipelines");
  vkDestroyShaderModule(handle(), *module, nullptr);
  if (!ok) return ok.error();
  pipelines_.emplace(std::move(key), pipeline);
  return pipeline;
}

Result<void> Device::submit(VkCommandBuffer commands, VkFence fence) {
  VkCommandBufferSubmitInfo one{VK_STRUCTURE_TYPE_COMMAND_BUFFER_SUBMIT_INFO};
  one.commandBuffer = commands;
  VkSubmitInfo2 info{VK_STRUCTURE_TYPE_SUBMIT_INFO_2};
  info.commandBufferInfoCount = 1;
  info.pCommandBufferInfos = &one;
  std::lock_guard lock(queue_mutex_);
  return check(vkQueueSubmit2(core_->queue(), 1, &info, fence), "vkQueueSubmit2");
}

Result<void> Device::wait(VkFence fence) {
  return check(vkWaitForFences(handle(), 1, &fence, VK_TRUE, UINT64_MAX), "vkWaitForFences");
}

Result<void> Device::wait_idle() {
  std::lock_guard lock(queue_mutex_);
  return check(vkDeviceWaitIdle(handle()), "vkDeviceWaitIdle");
}

Result<std::unique_ptr<Work>> Device::take_work() {
  {
    std::lock_guard lock(idle_mutex_);
    if (!idle_.empty()) {
      std::unique_ptr<Work> work = std::move(idle_.back());
      idle_.pop_back();
      return work;
    }
  }
  return Work::make(*this);
}

void Device::give_back(std::unique_ptr<Work> work) noexcept {
  std::lock_guard lock(idle_mutex_);
  idle_.push_back(std::move(work));
}

}  // namespace cutaway
