#include "engine/architectures/gpt.h"

#include <cmath>

namespace cutaway {

Graph build_gpt(const ModelSpec& spec) {
  Builder b(spec);
  const int64_t D = spec.d_model, V = spec.vocab_size;
  NodeId x = b.add(b.embedding(b.tokens(), "wte", V, D), b.embedding(b.positions(), "wpe", spec.n_ctx, D));  // (T, D)
  b.mark(x, Role::Hidden, "hidden.embed");
  for (int i = 0; i < spec.n_layers(); ++i) {
    const AttentionSpec& attention = spec.layers[static_cast<size_t>(i)].attention;
    const FfnSpec& ffn = spec.layers[static_cast<size_t>(i)].ffn;
    const auto layer = b.layer(i);
    NodeId h = b.layer_norm(x, "ln_1");                                // (T, D)
    x = b.add(x, build_attention(b, {.x = h, .from = h}, attention));  // the kind is data
    h = b.layer_norm(x, "ln_2");
    h = b.activation(b.linear(h, "mlp.c_fc", D, ffn.d_ff, ffn.bias), ffn.activation);  // (T, F)
    x = b.add(x, b.linear(h, "mlp.c_proj", ffn.d_ff, D, ffn.bias));                    // (T, D)
    b.mark(x, Role::Hidden, fmt::format("hidden.{}", i));                              // residual after layer i
  }
  const NodeId last = b.layer_norm(b.take_rows(x), "ln_f");  // (R, D)
  b.unembed(last, spec.tied ? "wte" : "lm_head", D, V);      // (R, V)
  return b.finish();
}

TensorSource gpt_source(const ModelSpec& spec, const std::string& name, bool transposed) {
  TensorSource source;
  std::string file = name;
  if (name.starts_with("layers.")) file = "h." + name.substr(7);
  if (const size_t at = file.find(".attn."); at != file.npos) {
    const std::string part = file.substr(at + 6, file.rfind('.') - at - 6);  // q_proj
    const std::string kind = file.substr(file.rfind('.'));                   // .weight
    const AttentionSpec& a = spec.layers[0].attention;
    const int64_t q = a.n_heads * a.head_dim, kv = a.n_kv_heads * a.head_dim;
    file = file.substr(0, at) + (part == "o_proj" ? ".attn.c_proj" : ".attn.c_attn") + kind;
    if (part == "q_proj") source.row_begin = 0, source.rows = q;
    if (part == "k_proj") source.row_begin = q, source.rows = kv;
    if (part == "v_proj") source.row_begin = q + kv, source.rows = kv;
  }
  const bool linear = file.find(".attn.") != file.npos || file.find(".mlp.") != file.npos;
  source.transposed = transposed && linear && name.ends_with(".weight");
  source.names = {"transformer." + file, file};
  return source;
}

bool gpt_ignored(const std::string& name) {
  return name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias") || name == "lm_head.weight";
}

std::vector<LayerSpec> gpt_layers(int64_t n_layers, int64_t d_model, int64_t n_heads, int64_t d_ff,
                                  Activation activation, bool bias) {
  const int64_t head_dim = d_model / n_heads;
  LayerSpec layer;
  layer.attention = {.d_model = d_model,
                     .n_heads = n_heads,
                     .n_kv_heads = n_heads,
                     .head_dim = head_dim,
                     .scale = 1 / std::sqrt(static_cast<float>(head_dim)),
                     .bias = bias,
                     .out_bias = bias};
  layer.ffn = {.activation = activation, .d_ff = d_ff, .bias = bias};
  return std::vector<LayerSpec>(static_cast<size_t>(n_layers), layer);
}

std::vector<ModelSpec> gpt_corners(const std::string& architecture, Activation activation, bool biases_may_be_off) {
  struct Corner {
    int64_t L, D, H, F, V, N;
    bool tied, bias;
  };
  const std::vector<Corner> corners = {{2, 64, 4, 256, 256, 64, true, true},
                                       {1, 20, 1, 33, 61, 40, false, true},  // one head, odd sizes, untied
                                       {3, 40, 5, 160, 97, 48, true, false}};
  std::vector<ModelSpec> specs;
  for (const Corner& c : corners) {
    const bool bias = c.bias || !biases_may_be_off;
    ModelSpec spec;
    spec.name = fmt::format("{}-{}x{}x{}", architecture, c.L, c.D, c.H);
    spec.architecture = architecture;
    spec.vocab_size = c.V, spec.d_model = c.D, spec.n_ctx = c.N;
    spec.norm_bias = bias, spec.tied = c.tied;
    spec.layers = gpt_layers(c.L, c.D, c.H, c.F, activation, bias);
    spec.masks = {MaskRule{}};
    specs.push_back(std::move(spec));
  }
  return specs;
}

}  // namespace cutaway
