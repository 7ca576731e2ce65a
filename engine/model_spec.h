// What a model is, as data: sizes, and one plan row per layer, so a stack of unlike layers is ordinary.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/mask.h"
#include "engine/tensor.h"

namespace cutaway {

enum class Objective : uint8_t { CausalLm, MaskedLm, Embedding };
enum class Activation : uint8_t { GeluErf, GeluTanh, Relu, Tanh };
enum class Pooling : uint8_t { None, Cls, Mean };  // Cls: tanh(W x[0] + b). Mean: mean over tokens, then length 1.

struct AttentionSpec {
  std::string kind = "mha";  // a name in attention.inc
  int64_t d_model = 0;
  int64_t n_heads = 0;
  int64_t n_kv_heads = 0;  // divides n_heads
  int64_t head_dim = 0;    // n_heads * head_dim may differ from d_model
  float scale = 0;         // multiplies q . k, usually 1 / sqrt(head_dim)
  bool bias = true;        // on all four projections
  int mask_slot = 0;       // which of ModelSpec::masks
  bool cached = true;      // keeps keys and values from step to step
};

struct FfnSpec {
  Activation activation = Activation::GeluTanh;
  int64_t d_ff = 0;
  bool bias = true;
};

struct LayerSpec {
  AttentionSpec attention;
  FfnSpec ffn;
};

struct ModelSpec {
  std::string name;          // "mini-gpt"
  std::string architecture;  // a name in architectures.inc
  Objective objective = Objective::CausalLm;
  int64_t vocab_size = 0;  // rows of the embedding
  int64_t d_model = 0;
  int64_t n_ctx = 0;       // most positions the model can read
  int64_t n_segments = 0;  // rows of the token-type embedding; 0 = none
  float norm_eps = 1e-5f;
  bool norm_bias = true;
  bool tied = true;  // the embedding is the output matrix too
  Pooling pooling = Pooling::None;
  bool has_head = true;  // an encoder saved without its MLM head has none: no logits
  int64_t eos_id = -1;   // -1: the model has none
  std::vector<LayerSpec> layers;
  std::vector<std::pair<std::string, int64_t>> said;  // config keys and their numbers, for messages about shapes
  std::vector<MaskRule> masks;                        // by slot, as the checkpoint was trained

  int64_t n_layers() const { return static_cast<int64_t>(layers.size()); }
};

}  // namespace cutaway
