// GPT-BigCode, StarCoder's architecture (Li et al. 2023, arXiv 2305.06161): GPT-2's body with one head of keys and
// values for all (or not), and linears stored as [out, in].
#include <cmath>

#include "engine/architectures/gpt.h"
#include "engine/architectures/llama.h"

namespace cutaway {
namespace {

Result<ModelSpec> read_config(const Config& c) {
  Keys keys(c);
  const int64_t D = keys.integer("n_embd", 768, 1, 1 << 16), L = keys.integer("n_layer", 12, 1, 1024),
                H = keys.integer("n_head", 12, 1, 1024), N = keys.integer("n_positions", 1024, 1, 1 << 24),
                V = keys.integer("vocab_size", 50257, 1, 1 << 24), F = keys.integer("n_inner", 4 * D, 1, 1 << 20);
  const bool one = keys.boolean("multi_query", true), scaled = keys.boolean("scale_attn_weights", true);
  const auto activation = activation_named(c, "activation_function", "gelu_pytorch_tanh");
  ModelSpec spec;
  spec.architecture = "gpt_bigcode";
  spec.vocab_size = V, spec.d_model = D, spec.n_ctx = N, spec.eos_id = read_eos(keys, c);
  spec.norm_eps = static_cast<float>(keys.positive("layer_norm_epsilon", 1e-5));
  spec.tied = keys.boolean("tie_word_embeddings", true);
  const Activation act = keys.kept(activation, Activation::GeluTanh);
  if (keys.failed()) return *keys.failed();
  if (D % H != 0) return error("{}: n_embd is {}; it must be a multiple of n_head, which is {}", c.file(), D, H);
  spec.layers = gpt_layers(L, D, H, F, act, true);
  for (LayerSpec& layer : spec.layers) {
    if (one) layer.attention.n_kv_heads = 1;
    layer.attention.kind = grouped_kind(H, layer.attention.n_kv_heads);
    if (!scaled) layer.attention.scale = 1;
  }
  spec.masks = {MaskRule{}};
  spec.said = {{"n_embd", D}, {"vocab_size", V}, {"n_positions", N}};
  if (F != D) spec.said.emplace_back(c.has("n_inner") ? "n_inner" : "4 * n_embd", F);
  return spec;
}

/// With many heads of keys, c_attn holds q, k and v of each head in turn.
TensorSource source(const ModelSpec& spec, const std::string& name) {
  TensorSource found = gpt_source(spec, name, false);
  const AttentionSpec& a = spec.layers[0].attention;
  if (found.rows < 0 || a.n_kv_heads == 1) return found;
  const int64_t which = found.row_begin / (a.n_heads * a.head_dim);  // 0 q, 1 k, 2 v
  found.row_begin = which * a.head_dim;
  found.block_rows = a.head_dim;
  found.block_period = 3 * a.head_dim;
  return found;
}

std::vector<ModelSpec> corners() {
  std::vector<ModelSpec> specs = gpt_corners("gpt_bigcode", Activation::GeluTanh, false);
  for (size_t i = 0; i < specs.size(); i += 2)
    for (LayerSpec& layer : specs[i].layers)
      layer.attention.n_kv_heads = 1, layer.attention.kind = grouped_kind(layer.attention.n_heads, 1);
  return specs;
}

}  // namespace

extern const Architecture gpt_bigcode_architecture;
const Architecture gpt_bigcode_architecture{"gpt_bigcode", {"gpt_bigcode"}, read_config, nullptr,
                                            build_gpt,     source,          gpt_ignored, corners};

}  // namespace cutaway
