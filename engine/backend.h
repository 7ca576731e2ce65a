// A place where graphs run. The session owns state and recording, a plan owns scratch, a backend the uploaded weights;
// so taps can change by compiling again and nothing is lost.
//
//   auto plan = backend.compile(model, taps);          // once per model and set of taps
//   plan->run({.ids = ids, .past = 0, .masks = masks}, state, recording, out);
#pragma once

#include <map>
#include <set>

#include "engine/model.h"
#include "engine/paged.h"
#include "engine/tile.h"

namespace cutaway {

using Taps = std::set<NodeId>;
/// Cached rows by cache node, what attention reads back: row i of a K or V cache is (Hkv * Dh) numbers of position i,
/// of a latent cache (r + p), stored as that cache is. A window's cache forgets the rows that no later token can see.
using State = std::map<NodeId, PagedRows>;
/// Recorded rows by tapped node, one row a position: (H*Dh) for q, k, v and context, (H) for lse, (D) for hidden.
using Recording = std::map<NodeId, PagedRows>;

struct Feed {
  std::span<const int32_t> ids;              // new tokens, T of them
  std::span<const int32_t> source;           // the encoder's text, all of it, in the pass that reads it; else empty
  int64_t source_tokens = 0;                 // its length, in every pass
  std::span<const int32_t> segments;         // token types; empty: all 0
  int64_t past = 0;                          // positions already in the state
  std::vector<MaskRule> masks;               // by slot
  int64_t logits_begin = 0, logits_end = 0;  // absolute positions (among the new ones) to compute logits for
  Progress* progress = nullptr;              // may be null; checked between nodes
};

struct Output {
  std::vector<float> logits;   // (logits_end - logits_begin, V)
  std::vector<float> pooled;   // (D), empty when the model has none
  std::vector<float> node_ms;  // by node id; 0 for views and answers
};

class Plan {
 public:
  virtual ~Plan() = default;
  /// Runs T new tokens: appends to every cache in `state` and to every tapped row set in `recording`.
  /// On failure both are as they were before.
  virtual Result<void> run(const Feed&, State&, Recording&, Output&) = 0;
  /// The head alone, on rows [begin, end) of a recorded last_hidden: logits (end - begin, V) into out.
  virtual Result<void> head(const PagedRows& last_hidden, int64_t begin, int64_t end, float* out) = 0;
  /// What runs, one line an op: a plan without taps is the plan with taps less its "record" lines.
  virtual std::vector<std::string> steps() const = 0;
};

struct BackendInfo {
  std::string name;    // "cpu", "vulkan"
  std::string device;  // "AVX-512, 2 threads", "llvmpipe (LLVM 15.0.6, 256 bits)"
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual BackendInfo info() const = 0;
  virtual std::shared_ptr<PageArena> arena() = 0;
  /// Whether matrices of block types run as they are: what to open a model with (OpenOptions::blocks).
  virtual bool runs_blocks() const { return false; }
  /// Whether caches may be stored as that type.
  virtual bool caches_as(DType dtype) const { return dtype == DType::F32; }
  /// Uploads the weights once per model (kept while a plan of it lives). Always tap graph.last_hidden to use head().
  virtual Result<std::unique_ptr<Plan>> compile(ModelPtr, const Taps&) = 0;
  /// Exact values of a piece of an attention map, on any thread.
  virtual Result<Tile> tile(const TileRequest&) = 0;
  /// The only way from a device to the host; counts its bytes in bytes_read_back().
  virtual Result<void> read(const PagedRows&, int64_t begin, int64_t end, float* out) = 0;
  virtual size_t bytes_read_back() const = 0;
};

/// The CPU, always there. threads 0: all of the machine's.
std::shared_ptr<Backend> make_cpu_backend(int threads);

}  // namespace cutaway
