// BART (Lewis et al. 2020, arXiv 1910.13461): post-norm encoder-decoder, learned positions from row 2 on. Marian is the
// same body with sinusoids and without the embedding's norm: the original Transformer (Vaswani et al. 2017, arXiv
// 1706.03762) as translation models keep it.
#include <algorithm>
#include <cmath>

#include "engine/architectures/seq2seq.h"

namespace cutaway {
namespace {

struct Sizes {
  int64_t layers, heads, d_ff;
};

LayerSpec layer_of(int64_t D, const Sizes& s, Activation activation, bool decoder) {
  const int64_t Dh = D / s.heads;
  const float scale = 1 / std::sqrt(static_cast<float>(Dh));
  LayerSpec layer;
  layer.attention = seq2seq_attention(D, s.heads, Dh, scale, true, decoder ? decoder_slot : encoder_slot);
  if (decoder) layer.cross = seq2seq_attention(D, s.heads, Dh, scale, true, cross_slot);
  layer.ffn = {.activation = activation, .d_ff = s.d_ff};
  layer.norms.input = false;
  return layer;
}

void fill(ModelSpec& spec, const Sizes& encoder, const Sizes& decoder, Activation activation, bool scaled) {
  spec.encoder_layers.assign(static_cast<size_t>(encoder.layers), layer_of(spec.d_model, encoder, activation, false));
  spec.layers.assign(static_cast<size_t>(decoder.layers), layer_of(spec.d_model, decoder, activation, true));
  spec.masks = seq2seq_masks();
  spec.embed_scale = scaled ? std::sqrt(static_cast<float>(spec.d_model)) : 1;
}

Sizes read_sizes(Keys& keys, const Config& c, const std::string& stack, int64_t D) {
  const Sizes s{keys.integer(stack + "_layers", 12, 1, 1024), keys.integer(stack + "_attention_heads", 16, 1, 1024),
                keys.integer(stack + "_ffn_dim", 4096, 1, 1 << 20)};
  if (!keys.failed() && D % s.heads != 0)
    keys.refuse(error("{}: d_model is {}; it must be a multiple of {}_attention_heads, which is {}", c.file(), D, stack,
                      s.heads));
  return s;
}

Result<ModelSpec> read_config(const Config& c) {
  Keys keys(c);
  const bool marian = keys.text("model_type", "bart") == "marian";
  const int64_t D = keys.integer("d_model", 1024, 1, 1 << 16),
                V = keys.integer("vocab_size", marian ? 58101 : 50265, 1, 1 << 24);
  ModelSpec spec;
  spec.architecture = marian ? "marian" : "bart";
  spec.vocab_size = V, spec.d_model = D;
  spec.n_ctx = keys.integer("max_position_embeddings", 1024, 1, 1 << 24);
  spec.eos_id = read_eos(keys, c);
  spec.decoder_start_id = keys.integer("decoder_start_token_id", marian ? V - 1 : 2, 0, V - 1);
  spec.sinusoids = marian;
  spec.first_position = marian ? 0 : 2;
  spec.logit_bias = true;
  spec.tied = keys.boolean("tie_word_embeddings", true);
  const Sizes encoder = read_sizes(keys, c, "encoder", D), decoder = read_sizes(keys, c, "decoder", D);
  const auto activation = activation_named(c, "activation_function", "gelu");
  const Activation f = keys.kept(activation, Activation::GeluErf);
  const bool scaled = keys.boolean("scale_embedding", false);
  if (marian && keys.boolean("normalize_before", false))
    keys.refuse(error("{}: normalize_before is true; norms after the sum are read, expected false", c.file()));
  if (marian && keys.integer("decoder_vocab_size", V, 1, 1 << 24) != V)
    keys.refuse(error("{}: decoder_vocab_size is not vocab_size, {}; both texts must share it", c.file(), V));
  if (keys.failed()) return *keys.failed();
  fill(spec, encoder, decoder, f, scaled);
  spec.said = {{"d_model", D}, {"vocab_size", V}, {"max_position_embeddings", spec.n_ctx}};
  if (encoder.d_ff != D) spec.said.emplace_back("encoder_ffn_dim", encoder.d_ff);
  if (decoder.d_ff != D && decoder.d_ff != encoder.d_ff) spec.said.emplace_back("decoder_ffn_dim", decoder.d_ff);
  return spec;
}

void adapt(ModelSpec& spec, const std::function<bool(const std::string&)>& has) {
  spec.logit_bias = has("final_logits_bias");
}

TensorSource source(const ModelSpec&, const std::string& name) {
  if (name == "shared.weight")
    return {.names = {"model.shared.weight", "model.encoder.embed_tokens.weight", "lm_head.weight"}};
  if (name == "lm_head.weight") return {.names = {name}};
  if (name == "logit_bias") return {.names = {"final_logits_bias"}};
  static constexpr std::pair<std::string_view, std::string_view> parts[] = {
      {".embed_norm.", ".layernorm_embedding."},
      {".attn_norm.", ".self_attn_layer_norm."},
      {".cross_norm.", ".encoder_attn_layer_norm."},
      {".mlp_norm.", ".final_layer_norm."},
      {".mlp.up_proj.", ".fc1."},
      {".mlp.down_proj.", ".fc2."},
      {".attn.o_proj.", ".self_attn.out_proj."},
      {".cross.o_proj.", ".encoder_attn.out_proj."},
      {".attn.", ".self_attn."},
      {".cross.", ".encoder_attn."}};
  std::string file = "model." + name;
  for (const auto& [ours, theirs] : parts) {
    const size_t at = file.find(ours);
    if (at == file.npos) continue;
    file.replace(at, ours.size(), theirs);
    break;
  }
  return {.names = {file}};
}

/// Copies of the tied table, and sinusoids that are computed here.
bool ignored(const std::string& name) {
  return name.ends_with("embed_tokens.weight") || name == "lm_head.weight" || name.ends_with("embed_positions.weight");
}

ModelSpec corner(const std::string& architecture, int64_t D, const Sizes& encoder, const Sizes& decoder, bool scaled) {
  ModelSpec spec;
  spec.architecture = architecture;
  spec.name = fmt::format("{}-{}+{}x{}x{}", architecture, encoder.layers, decoder.layers, D, encoder.heads);
  spec.vocab_size = 97, spec.d_model = D, spec.n_ctx = 48;
  spec.decoder_start_id = 2;
  spec.sinusoids = architecture == "marian", spec.first_position = spec.sinusoids ? 0 : 2;
  spec.logit_bias = scaled;
  fill(spec, encoder, decoder, scaled ? Activation::Silu : Activation::GeluErf, scaled);
  return spec;
}

std::vector<ModelSpec> corners_of(const std::string& architecture) {
  return {corner(architecture, 32, {2, 4, 64}, {2, 4, 64}, false),
          corner(architecture, 24, {1, 3, 33}, {2, 2, 40}, true)};
}

}  // namespace

extern const Architecture bart_architecture, marian_architecture;
const Architecture bart_architecture{"bart",        {"bart"}, read_config, adapt,
                                     build_seq2seq, source,   ignored,     [] { return corners_of("bart"); }};
const Architecture marian_architecture{"marian",      {"marian"}, read_config, adapt,
                                       build_seq2seq, source,     ignored,     [] { return corners_of("marian"); }};

}  // namespace cutaway
