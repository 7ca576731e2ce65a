// nanoGPT (Karpathy, model.py): GPT-2's body with [out, in] linears, exact erf GELU, and biases that can be off, those
// of the norms too. Its vocabulary is padded to a multiple of 64; padded rows are never sampled.
#include "engine/architectures/gpt.h"

namespace cutaway {
namespace {

Result<ModelSpec> read_config(const Config& c) {
  const auto D = c.integer("n_embd", {}, 1, 1 << 16), L = c.integer("n_layer", {}, 1, 1024),
             H = c.integer("n_head", {}, 1, 1024), N = c.integer("block_size", {}, 1, 1 << 24),
             V = c.integer("vocab_size", {}, 1, 1 << 24), eos = c.integer("eos_token_id", -1, -1, 1 << 24);
  for (const auto* number : {&D, &L, &H, &N, &V, &eos})
    if (!*number) return number->error();
  if (*D % *H != 0) return error("{}: n_embd is {}; it must be a multiple of n_head, which is {}", c.file(), *D, *H);
  const auto bias = c.boolean("bias", true), tied = c.boolean("tie_word_embeddings", true);
  for (const auto* flag : {&bias, &tied})
    if (!*flag) return flag->error();
  const auto activation = activation_named(c, "activation_function", "gelu");
  if (!activation) return activation.error();

  ModelSpec spec;
  spec.architecture = "nanogpt";
  spec.vocab_size = *V, spec.d_model = *D, spec.n_ctx = *N, spec.eos_id = *eos;
  spec.norm_bias = *bias, spec.tied = *tied;
  spec.layers = gpt_layers(*L, *D, *H, 4 * *D, *activation, *bias);
  spec.masks = {MaskRule{}};
  spec.said = {{"n_embd", *D}, {"vocab_size", *V}, {"block_size", *N}, {"4 * n_embd", 4 * *D}};
  return spec;
}

TensorSource source(const ModelSpec& spec, const std::string& name) { return gpt_source(spec, name, false); }

std::vector<ModelSpec> corners() { return gpt_corners("nanogpt", Activation::GeluErf, true); }

}  // namespace

extern const Architecture nanogpt_architecture;
const Architecture nanogpt_architecture{"nanogpt", {"nanogpt"}, read_config, nullptr,
                                        build_gpt, source,      gpt_ignored, corners};

}  // namespace cutaway
