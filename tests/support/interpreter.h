// An interpreter of the graph in fp64: every node's rows straight from the papers. It knows nothing of slots, pieces,
// pages or online softmax, and shares with the program only the graph, the weights and the rotary frequencies.
#pragma once

#include <span>
#include <vector>

#include "engine/model.h"

namespace cutaway::tests {

using Doubles = std::vector<double>;

/// What a mask's words mean, written again from spec/dense.md 1.4.
bool allows(const MaskRule& mask, int64_t query, int64_t key);

/// A pass over all tokens of ids (and of the source, for an encoder-decoder), logits asked for all.
class Interpreter {
 public:
  Interpreter(const Model& model, std::span<const int32_t> ids, std::vector<MaskRule> masks,
              std::span<const int32_t> source = {});

  /// By node: its rows, laid out as they are recorded, (T, width); an lse (T, H); probs (H, T, S) with 0 where masked.
  std::vector<Doubles> rows;

 private:
  Doubles& at(NodeId id) { return rows[static_cast<size_t>(id)]; }
  std::span<const int32_t> ids_of(const Node& node) const {
    return stream_of(node) == Counts::EncoderTokens ? source_ : ids_;
  }
  int64_t tokens_of(const Node& node) const { return static_cast<int64_t>(ids_of(node).size()); }
  double weight(const Node& node, size_t which, int64_t i) const;

  void run(const Node&);
  void run_values(const Node&, const Doubles& x, Doubles& y) const;
  void layer_norm(const Node&, const Doubles& x, Doubles& y) const;
  void rms_norm(const Node&, const Doubles& x, Doubles& y) const;
  static void sinusoid(const Node&, double position, Doubles& y);
  void rotary(const Node&, const Doubles& x, Doubles& y) const;
  static void concat(const Doubles& a, const Doubles& b, int64_t tokens, Doubles& y);
  double bias_of(const Node&, int64_t head, int64_t distance) const;
  void latent(const Node&, const Doubles& x, Doubles& y) const;
  void linear(const Node&, const Doubles& x, Doubles& y) const;
  void attend(const Node&, Doubles& y);

  const Graph& graph_;
  const ModelSpec& spec_;
  std::vector<std::vector<float>> weights_;  // by schema index
  std::span<const int32_t> ids_, source_;
  std::vector<MaskRule> masks_;
};

}  // namespace cutaway::tests
