// ModernBERT (Warner et al. 2024, arXiv 2412.13663): a pre-norm encoder with rotary positions and a gated feed-forward;
// most layers see only their neighbourhood, every n-th sees everything.
#include <cmath>

#include "engine/architecture.h"
#include "engine/architectures/rope_config.h"

namespace cutaway {
namespace {

constexpr int global_slot = 0, local_slot = 1;

struct Biases {
  bool attention = false, mlp = false;
};

LayerSpec layer_of(int64_t D, int64_t H, int64_t F, Activation activation, Biases bias, bool global) {
  LayerSpec layer;
  layer.attention = {.d_model = D,
                     .n_heads = H,
                     .n_kv_heads = H,
                     .head_dim = D / H,
                     .scale = 1 / std::sqrt(static_cast<float>(D / H)),
                     .bias = bias.attention,
                     .out_bias = bias.attention,
                     .mask_slot = global ? global_slot : local_slot,
                     .cached = false,
                     .rope = global ? 0 : 1};
  layer.ffn = {.activation = activation, .d_ff = F, .bias = bias.mlp, .gated = true};
  return layer;
}

void fill(ModelSpec& spec, int64_t L, int64_t every, int64_t H, int64_t F, Activation activation, Biases bias,
          int64_t half_width) {
  spec.architecture = "modernbert";
  spec.objective = Objective::MaskedLm;
  for (int64_t i = 0; i < L; ++i) spec.layers.push_back(layer_of(spec.d_model, H, F, activation, bias, i % every == 0));
  spec.masks = {MaskRule{MaskRule::Kind::Bidirectional, 0, nullptr},
                MaskRule{MaskRule::Kind::Local, half_width, nullptr}};
}

Result<ModelSpec> read_config(const Config& c) {
  Keys keys(c);
  const int64_t D = keys.integer("hidden_size", 768, 1, 1 << 16), L = keys.integer("num_hidden_layers", 22, 1, 1024),
                H = keys.integer("num_attention_heads", 12, 1, 1024),
                F = keys.integer("intermediate_size", 1152, 1, 1 << 20),
                V = keys.integer("vocab_size", 50368, 1, 1 << 24),
                every = keys.integer("global_attn_every_n_layers", 3, 1, 1024),
                width = keys.integer("local_attention", 128, 0, 1 << 24);
  ModelSpec spec;
  spec.vocab_size = V, spec.d_model = D;
  spec.n_ctx = keys.integer("max_position_embeddings", 8192, 1, 1 << 24);
  spec.eos_id = read_eos(keys, c);
  spec.norm_eps = static_cast<float>(keys.positive("norm_eps", 1e-5));
  spec.norm_bias = keys.boolean("norm_bias", false);
  spec.head_dense_bias = keys.boolean("classifier_bias", false);
  spec.logit_bias = keys.boolean("decoder_bias", true);
  const auto activation = activation_named(c, "hidden_activation", "gelu");
  const Biases bias{keys.boolean("attention_bias", false), keys.boolean("mlp_bias", false)};
  const Activation f = keys.kept(activation, Activation::GeluErf);
  RopeSpec global;
  global.theta = static_cast<float>(keys.number("global_rope_theta", 160000));
  global.width = D / std::max<int64_t>(1, H);
  RopeSpec local = global;
  local.theta =
      static_cast<float>(keys.number("local_rope_theta", c.says_null("local_rope_theta") ? global.theta : 10000));
  for (const RopeSpec& rope : {global, local})
    if (!(rope.theta > 1)) keys.refuse(error("{}: a rope theta is {}; expected above 1", c.file(), rope.theta));
  if (keys.failed()) return *keys.failed();
  if (D % H != 0 || D / H % 2 != 0)
    return error("{}: hidden_size is {}; it must be an even multiple of num_attention_heads, which is {}", c.file(), D,
                 H);
  spec.ropes = {global, local};
  fill(spec, L, every, H, F, f, bias, width / 2);
  spec.said = {{"hidden_size", D}, {"vocab_size", V}, {"intermediate_size", F}};
  return spec;
}

void adapt(ModelSpec& spec, const std::function<bool(const std::string&)>& has) {
  spec.has_head = has("head.dense.weight");
  if (!spec.has_head) spec.objective = Objective::Embedding;
}

Graph build(const ModelSpec& spec) {
  Builder b(spec);
  const int64_t D = spec.d_model, V = spec.vocab_size;
  NodeId x = b.layer_norm(b.embedding(b.tokens(), "tok_embeddings", V, D), "embed_norm");  // (T, D)
  b.mark(x, Role::Hidden, "hidden.embed");
  for (int i = 0; i < spec.n_layers(); ++i) {
    const LayerSpec& row = spec.layers[static_cast<size_t>(i)];
    const FfnSpec& f = row.ffn;
    const auto layer = b.layer(i);
    NodeId h = i == 0 ? x : b.layer_norm(x, "attn_norm");  // the embedding is normed already
    x = b.add(x, build_attention(b, {.x = h, .from = h}, row.attention));
    h = b.layer_norm(x, "mlp_norm");
    const NodeId gate = b.activation(b.linear(h, "mlp.gate_proj", D, f.d_ff, f.bias), f.activation);  // (T, F)
    h = b.mul(gate, b.linear(h, "mlp.up_proj", D, f.d_ff, f.bias));
    x = b.add(x, b.linear(h, "mlp.down_proj", f.d_ff, D, f.bias));
    b.mark(x, Role::Hidden, fmt::format("hidden.{}", i));
  }
  if (spec.pooling == Pooling::Mean)
    b.mark(b.unit_length(b.mean_rows(b.layer_norm(x, "final_norm"))), Role::Pooled, "pooled");
  if (spec.has_head) {
    const NodeId last = b.layer_norm(b.take_rows(x), "final_norm");
    const NodeId h = b.activation(b.linear(last, "head.dense", D, D, spec.head_dense_bias), Activation::GeluErf);
    b.unembed(b.layer_norm(h, "head.norm"), "tok_embeddings", D, V, spec.logit_bias ? "head.bias" : "");
  }
  return b.finish();
}

/// Wqkv holds q, k and v one after another, Wi what is activated and then what it is multiplied with.
TensorSource source(const ModelSpec& spec, const std::string& name) {
  const int64_t D = spec.d_model, F = spec.layers[0].ffn.d_ff;
  struct Part {
    std::string_view ours, theirs;
    int64_t row = 0, rows = -1;
  };
  const Part parts[] = {{"attn.q_proj.", "attn.Wqkv.", 0, D},
                        {"attn.k_proj.", "attn.Wqkv.", D, D},
                        {"attn.v_proj.", "attn.Wqkv.", 2 * D, D},
                        {"attn.o_proj.", "attn.Wo."},
                        {"mlp.gate_proj.", "mlp.Wi.", 0, F},
                        {"mlp.up_proj.", "mlp.Wi.", F, F},
                        {"mlp.down_proj.", "mlp.Wo."},
                        {"tok_embeddings.", "embeddings.tok_embeddings."},
                        {"embed_norm.", "embeddings.norm."}};
  TensorSource found;
  if (name == "head.bias") return {.names = {"decoder.bias"}};
  if (name.starts_with("head.")) return {.names = {name}};
  std::string file = name;
  for (const Part& part : parts) {
    const size_t at = file.find(part.ours);
    if (at == file.npos) continue;
    file.replace(at, part.ours.size(), part.theirs);
    found.row_begin = part.row, found.rows = part.rows;
    break;
  }
  found.names = {"model." + file, file};
  return found;
}

bool ignored(const std::string& name) {
  return name == "decoder.weight" || name.starts_with("head.") || name.starts_with("classifier.") ||
         name == "decoder.bias" || name.ends_with("final_norm.weight") ||
         name.ends_with("final_norm.bias");  // an encoder without a head
}

std::vector<ModelSpec> corners() {
  std::vector<ModelSpec> specs;
  for (const auto& [L, D, H, F, every, half, bias] :
       {std::tuple{4, 32, 4, 48, 3, 4, false}, {2, 40, 2, 33, 2, 1, true}, {3, 24, 1, 40, 1, 8, false}}) {
    ModelSpec spec;
    spec.name = fmt::format("modernbert-{}x{}x{}", L, D, H);
    spec.vocab_size = 97, spec.d_model = D, spec.n_ctx = 64, spec.norm_bias = bias;
    spec.head_dense_bias = bias, spec.logit_bias = true;
    RopeSpec global{.theta = 1600, .width = D / H}, local{.theta = 100, .width = D / H};
    spec.ropes = {global, local};
    fill(spec, L, every, H, F, Activation::GeluErf, {bias, bias}, half);
    specs.push_back(std::move(spec));
  }
  return specs;
}

}  // namespace

extern const Architecture modernbert_architecture;
const Architecture modernbert_architecture{"modernbert", {"modernbert"}, read_config, adapt,
                                           build,        source,         ignored,     corners};

}  // namespace cutaway
