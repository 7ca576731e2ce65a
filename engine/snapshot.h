// What one step left for the eyes: immutable, shared, cheap to keep. Views and exporters read nothing else.
#pragma once

#include "engine/backend.h"

namespace cutaway {

/// Attention weights that came as a matrix: a trace that holds probs but not q, k and lse. By probs node.
struct DenseProbs {
  int64_t heads = 0, queries = 0, keys = 0;
  std::vector<float> values;  // (H, T, S)
};

struct TokenChoice {
  int32_t id = 0;
  float logprob = 0;  // natural log
};

struct Fill {  // a masked position and what the model would put there
  int64_t position = 0;
  std::vector<TokenChoice> best;  // ten, best first
};

struct Snapshot {
  ModelPtr model;
  std::shared_ptr<Backend> backend;  // null for a trace
  std::string backend_name;          // "cpu", "vulkan", or what the trace says
  std::vector<int32_t> ids;          // every token so far
  std::vector<std::string> pieces;   // as a person should see them, one per id
  std::string text;                  // what was typed
  std::vector<int32_t> source_ids;   // encoder-decoder: the encoder's text; ids are the decoder's
  std::vector<std::string> source_pieces;
  int64_t n_prompt = 0;         // the first that were given; the rest were generated
  std::vector<MaskRule> masks;  // by slot, as this step ran
  State state;
  Recording recording;
  std::map<NodeId, DenseProbs> dense;           // traces only
  std::map<NodeId, std::vector<float>> biases;  // traces only: (H, T + S - 1) by bias node
  std::vector<float> logits;                    // (V) of the last position; empty without a causal head
  std::vector<TokenChoice> best;                // forty best of it, best first; for the sampler's cut and the view
  float entropy_bits = 0;                       // of that distribution
  std::vector<float> surprisal_bits;  // per position, of the token given those before; NaN where there is none
  std::vector<TokenChoice> chosen;    // per generated token: its log-probability when it was chosen
  std::vector<Fill> fills;            // masked model: one per mask token
  std::vector<float> pooled;          // sentence embedding (D), length 1
  std::vector<float> node_ms;         // by node id, of the pass that made this step
  int64_t pass_tokens = 0;            // rows of that pass
  double pass_ms = 0;
  size_t arena_bytes = 0;  // live pages of the backend, measured when this step ended
  uint64_t serial = 0;     // unique; equal serials are the same step

  const Graph& graph() const { return *model->graph; }
  int64_t positions() const { return static_cast<int64_t>(ids.size()); }
  int64_t positions(Counts tokens_of) const {
    return tokens_of == Counts::EncoderTokens ? static_cast<int64_t>(source_ids.size()) : positions();
  }
  const std::vector<std::string>& pieces_of(Counts tokens_of) const {
    return tokens_of == Counts::EncoderTokens ? source_pieces : pieces;
  }
  /// Whose tokens lie along axis d (0 queries, 1 keys) of a map node.
  Counts tokens_of(NodeId map, int d) const { return graph()[map].shape[graph()[map].shape.size() - 2 + d].counts; }
  /// Positions along that axis.
  int64_t axis(NodeId map, int d) const { return positions(tokens_of(map, d)); }
  const MaskRule& mask_of(NodeId probs) const { return masks[static_cast<size_t>(graph()[probs].params.mask_slot)]; }
  /// Rows of a cache node or of a tapped one, or null when it was not recorded.
  const PagedRows* rows(NodeId) const;
  size_t cache_used_bytes() const;       // rows in use
  size_t cache_allocated_bytes() const;  // whole pages
};

/// A cache that never forgets: tapping it needs no recording, its rows are the state's.
bool keeps_all(const Node&);
/// Gives back the rows of a window's cache that the last of `seen` tokens could not see under the masks that ran.
void forget_unseen(const Node& cache, const std::vector<MaskRule>& masks, int64_t seen, PagedRows&);
/// Empty caches and recordings of the right widths. cache: what keys and values are stored as, where check_cache()
/// allows it; a recorded window's cache is stored like the cache itself, so that its tiles show what attention saw.
State empty_state(const Graph&, const std::shared_ptr<PageArena>&, DType cache = DType::F32);
Recording empty_recording(const Graph&, const Taps&, const std::shared_ptr<PageArena>&, DType cache = DType::F32);
/// What every session records: what attention tiles are computed from, and the rows that the head reads.
Taps default_taps(const Graph&);

}  // namespace cutaway
