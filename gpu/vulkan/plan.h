// A compiled model on the device: which node writes where in the scratch memory, and the dispatches of one pass.
#pragma once

#include "gpu/vulkan/backend.h"

namespace cutaway {

class VulkanPlan final : public Plan {
 public:
  /// Fails when a node is beyond what the shaders hold.
  static Result<void> supports(const Graph&);
  VulkanPlan(std::shared_ptr<VulkanBackend>, std::shared_ptr<const DeviceWeights>, const Taps&);

  Result<void> run(const Feed&, State&, Recording&, Output&) override;
  Result<void> head(const PagedRows& last_hidden, int64_t begin, int64_t end, float* out) override;
  std::vector<std::string> steps() const override;

 private:
  /// Where a node's rows lie: in a slot of the scratch memory, shared with nodes whose rows are no longer needed.
  struct Place {
    int slot = -1;      // -1: an input, a cache or an answer
    int64_t width = 0;  // numbers a row
    bool one_row = false;
  };
  struct Slot {
    int64_t width = 0;  // of the widest tenant
    bool head = false;  // holds rows that somebody asked logits for
    BufferPtr buffer;
    int64_t rows = 0;
  };
  /// One pass or one piece of the head, being recorded.
  struct Pass {
    Work& work;
    Uploads& uploads;
    const Feed* feed = nullptr;
    int64_t rows = 0;    // of ordinary nodes
    uint64_t taken = 0;  // address of the rows that take_rows stands for
    State* state = nullptr;
    Recording* recording = nullptr;
    std::map<NodeId, uint64_t> tables;  // page tables of caches
    std::vector<uint64_t> bits;         // of custom masks, by slot
  };

  void place_nodes();
  void place(NodeId, const std::vector<NodeId>& last_use);
  bool records(NodeId) const;
  NodeId lse_of(NodeId attend) const;
  /// The node whose memory this one's rows are: views lead back to it.
  NodeId source(NodeId) const;
  uint64_t address(const Pass&, NodeId) const;
  int64_t rows_of(const Pass&, NodeId) const;
  uint64_t weight(int index) const { return weights_->tensors[static_cast<size_t>(index)].buffer->address; }
  uint32_t storage(int index) const { return weights_->tensors[static_cast<size_t>(index)].storage; }

  Result<void> check(const Feed&, const State&, const Recording&) const;
  Result<void> grow_scratch(int64_t rows, bool head);
  void run_node(Pass&, const Node&) const;
  void embedding(Pass&, const Node&) const;
  void linear(Pass&, const Node&) const;
  void layer_norm(Pass&, const Node&) const;
  void attend(Pass&, const Node&) const;
  void append(Pass&, NodeId whose, NodeId from, const PagedRows& to, uint64_t table) const;
  Result<void> run_head(Pass&, uint64_t hidden, int64_t rows, float* out);
  Result<void> run_body(Pass&, const Feed&, State&, Recording&, Output&);

  std::shared_ptr<VulkanBackend> backend_;
  std::shared_ptr<const DeviceWeights> weights_;
  ModelPtr model_;
  const Graph& graph_;
  Taps taps_;
  std::vector<Place> places_;        // by node id
  std::map<NodeId, int> lse_slots_;  // by attend node, where its log-sum-exp is recorded
  std::vector<Slot> slots_;
};

}  // namespace cutaway
