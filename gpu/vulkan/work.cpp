#include "gpu/vulkan/work.h"

#include <algorithm>
#include <cmath>

#include "gpu/vulkan/check.h"

namespace cutaway {
namespace {

constexpr double slice_ms = 6;
constexpr uint32_t most_stamps = 512;  // timestamps of one slice
constexpr double dispatch_ms = 0.01;   // what an empty one costs, so that many small ones fill a slice too

}  // namespace

Result<std::unique_ptr<Work>> Work::make(Device& device) {
  std::unique_ptr<Work> work(new Work(device));
  if (auto ok = work->prepare(); !ok) return ok.error();
  return work;
}

Result<void> Work::prepare() {
  VkCommandPoolCreateInfo pool{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
  pool.queueFamilyIndex = device_.core().family();
  auto ok = check(vkCreateCommandPool(device_.handle(), &pool, nullptr, &pool_), "vkCreateCommandPool");
  if (!ok) return ok;
  VkCommandBufferAllocateInfo buffer{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO};
  buffer.commandPool = pool_;
  buffer.commandBufferCount = 1;
  ok = check(vkAllocateCommandBuffers(device_.handle(), &buffer, &commands_), "vkAllocateCommandBuffers");
  if (!ok) return ok;
  VkFenceCreateInfo fence{VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
  ok = check(vkCreateFence(device_.handle(), &fence, nullptr, &fence_), "vkCreateFence");
  if (!ok || device_.timestamp_ns() == 0) return ok;
  VkQueryPoolCreateInfo clock{VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO};
  clock.queryType = VK_QUERY_TYPE_TIMESTAMP;
  clock.queryCount = most_stamps + 1;
  return check(vkCreateQueryPool(device_.handle(), &clock, nullptr, &clock_), "vkCreateQueryPool");
}

Work::~Work() {
  vkDestroyQueryPool(device_.handle(), clock_, nullptr);
  vkDestroyFence(device_.handle(), fence_, nullptr);
  vkDestroyCommandPool(device_.handle(), pool_, nullptr);
}

bool Work::keep(Result<void> result) {
  if (!result && !failed()) error_ = result.error();
  return static_cast<bool>(result);
}

void Work::begin(Progress* progress) {
  assert(!open_);
  progress_ = progress;
  error_ = {};
  node_ms_.clear();
}

void Work::open() {
  if (open_) return;
  if (progress_ && progress_->cancelled) {
    keep(Error{"cancelled", Fault::Ours});
    return;
  }
  if (!keep(check(vkResetCommandPool(device_.handle(), pool_, 0), "vkResetCommandPool"))) return;
  VkCommandBufferBeginInfo begin{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
  begin.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
  if (!keep(check(vkBeginCommandBuffer(commands_, &begin), "vkBeginCommandBuffer"))) return;
  open_ = true;
  left_ms_ = slice_ms;
  stamps_.clear();
  barrier();
  if (clock_) {
    vkCmdResetQueryPool(commands_, clock_, 0, most_stamps + 1);
    vkCmdWriteTimestamp2(commands_, VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT, clock_, 0);
  }
}

/// Everything before is seen by everything after, on the device and on the host.
void Work::barrier() {
  VkMemoryBarrier2 all{VK_STRUCTURE_TYPE_MEMORY_BARRIER_2};
  all.srcStageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT;
  all.srcAccessMask = VK_ACCESS_2_MEMORY_WRITE_BIT;
  all.dstStageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT | VK_PIPELINE_STAGE_2_HOST_BIT;
  all.dstAccessMask = VK_ACCESS_2_MEMORY_READ_BIT | VK_ACCESS_2_MEMORY_WRITE_BIT | VK_ACCESS_2_HOST_READ_BIT;
  VkDependencyInfo info{VK_STRUCTURE_TYPE_DEPENDENCY_INFO};
  info.memoryBarrierCount = 1;
  info.pMemoryBarriers = &all;
  vkCmdPipelineBarrier2(commands_, &info);
}

void Work::dispatch_bytes(std::string_view shader, std::initializer_list<uint32_t> constants, std::byte* push,
                          uint32_t bytes, uint64_t groups, double cost, int node) {
  if (failed() || groups == 0) return;
  assert(groups <= UINT32_MAX);
  auto pipeline = device_.compute_pipeline(shader, std::span(constants.begin(), constants.size()));
  if (!pipeline) {
    keep(pipeline.error());
    return;
  }
  const double first_guess = device_.about().is_cpu ? 1 / 2e6 : 1 / 2e8;  // ms of one operation
  const double rate = ms_per_cost_.try_emplace(*pipeline, first_guess).first->second;
  const double group_ms = std::max(cost / static_cast<double>(groups) * rate, 1e-9);
  for (uint64_t first = 0; first < groups && !failed();) {
    if (left_ms_ < std::min(group_ms + dispatch_ms, slice_ms) || stamps_.size() == most_stamps) flush();
    open();
    if (failed()) return;
    const auto room = static_cast<uint64_t>(std::max(1., std::floor((left_ms_ - dispatch_ms) / group_ms)));
    const uint64_t count = std::min({groups - first, room, uint64_t{device_.limits().maxComputeWorkGroupCount[0]}});
    const auto begin = static_cast<uint32_t>(first);
    std::memcpy(push, &begin, sizeof begin);
    vkCmdBindPipeline(commands_, VK_PIPELINE_BIND_POINT_COMPUTE, *pipeline);
    vkCmdPushConstants(commands_, device_.compute_layout(), VK_SHADER_STAGE_COMPUTE_BIT, 0, bytes, push);
    vkCmdDispatch(commands_, static_cast<uint32_t>(count), 1, 1);
    barrier();
    stamps_.push_back({node, *pipeline, cost / static_cast<double>(groups) * static_cast<double>(count)});
    if (clock_)
      vkCmdWriteTimestamp2(commands_, VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT, clock_,
                           static_cast<uint32_t>(stamps_.size()));
    left_ms_ -= dispatch_ms + group_ms * static_cast<double>(count);
    first += count;
  }
}

void Work::copy(const Buffer& from, size_t from_offset, const Buffer& to, size_t to_offset, size_t bytes) {
  if (failed() || bytes == 0) return;
  open();
  if (failed()) return;
  const VkBufferCopy region{from.offset + from_offset, to.offset + to_offset, bytes};
  vkCmdCopyBuffer(commands_, from.handle, to.handle, 1, &region);
  barrier();
}

void Work::flush() {
  if (!open_) return;
  open_ = false;
  if (!keep(check(vkEndCommandBuffer(commands_), "vkEndCommandBuffer"))) return;
  if (!keep(device_.submit(commands_, fence_))) return;
  if (!keep(device_.wait(fence_))) return;
  if (!keep(check(vkResetFences(device_.handle(), 1, &fence_), "vkResetFences"))) return;
  read_clock();
}

void Work::read_clock() {
  if (!clock_ || stamps_.empty()) return;
  std::vector<uint64_t> ticks(stamps_.size() + 1);
  const VkResult status =
      vkGetQueryPoolResults(device_.handle(), clock_, 0, static_cast<uint32_t>(ticks.size()),
                            ticks.size() * sizeof(uint64_t), ticks.data(), sizeof(uint64_t), VK_QUERY_RESULT_64_BIT);
  if (!keep(check(status, "vkGetQueryPoolResults"))) return;
  for (size_t i = 0; i < stamps_.size(); ++i) {
    const Stamp& stamp = stamps_[i];
    const double ms =
        ticks[i + 1] > ticks[i] ? static_cast<double>(ticks[i + 1] - ticks[i]) * device_.timestamp_ns() * 1e-6 : 0;
    if (stamp.node >= 0) node_ms_[stamp.node] += ms;
    if (stamp.cost < 1e4 || ms < 0.05) continue;  // too short to learn from
    double& rate = ms_per_cost_[stamp.pipeline];
    rate = 0.5 * rate + 0.5 * ms / stamp.cost;
  }
}

Result<void> Work::finish() {
  flush();
  if (failed()) return error_;
  return {};
}

}  // namespace cutaway
