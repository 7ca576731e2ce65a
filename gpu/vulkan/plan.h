// A compiled model on the device: which node writes where in the scratch memory, and the dispatches of one pass.
#pragma once

#include "engine/cpu/layout.h"
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
  /// Scratch memory that nodes take in turns.
  struct Room {
    Slot takers;
    bool head = false;  // holds rows that somebody asked logits for
    BufferPtr buffer;
    int64_t floats = 0;
  };
  /// One pass or one piece of the head, being recorded.
  struct Pass {
    Work& work;
    Uploads& uploads;
    const Feed* feed = nullptr;
    PassSizes sizes;
    uint64_t taken = 0;  // address of the rows that take_rows stands for
    State* state = nullptr;
    Recording* recording = nullptr;
    std::map<NodeId, uint64_t> tables;    // page tables of caches
    std::map<NodeId, uint64_t> uploaded;  // rows that the host made
    std::map<std::tuple<int, Counts, bool>, uint64_t>
        turns;                   // cos and sin, by rope, stream, and from row 0 or the past
    std::vector<uint64_t> bits;  // of custom masks, by slot
  };

  void place_nodes();
  void place(const Node&, const std::vector<NodeId>& last_use);
  bool records(NodeId) const;
  NodeId lse_of(NodeId attend) const;
  /// The node whose memory this one's rows are: views lead back to it.
  NodeId source(NodeId) const;
  /// False for the head, which runs apart, and for the encoder when its text was read by an earlier pass.
  bool runs(const Feed&, const Node&) const;
  /// Rows that a pass adds to what it recorded or cached of a node before.
  int64_t new_rows(const Node&, const PassSizes&) const;
  uint64_t weight(int index) const { return weights_->tensors[static_cast<size_t>(index)].buffer->address; }
  uint32_t storage(int index) const { return weights_->tensors[static_cast<size_t>(index)].storage; }

  Result<void> check(const Feed&, const PassSizes&) const;
  Result<void> grow_scratch(PassSizes, bool head);
  /// Makes room for the rows that this pass appends.
  Result<void> grow_rows(const Feed&, const PassSizes&, State&, Recording&) const;
  Result<void> run_head(Pass&, uint64_t hidden, int64_t rows, float* out);
  Result<void> run_body(Pass&, Output&);

  // plan_ops.cpp
  uint64_t address(const Pass&, NodeId) const;
  int64_t rows(const Pass& pass, NodeId id) const { return rows_of(graph_[id], pass.sizes); }
  int64_t past_of(const Pass&, const Node&) const;
  uint64_t page_table(Pass&, NodeId) const;
  void run_node(Pass&, const Node&) const;
  void run_values(Pass&, const Node&) const;
  void embedding(Pass&, const Node&) const;
  void upload_positions(Pass&, const Node&) const;
  void linear(Pass&, const Node&) const;
  void norm(Pass&, const Node&) const;
  void rotary(Pass&, const Node&) const;
  void latent(Pass&, const Node&) const;
  void attend(Pass&, const Node&) const;
  void append(Pass&, NodeId whose, NodeId from, const PagedRows& to, uint64_t table) const;

  std::shared_ptr<VulkanBackend> backend_;
  std::shared_ptr<const DeviceWeights> weights_;
  ModelPtr model_;
  const Graph& graph_;
  Taps taps_;
  std::vector<int> rooms_of_;        // by node id; -1: no rows of its own
  std::map<NodeId, int> lse_rooms_;  // by attend node, where its log-sum-exp is recorded
  std::vector<Room> rooms_;
};

}  // namespace cutaway
