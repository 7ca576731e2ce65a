// Falcon (Almazrouei et al. 2023, arXiv 2311.16867): both branches read the same norm, few heads of keys and values,
// all projections in one matrix; positions turn or are ALiBi's slopes.
#include <algorithm>
#include <cmath>

#include "engine/architectures/llama.h"
#include "engine/architectures/rope_config.h"

namespace cutaway {
namespace {

Result<ModelSpec> read_config(const Config& c) {
  Keys keys(c);
  const int64_t D = keys.integer("hidden_size", 4544, 1, 1 << 16), L = keys.integer("num_hidden_layers", 32, 1, 1024),
                H = keys.integer("num_attention_heads", 71, 1, 1024), V = keys.integer("vocab_size", 65024, 1, 1 << 24),
                N = keys.integer("max_position_embeddings", 2048, 1, 1 << 24),
                F = keys.integer("ffn_hidden_size", 4 * D, 1, 1 << 20);
  const bool newer = keys.boolean("new_decoder_architecture", false), one = keys.boolean("multi_query", true),
             alibi = keys.boolean("alibi", false), bias = keys.boolean("bias", false),
             parallel = keys.boolean("parallel_attn", true);
  const int64_t some = keys.integer("num_kv_heads", H, 1, 1024),
                norms = keys.integer("num_ln_in_parallel_attn", newer ? 2 : 1, 1, 2);
  if (!keys.failed() && D % H != 0)
    return error("{}: hidden_size is {}; it must be a multiple of num_attention_heads, which is {}", c.file(), D, H);
  ModelSpec spec;
  spec.architecture = "falcon";
  spec.vocab_size = V, spec.d_model = D, spec.n_ctx = N;
  spec.eos_id = read_eos(keys, c);
  spec.norm_eps = static_cast<float>(keys.positive("layer_norm_epsilon", 1e-5));
  spec.tied = keys.boolean("tie_word_embeddings", true);
  spec.alibi = alibi;
  LayerSpec layer;
  AttentionSpec& a = layer.attention;
  a.d_model = D, a.n_heads = H, a.head_dim = D / H;
  a.n_kv_heads = newer ? some : one ? 1 : H;
  a.kind = grouped_kind(H, a.n_kv_heads);
  a.scale = 1 / std::sqrt(static_cast<float>(a.head_dim));
  a.bias = a.out_bias = bias;
  if (!alibi) {
    a.rope = 0;
    spec.ropes = {read_rope(keys, c, a.head_dim, N, 10000)};
  }
  const auto activation = activation_named(c, "activation", "gelu");
  layer.ffn = {.activation = keys.kept(activation, Activation::GeluErf), .d_ff = F, .bias = bias};
  layer.parallel = newer || parallel;
  layer.second_norm = newer && norms == 2;
  spec.layers.assign(static_cast<size_t>(L), layer);
  spec.masks = {MaskRule{}};
  if (keys.failed()) return *keys.failed();
  if (auto ok = check_attention(a); !ok) return error("{}: {}", c.file(), ok.error().text);
  spec.said = {{"hidden_size", D}, {"vocab_size", V}};
  if (F != D) spec.said.emplace_back("ffn_hidden_size", F);
  return spec;
}

/// q, k and v are rows of one matrix: with few heads of keys, all q, then k, then v; in the newer layout in turns, a
/// group of q and its k and v; else q, k and v of each head.
void take_fused(const AttentionSpec& a, std::string_view part, TensorSource& source) {
  const int64_t Dh = a.head_dim, group = a.n_heads / a.n_kv_heads, period = (group + 2) * Dh;
  if (part == "q_proj") source.rows = a.n_heads * Dh, source.block_rows = group * Dh;
  if (part == "k_proj") source.row_begin = group * Dh, source.rows = a.n_kv_heads * Dh, source.block_rows = Dh;
  if (part == "v_proj") source.row_begin = (group + 1) * Dh, source.rows = a.n_kv_heads * Dh, source.block_rows = Dh;
  source.block_period = period;  // one group of all heads is the first layout, groups of one the last
}

TensorSource source(const ModelSpec& spec, const std::string& name) {
  const size_t dot = name.rfind('.');
  const std::string kind = name.substr(dot);
  std::string part = name.substr(0, dot), prefix;
  TensorSource found;
  if (part == "lm_head") return {.names = {name}};
  if (part.starts_with("layers.")) {
    const size_t end = part.find('.', 7);
    prefix = fmt::format("h.{}.", part.substr(7, end - 7));
    part = part.substr(end + 1);
  }
  const LayerSpec& layer = spec.layers[0];
  static constexpr std::pair<std::string_view, std::string_view> parts[] = {{"embed_tokens", "word_embeddings"},
                                                                            {"norm", "ln_f"},
                                                                            {"attn.o_proj", "self_attention.dense"},
                                                                            {"mlp.up_proj", "mlp.dense_h_to_4h"},
                                                                            {"mlp.down_proj", "mlp.dense_4h_to_h"}};
  for (const auto& [ours, theirs] : parts)
    if (part == ours) found.names = {fmt::format("transformer.{}{}{}", prefix, theirs, kind)};
  if (part == "attn_norm")
    found.names = {fmt::format("transformer.{}{}{}", prefix, layer.second_norm ? "ln_attn" : "input_layernorm", kind)};
  if (part == "mlp_norm")
    found.names = {
        fmt::format("transformer.{}{}{}", prefix, layer.second_norm ? "ln_mlp" : "post_attention_layernorm", kind)};
  if (found.names.empty() && part.starts_with("attn.")) {
    found.names = {fmt::format("transformer.{}self_attention.query_key_value{}", prefix, kind)};
    take_fused(layer.attention, std::string_view(part).substr(5), found);
  }
  return found;
}

bool ignored(const std::string& name) { return llama_ignored(name) || name.ends_with(".attention.masked_bias"); }

std::vector<ModelSpec> corners() {
  struct Corner {
    int64_t L, D, H, Hkv;
    bool alibi, second, parallel;
  };
  const Corner all[] = {
      {2, 48, 6, 1, false, false, true}, {2, 32, 4, 2, false, true, true}, {2, 40, 5, 5, true, false, false}};
  std::vector<ModelSpec> specs;
  for (const Corner& c : all) {
    ModelSpec spec;
    spec.name = fmt::format("falcon-{}x{}x{}", c.L, c.D, c.H);
    spec.architecture = "falcon";
    spec.vocab_size = 97, spec.d_model = c.D, spec.n_ctx = 64, spec.alibi = c.alibi;
    LayerSpec layer;
    layer.attention = {.kind = grouped_kind(c.H, c.Hkv),
                       .d_model = c.D,
                       .n_heads = c.H,
                       .n_kv_heads = c.Hkv,
                       .head_dim = c.D / c.H,
                       .scale = 1 / std::sqrt(static_cast<float>(c.D / c.H)),
                       .bias = c.alibi,
                       .out_bias = c.alibi,
                       .rope = c.alibi ? -1 : 0};
    layer.ffn = {.activation = Activation::GeluErf, .d_ff = 4 * c.D, .bias = c.alibi};
    layer.parallel = c.parallel, layer.second_norm = c.second;
    spec.layers.assign(static_cast<size_t>(c.L), layer);
    spec.masks = {MaskRule{}};
    if (!c.alibi) spec.ropes = {{.width = c.D / c.H}};
    specs.push_back(std::move(spec));
  }
  return specs;
}

}  // namespace

extern const Architecture falcon_architecture;
const Architecture falcon_architecture{"falcon",    {"falcon"}, read_config, nullptr,
                                       build_llama, source,     ignored,     corners};

}  // namespace cutaway
