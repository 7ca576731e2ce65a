// DeepSeek-V3 (arXiv 2412.19437): the Llama body with multi-head latent attention. Dense layers
// only: a config with expert layers is refused by name.
#include <algorithm>
#include <cmath>

#include "engine/architectures/llama.h"
#include "engine/architectures/rope_config.h"

namespace cutaway {
namespace {

AttentionSpec latent_attention(int64_t D, int64_t H, const LatentSpec& latent, float mscale) {
  AttentionSpec a;
  a.kind = "mla";
  a.d_model = D, a.n_heads = H, a.n_kv_heads = 1;
  a.head_dim = latent.nope_dim + latent.rope_dim;
  a.scale = mscale * mscale / std::sqrt(static_cast<float>(a.head_dim));
  a.bias = a.out_bias = false;
  a.rope = 0;
  a.latent = latent;
  return a;
}

/// The rope of a query head, whose last dimensions turn, and of the shared key, which turns as a whole.
std::vector<RopeSpec> two_ropes(RopeSpec rope, const LatentSpec& latent) {
  rope.begin = latent.nope_dim;
  RopeSpec key = rope;
  key.begin = 0;
  return {rope, key};
}

/// Yarn's temperature, squared into the scale (V2's code applies it only to texts beyond the first context; here as in
/// transformers, whenever the config says yarn).
float softmax_mscale(Keys& keys, const Config& c, const RopeSpec& rope) {
  if (rope.scaling != RopeScaling::Yarn) return 1;
  const auto inside = c.object(c.has("rope_parameters") ? "rope_parameters" : "rope_scaling");
  const double all = inside ? keys.kept(inside->number("mscale_all_dim", 0), 0.) : 0;
  return all != 0 ? yarn_mscale(rope.factor, all) : 1;
}

Result<ModelSpec> read_config(const Config& c) {
  Keys keys(c);
  const int64_t D = keys.integer("hidden_size", 7168, 1, 1 << 16), L = keys.integer("num_hidden_layers", 61, 1, 1024),
                H = keys.integer("num_attention_heads", 128, 1, 1024),
                F = keys.integer("intermediate_size", 18432, 1, 1 << 20),
                N = keys.integer("max_position_embeddings", 4096, 1, 1 << 24),
                V = keys.integer("vocab_size", 129280, 1, 1 << 24),
                dense = keys.integer("first_k_dense_replace", 3, 0, 1 << 20);
  LatentSpec latent{.q_lora_rank = c.says_null("q_lora_rank") ? 0 : keys.integer("q_lora_rank", 1536, 0, 1 << 16),
                    .kv_lora_rank = keys.integer("kv_lora_rank", 512, 1, 1 << 16),
                    .nope_dim = keys.integer("qk_nope_head_dim", 128, 1, 1 << 14),
                    .rope_dim = keys.integer("qk_rope_head_dim", 64, 2, 1 << 14),
                    .v_dim = keys.integer("v_head_dim", 128, 1, 1 << 14)};
  if (dense < L && !c.says_null("n_routed_experts") && keys.integer("n_routed_experts", 256, 0, 1 << 20) > 0)
    keys.refuse(
        error("{}: first_k_dense_replace is {} of {} layers; expert layers are not read yet", c.file(), dense, L));
  ModelSpec spec;
  spec.architecture = "deepseek";
  spec.vocab_size = V, spec.d_model = D, spec.n_ctx = N;
  spec.eos_id = read_eos(keys, c);
  spec.norm = Norm::Rms;
  spec.norm_eps = static_cast<float>(keys.positive("rms_norm_eps", 1e-6));
  spec.tied = keys.boolean("tie_word_embeddings", false);
  RopeSpec rope = read_rope(keys, c, latent.rope_dim, N, 10000);
  rope.interleaved = keys.boolean("rope_interleave", true);
  spec.ropes = two_ropes(rope, latent);
  LayerSpec layer;
  layer.attention = latent_attention(D, H, latent, softmax_mscale(keys, c, rope));
  layer.attention.bias = layer.attention.out_bias = keys.boolean("attention_bias", false);
  const auto activation = activation_named(c, "hidden_act", "silu");
  layer.ffn = {.activation = keys.kept(activation, Activation::Silu), .d_ff = F, .bias = false, .gated = true};
  spec.layers.assign(static_cast<size_t>(L), layer);
  spec.masks = {MaskRule{}};
  if (keys.failed()) return *keys.failed();
  if (latent.rope_dim % 2)
    return error("{}: qk_rope_head_dim is {}; pairs turn, so it must be even", c.file(), latent.rope_dim);
  spec.said = {{"hidden_size", D},
               {"vocab_size", V},
               {"intermediate_size", F},
               {"kv_lora_rank", latent.kv_lora_rank},
               {"num_attention_heads * v_head_dim", H * latent.v_dim}};
  return spec;
}

TensorSource source(const ModelSpec& spec, const std::string& name) {
  const LatentSpec& l = spec.layers[0].attention.latent;
  TensorSource found = llama_source(spec, name);
  const auto take = [&](std::string_view ours, std::string_view theirs) {
    bool hit = false;
    for (std::string& file : found.names)
      if (const size_t at = file.find(fmt::format(".self_attn.{}.", ours)); at != file.npos)
        file.replace(at + 11, ours.size(), theirs), hit = true;
    return hit;
  };
  take("q_a_norm", "q_a_layernorm");
  if (take("kv_a_proj", "kv_a_proj_with_mqa")) found.rows = l.kv_lora_rank;
  if (take("k_rope_proj", "kv_a_proj_with_mqa")) found.row_begin = l.kv_lora_rank, found.rows = l.rope_dim;
  take("kv_a_norm", "kv_a_layernorm");
  const int64_t H = spec.layers[0].attention.n_heads, period = l.nope_dim + l.v_dim;
  if (take("k_b_proj", "kv_b_proj"))  // per head: keys, then values
    found.rows = H * l.nope_dim, found.block_rows = l.nope_dim, found.block_period = period;
  if (take("v_b_proj", "kv_b_proj"))
    found.row_begin = l.nope_dim, found.rows = H * l.v_dim, found.block_rows = l.v_dim, found.block_period = period;
  return found;
}

/// The layer of multi-token prediction that V3's files carry after the last one is not part of plain inference.
bool ignored(const std::string& name) { return llama_ignored(name) || name.starts_with("model.layers.61."); }

std::vector<ModelSpec> corners() {
  struct Corner {
    int64_t L, D, H, F, V;
    LatentSpec latent;
    bool yarn;
  };
  const Corner all[] = {{2, 64, 4, 96, 128, {0, 16, 8, 4, 8, true}, false},
                        {2, 40, 3, 77, 97, {20, 12, 10, 6, 14, true}, true},
                        {1, 32, 2, 48, 61, {0, 24, 8, 4, 12, false}, false}};  // naive: keys and values expanded
  std::vector<ModelSpec> specs;
  for (const Corner& c : all) {
    ModelSpec spec;
    spec.name = fmt::format("deepseek-{}x{}x{}", c.L, c.D, c.H);
    spec.architecture = "deepseek";
    spec.vocab_size = c.V, spec.d_model = c.D, spec.n_ctx = 64;
    spec.norm = Norm::Rms, spec.tied = false;
    RopeSpec rope{.width = c.latent.rope_dim, .interleaved = true};
    if (c.yarn)
      rope.scaling = RopeScaling::Yarn, rope.factor = 4, rope.original_n_ctx = 16, rope.attention_factor = 1.1f;
    spec.ropes = two_ropes(rope, c.latent);
    LayerSpec layer;
    layer.attention = latent_attention(c.D, c.H, c.latent, c.yarn ? 1.2f : 1.f);
    layer.ffn = {.activation = Activation::Silu, .d_ff = c.F, .bias = false, .gated = true};
    spec.layers.assign(static_cast<size_t>(c.L), layer);
    spec.masks = {MaskRule{}};
    specs.push_back(std::move(spec));
  }
  return specs;
}

}  // namespace

extern const Architecture deepseek_architecture;
const Architecture deepseek_architecture{"deepseek",  {"deepseek_v3"}, read_config, nullptr,
                                         build_llama, source,          ignored,     corners};

}  // namespace cutaway
