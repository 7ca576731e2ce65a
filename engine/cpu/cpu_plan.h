// A plan of the CPU backend: walks the graph node by node, cuts each into pieces and hands them to the pool.
#pragma once

#include "engine/backend.h"
#include "engine/cpu/allowed.h"
#include "engine/cpu/kernels.h"
#include "engine/cpu/layout.h"
#include "engine/cpu/pool.h"

namespace cutaway {

inline constexpr int64_t many_outs = 192;  // outputs of a linear that one thread makes at a time, when rows are many

/// What every plan of one backend shares.
struct CpuMachine {
  const KernelTable* kernels;
  std::shared_ptr<ThreadPool> pool;
  std::shared_ptr<PageArena> arena;
};

/// 64-byte aligned floats; contents are lost when the size changes.
class Scratch {
 public:
  /// At least n floats. More than 64 MiB that are eight times too much are given back.
  Result<void> reserve(int64_t n);
  float* data() const { return memory_.get(); }

 private:
  struct Free {
    void operator()(float*) const;
  };
  std::unique_ptr<float[], Free> memory_;
  int64_t size_ = 0;
};

class CpuPlan final : public Plan {
 public:
  CpuPlan(ModelPtr, const Taps&, CpuMachine);

  Result<void> run(const Feed&, State&, Recording&, Output&) override;
  Result<void> head(const PagedRows& last_hidden, int64_t begin, int64_t end, float* out) override;
  std::vector<std::string> steps() const override;

 private:
  /// The pass that runs now.
  struct Pass {
    const Feed* feed = nullptr;  // null when only the head runs
    State* state = nullptr;
    PassSizes sizes;
    bool source_runs = false;  // the encoder's text comes with this pass
    float *logits = nullptr, *pooled = nullptr;
  };
  const Node& node(NodeId id) const { return (*model_->graph)[id]; }
  int64_t rows(NodeId id) const { return rows_of(node(id), pass_.sizes); }
  bool runs(const Node&) const;
  const float* values(NodeId) const;  // rows that an input made
  float* target(NodeId) const;        // where a node's rows go
  WeightMatrix matrix(const Node&) const;
  const float* vector(const Node&, size_t i) const;  // weight i of the node, or null when it has none

  Result<void> reserve();
  Result<void> run_nodes(const Feed&, Recording&, Output&);
  Result<void> run_node(const Node&);
  Result<void> run_cache(const Node&);
  void run_ids();
  void run_embedding(const Node&);
  void run_linear(const Node&);
  void run_attend(const Node&);
  void run_values(const Node&);
  void run_rotary(const Node&);
  void run_concat(const Node&);
  void run_bias(const Node&);
  void run_sinusoid(const Node&);
  void run_latent(const Node&);
  const std::vector<int32_t>& positions_of(const Node&);
  Result<void> record(NodeId, Recording&);
  AllowedKeys allowed_keys(const Node& attend);
  CachedRows cached_rows(NodeId, int64_t heads, std::vector<const void*>& pages) const;
  float* worker_scratch(int worker) const { return scratch_.data() + workers_at_ + worker * worker_floats_; }
  /// f(first row, one past the last) over pieces of rows that are worth a thread's while.
  template <class F>
  void over_rows(int64_t rows, int64_t width, F f);

  ModelPtr model_;
  CpuMachine machine_;
  Layout layout_;
  std::vector<bool> recorded_;       // by node: write its rows into the recording
  std::vector<TensorView> weights_;  // by schema index
  Pass pass_;
  Scratch scratch_;               // slots, then row log-sum-exps, then one part a worker
  std::vector<int64_t> slot_at_;  // first float of each slot
  int64_t lse_at_ = 0, gather_at_ = 0, workers_at_ = 0, worker_floats_ = 0;
  std::vector<int32_t> positions_, segments_;
  struct SpanKey {
    int slot;
    Counts queries, keys;
    auto operator<=>(const SpanKey&) const = default;
  };
  std::map<SpanKey, AllowedSpans> spans_;
  struct TurnsKey {
    int rope;
    Counts stream;
    bool from_zero;  // of all rows that were ever made; else of this pass
    auto operator<=>(const TurnsKey&) const = default;
  };
  std::map<TurnsKey, std::vector<float>> turns_;  // cos and sin
  std::vector<const void*> k_pages_, v_pages_;
};

}  // namespace cutaway
