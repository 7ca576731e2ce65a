// GPT-2 (Radford et al. 2019): pre-norm decoder, learned positions, tied embedding, tanh GELU.
// Hub files store linears as [in, out] and fuse q|k|v; the source undoes both.
#include "engine/architectures/gpt.h"

namespace cutaway {
namespace {

Result<ModelSpec> read_config(const Config& c) {
  const auto D = c.integer("n_embd", 768, 1, 1 << 16), L = c.integer("n_layer", 12, 1, 1024),
             H = c.integer("n_head", 12, 1, 1024), N = c.integer("n_positions", 1024, 1, 1 << 24),
             V = c.integer("vocab_size", 50257, 1, 1 << 24), eos = c.integer("eos_token_id", -1, -1, 1 << 24);
  for (const auto* number : {&D, &L, &H, &N, &V, &eos})
    if (!*number) return number->error();
  const auto F = c.integer("n_inner", 4 * *D, 1, 1 << 20);
  if (!F) return F.error();
  if (*D % *H != 0) return error("{}: n_embd is {}; it must be a multiple of n_head, which is {}", c.file(), *D, *H);
  const auto activation = activation_named(c, "activation_function", "gelu_new");
  if (!activation) return activation.error();
  const auto eps = c.number("layer_norm_epsilon", 1e-5);
  if (!eps) return eps.error();
  if (!(*eps >= 0)) return error("{}: layer_norm_epsilon is {}; expected at least 0", c.file(), *eps);
  const auto tied = c.boolean("tie_word_embeddings", true), scaled = c.boolean("scale_attn_weights", true),
             by_layer = c.boolean("scale_attn_by_inverse_layer_idx", false),
             cross = c.boolean("add_cross_attention", false);
  for (const auto* flag : {&tied, &scaled, &by_layer, &cross})
    if (!*flag) return flag->error();
  if (*cross)
    return error("{}: add_cross_attention is true; GPT-2 is read as a decoder alone, expected false", c.file());

  ModelSpec spec;
  spec.architecture = "gpt2";
  spec.vocab_size = *V, spec.d_model = *D, spec.n_ctx = *N, spec.eos_id = *eos;
  spec.norm_eps = static_cast<float>(*eps);
  spec.tied = *tied;
  spec.layers = gpt_layers(*L, *D, *H, *F, *activation, true);
  for (int64_t i = 0; i < *L; ++i) {
    float& scale = spec.layers[static_cast<size_t>(i)].attention.scale;
    if (!*scaled) scale = 1;
    if (*by_layer) scale /= static_cast<float>(i + 1);
  }
  spec.masks = {MaskRule{}};
  spec.said = {{"n_embd", *D}, {"vocab_size", *V}, {"n_positions", *N}};
  if (*F != *D) spec.said.emplace_back(c.has("n_inner") ? "n_inner" : "4 * n_embd", *F);
  return spec;
}

TensorSource source(const ModelSpec& spec, const std::string& name) { return gpt_source(spec, name, true); }

std::vector<ModelSpec> corners() { return gpt_corners("gpt2", Activation::GeluTanh, false); }

}  // namespace

extern const Architecture gpt2_architecture;
const Architecture gpt2_architecture{"gpt2", {"gpt2"}, read_config, nullptr, build_gpt, source, gpt_ignored, corners};

}  // namespace cutaway
