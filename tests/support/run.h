// Running a random model piece by piece and reading everything that it recorded.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/architecture.h"
#include "engine/snapshot.h"

namespace cutaway::tests {

/// That shape with random weights, large enough for the softmax to have an opinion.
ModelPtr random_model(const ModelSpec& spec, uint64_t seed = 1);
/// n ids below vocab_size, the same for the same seed.
std::vector<int32_t> random_ids(const ModelSpec& spec, int64_t n, uint32_t seed = 1);
/// What an encoder-decoder's encoder reads here; nothing for the others.
std::vector<int32_t> random_source(const ModelSpec& spec);
/// The model's masks, but those under which a token attends to its own text (of the decoder, if there are two) are
/// this.
std::vector<MaskRule> under(const Model& model, const MaskRule& mask);
/// Every node that can be recorded and has a meaning: q, k, v, latent, lse, context, hidden.
Taps all_taps(const Graph& graph);

struct Run {
  SnapshotPtr step;
  std::vector<float> logits, pooled;               // (T, V), empty without a head; (D)
  std::map<std::string, std::vector<float>> rows;  // by path, (T, width)
};

/// Feeds ids in pieces of at most `piece` tokens (0: all at once) and asks for the logits of every position. An
/// encoder-decoder's encoder reads `source`, or random_source() when that is empty.
Result<Run> run(const std::shared_ptr<Backend>& backend, const ModelPtr& model, const Taps& taps,
                const std::vector<int32_t>& ids, const std::vector<MaskRule>& masks, int64_t piece = 0,
                std::vector<int32_t> source = {});

/// Weights of one head as the program's tiles tell them, (T, S); masked_cell where masked.
Result<std::vector<float>> probs(const Run& run, NodeId node, int64_t head);

/// max|a - b| / max(1, max|b|); minus infinity must meet minus infinity, NaN meets nothing.
template <class A, class B>
double difference(const std::vector<A>& got, const std::vector<B>& want);

}  // namespace cutaway::tests
