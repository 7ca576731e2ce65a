// What a model is, as data: sizes, and one plan row per layer, so a stack of unlike layers is ordinary.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/mask.h"
#include "engine/rope.h"
#include "engine/tensor.h"

namespace cutaway {

enum class Objective : uint8_t { CausalLm, MaskedLm, Embedding };
enum class Activation : uint8_t { GeluErf, GeluTanh, Relu, Tanh, Silu };
enum class Pooling : uint8_t { None, Cls, Mean };  // Cls: tanh(W x[0] + b). Mean: mean over tokens, then length 1.
enum class Norm : uint8_t { Layer, Rms };
enum class QkNorm : uint8_t { None, PerHead, Whole };  // RMS over each head (Qwen3) or over all of them (OLMo 2)

/// Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434): what is cached is one latent and one rotary key a
/// token.
struct LatentSpec {
  int64_t q_lora_rank = 0;  // 0: queries are projected at once
  int64_t kv_lora_rank = 0;
  int64_t nope_dim = 0, rope_dim = 0;  // of a query and key head; rope_dim 0: no key is shared, all of a head may turn
  int64_t v_dim = 0;
  bool absorbed = true;  // scores on the latent itself; false: keys and values are expanded for every token
  bool normed = true;    // RMS on the latents; one that was made from a checkpoint's heads has none
  bool query_bias = false;
};

struct AttentionSpec {
  std::string kind = "mha";  // a name in attention.inc
  int64_t d_model = 0;
  int64_t n_heads = 0;
  int64_t n_kv_heads = 0;  // divides n_heads
  int64_t head_dim = 0;    // n_heads * head_dim may differ from d_model
  float scale = 0;         // multiplies q . k, usually 1 / sqrt(head_dim)
  bool bias = true;        // on the projections of q, k and v
  bool out_bias = true;    // on the output projection
  int mask_slot = 0;       // which of ModelSpec::masks
  bool cached = true;      // keeps keys and values from step to step
  int rope = -1;           // which of ModelSpec::ropes; -1: positions come from elsewhere
  QkNorm qk_norm = QkNorm::None;
  float softcap = 0;  // scores become c tanh(s / c) before the mask; 0: they don't
  LatentSpec latent;  // kind mla only
};

struct FfnSpec {
  Activation activation = Activation::GeluTanh;
  int64_t d_ff = 0;
  bool bias = true;
  bool gated = false;  // down(f(gate x) * up x)
};

/// Where a layer normalises: the input of a branch, its output before the residual sum, or the sum (post-norm).
struct NormPlaces {
  bool input = true, output = false;
};

struct LayerSpec {
  AttentionSpec attention;
  std::optional<AttentionSpec> cross;  // a decoder's look at the encoder
  FfnSpec ffn;
  NormPlaces norms;
  bool parallel = false;     // both branches read the same x (Falcon)
  bool second_norm = false;  // parallel only: the feed-forward has a norm of its own
};

struct ModelSpec {
  std::string name;          // "mini-gpt"
  std::string architecture;  // a name in architectures.inc
  Objective objective = Objective::CausalLm;
  int64_t vocab_size = 0;  // rows of the embedding
  int64_t d_model = 0;
  int64_t n_ctx = 0;       // most positions the model can read
  int64_t n_segments = 0;  // rows of the token-type embedding; 0 = none
  Norm norm = Norm::Layer;
  float norm_eps = 1e-5f;
  bool norm_bias = true;
  float norm_offset = 0;    // added to every gain: Gemma keeps gain - 1
  float embed_scale = 1;    // multiplies the token embedding
  float logit_softcap = 0;  // logits become c tanh(l / c); 0: they don't
  bool alibi = false;       // a slope per head times the distance, added to the score
  bool tied = true;         // the embedding is the output matrix too
  Pooling pooling = Pooling::None;
  bool has_head = true;  // an encoder saved without its MLM head has none: no logits
  int64_t eos_id = -1;   // -1: the model has none
  std::vector<LayerSpec> layers;
  std::vector<LayerSpec> encoder_layers;  // of an encoder-decoder, whose decoder is `layers`
  int64_t decoder_start_id = -1;          // what an encoder-decoder's decoder begins with
  bool sinusoids = false;                 // fixed positions in place of a learned table
  int64_t first_position = 0;             // the table's row of position 0; it has as many rows more
  bool logit_bias = false;                // one number a vocabulary entry, added to the logits
  bool head_dense_bias = true;            // of the layer before a masked-language head's output matrix
  float head_scale = 1;                   // multiplies what the output matrix reads
  int64_t relative_buckets = 0, relative_max_distance = 0;  // T5's relative position bias; 0 buckets: none
  std::vector<std::pair<std::string, int64_t>> said;        // config keys and their numbers, for messages about shapes
  std::vector<MaskRule> masks;                              // by slot, as the checkpoint was trained
  std::vector<RopeSpec> ropes;                              // by AttentionSpec::rope

  int64_t n_layers() const { return static_cast<int64_t>(layers.size()); }
  bool encoder_decoder() const { return !encoder_layers.empty(); }
};

}  // namespace cutaway
