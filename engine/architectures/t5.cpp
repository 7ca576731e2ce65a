// T5 (Raffel et al. 2020, arXiv 1910.10683): relative position bias by head, no scale under the softmax, RMS norms
// before each branch, no biases. v1.0: ReLU and a tied, scaled head; v1.1 and Flan: a gated feed-forward and a head of
// its own.
#include <cmath>

#include "engine/architectures/seq2seq.h"

namespace cutaway {
namespace {

LayerSpec layer_of(int64_t D, int64_t H, int64_t Dh, const FfnSpec& ffn, bool decoder) {
  LayerSpec layer;
  layer.attention = seq2seq_attention(D, H, Dh, 1, false, decoder ? decoder_slot : encoder_slot);
  if (decoder) layer.cross = seq2seq_attention(D, H, Dh, 1, false, cross_slot);
  layer.ffn = ffn;
  return layer;
}

Result<FfnSpec> read_ffn(const Config& c, const std::string& projection, int64_t F) {
  const bool gated = projection.starts_with("gated-");
  const std::string name = gated ? projection.substr(6) : projection;
  FfnSpec ffn{.d_ff = F, .bias = false, .gated = gated};
  if (name == "relu")
    ffn.activation = Activation::Relu;
  else if (name == "gelu")
    ffn.activation = gated ? Activation::GeluTanh : Activation::GeluErf;  // "gated-gelu" means gelu_new
  else if (name == "silu")
    ffn.activation = Activation::Silu;
  else
    return error("{}: feed_forward_proj is \"{}\"; known are relu, gelu, silu, and these after gated-", c.file(),
                 projection);
  return ffn;
}

void fill(ModelSpec& spec, int64_t encoder_layers, int64_t decoder_layers, int64_t H, int64_t Dh, const FfnSpec& ffn) {
  spec.architecture = "t5";
  spec.norm = Norm::Rms;
  spec.encoder_layers.assign(static_cast<size_t>(encoder_layers), layer_of(spec.d_model, H, Dh, ffn, false));
  spec.layers.assign(static_cast<size_t>(decoder_layers), layer_of(spec.d_model, H, Dh, ffn, true));
  spec.masks = seq2seq_masks();
  spec.head_scale = spec.tied ? 1 / std::sqrt(static_cast<float>(spec.d_model)) : 1;
}

Result<ModelSpec> read_config(const Config& c) {
  Keys keys(c);
  const int64_t D = keys.integer("d_model", 512, 1, 1 << 16), H = keys.integer("num_heads", 8, 1, 1024),
                Dh = keys.integer("d_kv", 64, 1, 1 << 14), F = keys.integer("d_ff", 2048, 1, 1 << 20),
                L = keys.integer("num_layers", 6, 1, 1024), Ld = keys.integer("num_decoder_layers", L, 1, 1024),
                V = keys.integer("vocab_size", 32128, 1, 1 << 24);
  ModelSpec spec;
  spec.vocab_size = V, spec.d_model = D;
  spec.n_ctx = std::max<int64_t>(2048, keys.integer("n_positions", 512, 1, 1 << 24));  // relative positions have no end
  spec.eos_id = read_eos(keys, c);
  spec.decoder_start_id = keys.integer("decoder_start_token_id", 0, 0, V - 1);
  spec.norm_eps = static_cast<float>(keys.positive("layer_norm_epsilon", 1e-6));
  spec.tied = keys.boolean("tie_word_embeddings", true);
  spec.relative_buckets = keys.integer("relative_attention_num_buckets", 32, 4, 1 << 16);
  spec.relative_max_distance = keys.integer("relative_attention_max_distance", 128, 2, 1 << 24);
  const FfnSpec ffn = keys.kept(read_ffn(c, keys.text("feed_forward_proj", "relu"), F), FfnSpec{});
  if (keys.failed()) return *keys.failed();
  if (spec.relative_max_distance <= spec.relative_buckets / 2)
    return error(
        "{}: relative_attention_max_distance is {}; it must be above half of relative_attention_num_buckets, {}",
        c.file(), spec.relative_max_distance, spec.relative_buckets / 2);
  fill(spec, L, Ld, H, Dh, ffn);
  spec.said = {{"d_model", D}, {"vocab_size", V}};
  if (F != D) spec.said.emplace_back("d_ff", F);
  if (H * Dh != D) spec.said.emplace_back("num_heads * d_kv", H * Dh);
  return spec;
}

TensorSource source(const ModelSpec&, const std::string& name) {
  if (name == "shared.weight") return {.names = {name, "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"}};
  if (name == "lm_head.weight") return {.names = {name}};
  const bool decoder = name.starts_with("decoder.");
  const std::string stack = name.substr(0, 8);  // both names have eight letters with the dot
  std::string rest = name.substr(8);
  if (rest == "final_norm.weight") return {.names = {stack + "final_layer_norm.weight"}};
  if (rest == "relative_bias.weight")
    return {.names = {stack + "block.0.layer.0.SelfAttention.relative_attention_bias.weight"}};
  const size_t end = rest.find('.', 7);  // layers.3.
  const std::string block = fmt::format("{}block.{}.layer.", stack, rest.substr(7, end - 7));
  rest = rest.substr(end + 1);
  const int ffn = decoder ? 2 : 1;
  if (rest == "attn_norm.weight") return {.names = {block + "0.layer_norm.weight"}};
  if (rest == "cross_norm.weight") return {.names = {block + "1.layer_norm.weight"}};
  if (rest == "mlp_norm.weight") return {.names = {fmt::format("{}{}.layer_norm.weight", block, ffn)}};
  if (rest.starts_with("attn.")) return {.names = {fmt::format("{}0.SelfAttention.{}.weight", block, rest[5])}};
  if (rest.starts_with("cross.")) return {.names = {fmt::format("{}1.EncDecAttention.{}.weight", block, rest[6])}};
  const std::string dense = fmt::format("{}{}.DenseReluDense.", block, ffn);
  if (rest == "mlp.gate_proj.weight") return {.names = {dense + "wi_0.weight"}};
  if (rest == "mlp.up_proj.weight") return {.names = {dense + "wi.weight", dense + "wi_1.weight"}};
  return {.names = {dense + "wo.weight"}};
}

/// Copies of the tied tables, and a bias of the cross-attention that old files hold and nothing reads.
bool ignored(const std::string& name) {
  return name.ends_with("embed_tokens.weight") || name == "lm_head.weight" ||
         name.ends_with("EncDecAttention.relative_attention_bias.weight");
}

std::vector<ModelSpec> corners() {
  struct Corner {
    int64_t Le, Ld, D, H, Dh, F, buckets, far;
    bool gated, tied;
  };
  const Corner all[] = {{2, 2, 32, 4, 8, 64, 32, 128, false, true},
                        {1, 3, 20, 3, 6, 33, 8, 20, true, false},
                        {3, 1, 24, 1, 10, 40, 16, 40, true, true}};
  std::vector<ModelSpec> specs;
  for (const Corner& c : all) {
    ModelSpec spec;
    spec.name = fmt::format("t5-{}+{}x{}x{}", c.Le, c.Ld, c.D, c.H);
    spec.vocab_size = 97, spec.d_model = c.D, spec.n_ctx = 64;
    spec.decoder_start_id = 0, spec.tied = c.tied;
    spec.relative_buckets = c.buckets, spec.relative_max_distance = c.far;
    fill(spec, c.Le, c.Ld, c.H, c.Dh,
         {.activation = c.gated ? Activation::GeluTanh : Activation::Relu,
          .d_ff = c.F,
          .bias = false,
          .gated = c.gated});
    specs.push_back(std::move(spec));
  }
  return specs;
}

}  // namespace

extern const Architecture t5_architecture;
const Architecture t5_architecture{"t5", {"t5"}, read_config, nullptr, build_seq2seq, source, ignored, corners};

}  // namespace cutaway
