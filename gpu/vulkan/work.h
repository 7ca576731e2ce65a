// Compute, recorded and submitted in slices of about 6 ms so that drawing on the same queue stays smooth. A dispatch
// that would take longer is cut along its groups. One thread at a time; the first error is kept and finish() tells it.
//
//   WorkLease work(device);
//   work->begin(feed.progress);
//   work->dispatch("add.comp", {}, push, groups, cost, node);   // push begins with `uint32_t first`: its first group
//   if (auto ok = work->finish(); !ok) return ok.error();       // waited: results are there
#pragma once

#include <cstring>
#include <initializer_list>
#include <unordered_map>

#include "engine/model.h"
#include "gpu/vulkan/device.h"

namespace cutaway {

class Work {
 public:
  static Result<std::unique_ptr<Work>> make(Device&);
  ~Work();
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;

  /// Forgets the last errand's error and times. progress may be null.
  void begin(Progress* progress);
  /// cost: floating-point operations of all groups together, or bytes touched if that is more. node: whose time it is.
  template <class Push>
  void dispatch(std::string_view shader, std::initializer_list<uint32_t> constants, Push push, uint64_t groups,
                double cost, int node = -1) {
    static_assert(sizeof(Push) <= push_bytes && offsetof(Push, first) == 0);
    dispatch_bytes(shader, constants, reinterpret_cast<std::byte*>(&push), sizeof push, groups, cost, node);
  }
  void copy(const Buffer& from, size_t from_offset, const Buffer& to, size_t to_offset, size_t bytes);
  /// Submits what is left, waits for it, and gives the first error of the whole errand.
  Result<void> finish();
  bool failed() const { return !error_.text.empty(); }

  /// Milliseconds of each node since begin(), from the device's own clock.
  const std::unordered_map<int, double>& node_ms() const { return node_ms_; }

 private:
  explicit Work(Device& device) : device_(device) {}
  Result<void> prepare();
  void dispatch_bytes(std::string_view shader, std::initializer_list<uint32_t> constants, std::byte* push,
                      uint32_t bytes, uint64_t groups, double cost, int node);
  void open();
  void barrier();
  void flush();
  void read_clock();
  bool keep(Result<void>);

  struct Stamp {
    int node;
    VkPipeline pipeline;
    double cost;
  };
  Device& device_;
  VkCommandPool pool_ = VK_NULL_HANDLE;
  VkCommandBuffer commands_ = VK_NULL_HANDLE;
  VkFence fence_ = VK_NULL_HANDLE;
  VkQueryPool clock_ = VK_NULL_HANDLE;
  Progress* progress_ = nullptr;
  Error error_;
  bool open_ = false;
  double left_ms_ = 0;                                  // of the slice being recorded
  std::vector<Stamp> stamps_;                           // one per timestamp after the first
  std::unordered_map<VkPipeline, double> ms_per_cost_;  // learnt from the clock
  std::unordered_map<int, double> node_ms_;
};

/// A Work of this thread, given back when the lease ends.
class WorkLease {
 public:
  explicit WorkLease(Device& device) : device_(device), work_(device.take_work()) {}
  ~WorkLease() {
    if (work_ && *work_) device_.give_back(*std::move(work_));
  }
  WorkLease(const WorkLease&) = delete;
  WorkLease& operator=(const WorkLease&) = delete;
  explicit operator bool() const { return static_cast<bool>(work_); }
  const Error& error() const { return work_.error(); }
  Work* operator->() { return work_->get(); }
  Work& operator*() { return **work_; }

 private:
  Device& device_;
  Result<std::unique_ptr<Work>> work_;
};

}  // namespace cutaway
