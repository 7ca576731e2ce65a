// GPT-2, nanoGPT and BERT the slow way: double precision, one loop per formula of the papers, sharing nothing with the
// program but the spec's numbers and the named weights. What the fast code says is held against this.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/model.h"

namespace cutaway::tests {

struct Values {
  std::vector<int64_t> shape;
  std::vector<double> at;  // row-major
};

/// Every public tensor of one pass over `ids`, by its path in the trace: "hidden.embed", "layers.0.attn.probs" (H, T,
/// T) with 0 where masked, ".q", ".k", ".v" (H, T, Dh), ".context" (H, T, Dh), ".lse" (H, T), "logits" (T, V), "pooled"
/// (D).
std::map<std::string, Values> oracle(const Model& model, std::span<const int32_t> ids, const MaskRule& mask);

/// What a mask's words mean, written again from spec/dense.md 1.4.
bool oracle_allows(const MaskRule& mask, int64_t query, int64_t key);

}  // namespace cutaway::tests
