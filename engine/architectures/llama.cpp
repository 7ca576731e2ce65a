// Llama 1 to 3 (Touvron et al. 2023, arXiv 2302.13971) and the families that vary it: Mistral, Qwen 2 and 3, Gemma 2,
// OLMo 2. What differs is in the config; spec dense.md 4.
#include "engine/architectures/llama.h"

#include <algorithm>
#include <cmath>

#include "engine/architectures/rope_config.h"

namespace cutaway {
namespace {

NodeId feed_forward(Builder& b, NodeId x, int64_t D, const FfnSpec& f) {
  if (!f.gated) {
    const NodeId h = b.activation(b.linear(x, "mlp.up_proj", D, f.d_ff, f.bias), f.activation);  // (T, F)
    return b.linear(h, "mlp.down_proj", f.d_ff, D, f.bias);
  }
  const NodeId gate = b.activation(b.linear(x, "mlp.gate_proj", D, f.d_ff, f.bias), f.activation);  // (T, F)
  return b.linear(b.mul(gate, b.linear(x, "mlp.up_proj", D, f.d_ff, f.bias)), "mlp.down_proj", f.d_ff, D, f.bias);
}

NodeId build_layer(Builder& b, NodeId x, NodeId bias, int64_t D, const LayerSpec& layer) {
  const NormPlaces& norms = layer.norms;
  const NodeId h = norms.input ? b.norm(x, "attn_norm") : x;  // (T, D)
  NodeId a = build_attention(b, {.x = h, .from = h, .bias = bias}, layer.attention);
  if (norms.output) a = b.norm(a, "attn_out_norm");
  if (layer.parallel) {
    const NodeId g = layer.second_norm ? b.norm(x, "mlp_norm") : h;
    return b.add(x, b.add(feed_forward(b, g, D, layer.ffn), a));
  }
  x = b.add(x, a);
  NodeId f = feed_forward(b, norms.input ? b.norm(x, "mlp_norm") : x, D, layer.ffn);
  if (norms.output) f = b.norm(f, "mlp_out_norm");
  return b.add(x, f);
}

// What a family does that no key of its config says.
struct Family {
  std::string_view model_type;
  int64_t d_model, d_ff, n_layers, n_heads, n_ctx, vocab;
  double eps;
};
constexpr Family families[] = {
    {"llama", 4096, 11008, 32, 32, 2048, 32000, 1e-6},   {"mistral", 4096, 14336, 32, 32, 131072, 32000, 1e-6},
    {"qwen2", 4096, 22016, 32, 32, 32768, 151936, 1e-6}, {"qwen3", 4096, 22016, 32, 32, 32768, 151936, 1e-6},
    {"gemma2", 2304, 9216, 26, 8, 8192, 256000, 1e-6},   {"olmo2", 4096, 11008, 32, 32, 2048, 50304, 1e-5}};

int64_t default_kv_heads(std::string_view type, int64_t n_heads) {
  if (type == "mistral") return 8;
  if (type == "gemma2") return 4;
  return type == "qwen2" || type == "qwen3" ? 32 : n_heads;
}

/// The widths of the windows by layer; 0 is none.
std::vector<int64_t> windows(Keys& keys, const Config& c, std::string_view type, int64_t n_layers) {
  std::vector<int64_t> by_layer(static_cast<size_t>(n_layers), 0);
  const bool always = type == "mistral" || type == "gemma2", may = always || type.starts_with("qwen");
  if (!may || (!always && !keys.boolean("use_sliding_window", false))) return by_layer;
  if (c.says_null("sliding_window")) return by_layer;
  const int64_t width = keys.integer("sliding_window", 4096, 1, 1 << 24);
  const std::vector<std::string> types = keys.kept(c.texts("layer_types"), {});
  const int64_t full_first = keys.integer("max_window_layers", type.starts_with("qwen") ? 28 : 0, 0, 1 << 20);
  if (!types.empty() && types.size() != by_layer.size())
    keys.refuse(error("{}: layer_types has {} entries; num_hidden_layers is {}", c.file(), types.size(), n_layers));
  for (size_t i = 0; i < by_layer.size(); ++i) {
    bool window = type == "gemma2" ? i % 2 == 0 : static_cast<int64_t>(i) >= full_first;
    if (i < types.size()) window = types[i] == "sliding_attention";
    by_layer[i] = window ? width : 0;
  }
  return by_layer;
}

/// Null turns a cap off.
float cap(Keys& keys, const Config& c, std::string_view key, double absent) {
  return c.says_null(key) ? 0 : static_cast<float>(keys.positive(key, absent));
}

AttentionSpec attention_of(Keys& keys, const Config& c, std::string_view type, int64_t D, int64_t H) {
  AttentionSpec a;
  a.d_model = D, a.n_heads = H;
  a.n_kv_heads = keys.integer("num_key_value_heads", default_kv_heads(type, H), 1, 1024);
  const int64_t divided = std::max<int64_t>(1, D / H);
  a.head_dim = keys.integer("head_dim", type == "gemma2" ? 256 : type == "qwen3" ? 128 : divided, 1, 1 << 14);
  a.kind = grouped_kind(H, a.n_kv_heads);
  a.scale = 1 / std::sqrt(static_cast<float>(a.head_dim));
  a.bias = a.out_bias = type != "qwen2" && keys.boolean("attention_bias", false);
  if (type == "qwen2") a.bias = true;  // no key says so
  if (type == "gemma2") {
    const double scalar = keys.positive("query_pre_attn_scalar", 256);
    a.scale = static_cast<float>(1 / std::sqrt(scalar));
    a.softcap = cap(keys, c, "attn_logit_softcapping", 50);
  }
  a.qk_norm = type == "qwen3" ? QkNorm::PerHead : type == "olmo2" ? QkNorm::Whole : QkNorm::None;
  a.rope = 0;
  return a;
}

void set_masks(ModelSpec& spec, const std::vector<int64_t>& widths) {
  spec.masks = {MaskRule{}};
  for (size_t i = 0; i < widths.size(); ++i) {
    if (widths[i] == 0) continue;
    if (spec.masks.size() == 1) spec.masks.push_back({MaskRule::Kind::Window, widths[i], nullptr});
    spec.layers[i].attention.mask_slot = 1;
  }
  const bool all = std::ranges::none_of(widths, [](int64_t width) { return width == 0; });
  if (spec.masks.size() == 1 || !all) return;
  spec.masks.erase(spec.masks.begin());  // nothing is left that sees everything
  for (LayerSpec& layer : spec.layers) layer.attention.mask_slot = 0;
}

Result<ModelSpec> read_config(const Config& c) {
  Keys keys(c);
  const std::string type = keys.text("model_type", "llama");
  const auto found = std::ranges::find(families, type, &Family::model_type);
  if (found == std::end(families)) return error("{}: model_type is \"{}\"; it is none of Llama's", c.file(), type);
  const Family& family = *found;
  const int64_t D = keys.integer("hidden_size", family.d_model, 1, 1 << 16),
                L = keys.integer("num_hidden_layers", family.n_layers, 1, 1024),
                H = keys.integer("num_attention_heads", family.n_heads, 1, 1024),
                F = keys.integer("intermediate_size", family.d_ff, 1, 1 << 20),
                N = keys.integer("max_position_embeddings", family.n_ctx, 1, 1 << 24),
                V = keys.integer("vocab_size", family.vocab, 1, 1 << 24);
  const bool gemma = type == "gemma2";
  ModelSpec spec;
  spec.architecture = "llama";
  spec.vocab_size = V, spec.d_model = D, spec.n_ctx = N;
  spec.eos_id = read_eos(keys, c);
  spec.norm = Norm::Rms;
  spec.norm_eps = static_cast<float>(keys.positive("rms_norm_eps", family.eps));
  spec.norm_offset = gemma ? 1.f : 0.f;
  if (gemma) spec.norm_offset = static_cast<float>(keys.number("norm_offset", 1));
  spec.embed_scale = gemma ? std::sqrt(static_cast<float>(D)) : 1;
  spec.logit_softcap = gemma ? cap(keys, c, "final_logit_softcapping", 30) : 0;
  spec.tied = keys.boolean("tie_word_embeddings", gemma);
  LayerSpec layer;
  layer.attention = attention_of(keys, c, type, D, H);
  layer.norms = {.input = type != "olmo2", .output = type == "olmo2" || type == "gemma2"};
  const auto activation = activation_named(c, gemma && c.has("hidden_activation") ? "hidden_activation" : "hidden_act",
                                           gemma ? "gelu_pytorch_tanh" : "silu");
  layer.ffn = {.activation = keys.kept(activation, Activation::Silu),
               .d_ff = F,
               .bias = keys.boolean("mlp_bias", false),
               .gated = true};
  if (gemma && !c.has("hidden_activation")) layer.ffn.activation = Activation::GeluTanh;  // whatever hidden_act says
  spec.layers.assign(static_cast<size_t>(L), layer);
  spec.ropes = {read_rope(keys, c, layer.attention.head_dim, N, 10000)};
  const std::vector<int64_t> widths = windows(keys, c, type, L);
  if (keys.failed()) return *keys.failed();
  if (!c.has("head_dim") && D % H != 0 && !gemma && type != "qwen3")
    return error("{}: hidden_size is {}; it must be a multiple of num_attention_heads, which is {}", c.file(), D, H);
  set_masks(spec, widths);
  spec.said = {{"hidden_size", D}, {"vocab_size", V}, {"intermediate_size", F}};
  const AttentionSpec& a = layer.attention;
  if (H * a.head_dim != D) spec.said.emplace_back("num_attention_heads * head_dim", H * a.head_dim);
  if (a.n_kv_heads != H) spec.said.emplace_back("num_key_value_heads * head_dim", a.n_kv_heads * a.head_dim);
  return spec;
}

std::vector<ModelSpec> corners() {
  struct Corner {
    const char* name;
    int64_t L, D, H, Hkv, Dh, F, V;
    bool tied;
    void (*change)(ModelSpec&);
  };
  const Corner all[] = {
      {"llama-mha", 2, 64, 4, 4, 16, 128, 256, false, [](ModelSpec&) {}},
      {"llama-gqa", 2, 40, 4, 2, 10, 77, 97, true,
       [](ModelSpec& s) {
         s.ropes[0].scaling = RopeScaling::Llama3;
         s.ropes[0].factor = 8, s.ropes[0].original_n_ctx = 16;
       }},
      {"llama-mqa", 1, 20, 3, 1, 8, 33, 61, false,  // H * Dh != D
       [](ModelSpec& s) {
         s.ropes[0].interleaved = true;
         for (LayerSpec& layer : s.layers) layer.attention.bias = true;
       }},
      {"mistral", 3, 32, 4, 2, 8, 64, 97, false,
       [](ModelSpec& s) {
         s.masks = {MaskRule{MaskRule::Kind::Window, 5, nullptr}};
       }},
      {"qwen3", 2, 32, 4, 2, 16, 64, 97, true,
       [](ModelSpec& s) {
         for (LayerSpec& layer : s.layers) layer.attention.qk_norm = QkNorm::PerHead;
       }},
      {"olmo2", 2, 32, 4, 4, 8, 64, 97, false,
       [](ModelSpec& s) {
         for (LayerSpec& layer : s.layers) {
           layer.attention.qk_norm = QkNorm::Whole;
           layer.norms = {.input = false, .output = true};
         }
       }},
      {"gemma2", 2, 32, 4, 2, 12, 64, 97, true,
       [](ModelSpec& s) {
         s.norm_offset = 1, s.embed_scale = std::sqrt(32.f), s.logit_softcap = 30;
         s.masks.push_back({MaskRule::Kind::Window, 6, nullptr});
         for (LayerSpec& layer : s.layers) {
           layer.attention.softcap = 50;
           layer.ffn.activation = Activation::GeluTanh;
           layer.norms.output = true;
         }
         s.layers[0].attention.mask_slot = 1;
       }},
  };
  std::vector<ModelSpec> specs;
  for (const Corner& c : all) {
    ModelSpec spec;
    spec.name = fmt::format("{}-{}x{}x{}", c.name, c.L, c.D, c.H);
    spec.architecture = "llama";
    spec.vocab_size = c.V, spec.d_model = c.D, spec.n_ctx = 64;
    spec.norm = Norm::Rms, spec.tied = c.tied;
    LayerSpec layer;
    layer.attention = {.kind = grouped_kind(c.H, c.Hkv),
                       .d_model = c.D,
                       .n_heads = c.H,
                       .n_kv_heads = c.Hkv,
                       .head_dim = c.Dh,
                       .scale = 1 / std::sqrt(static_cast<float>(c.Dh)),
                       .bias = false,
                       .out_bias = false,
                       .rope = 0};
    layer.ffn = {.activation = Activation::Silu, .d_ff = c.F, .bias = false, .gated = true};
    spec.layers.assign(static_cast<size_t>(c.L), layer);
    spec.masks = {MaskRule{}};
    spec.ropes = {{.width = c.Dh}};
    c.change(spec);
    specs.push_back(std::move(spec));
  }
  return specs;
}

}  // namespace

std::string grouped_kind(int64_t n_heads, int64_t n_kv_heads) {
  return n_kv_heads == n_heads ? "mha" : n_kv_heads == 1 ? "mqa" : "gqa";
}

Graph build_llama(const ModelSpec& spec) {
  Builder b(spec);
  const int64_t D = spec.d_model, V = spec.vocab_size;
  NodeId x = b.scale(b.embedding(b.tokens(), "embed_tokens", V, D), spec.embed_scale);  // (T, D)
  b.mark(x, Role::Hidden, "hidden.embed");
  const NodeId bias = spec.alibi ? b.alibi_bias(spec.layers[0].attention.n_heads) : no_node;
  for (int i = 0; i < spec.n_layers(); ++i) {
    const auto layer = b.layer(i);
    x = build_layer(b, x, bias, D, spec.layers[static_cast<size_t>(i)]);
    b.mark(x, Role::Hidden, fmt::format("hidden.{}", i));  // residual after layer i
  }
  const NodeId last = b.norm(b.take_rows(x), "norm");             // (R, D)
  b.unembed(last, spec.tied ? "embed_tokens" : "lm_head", D, V);  // (R, V)
  return b.finish();
}

TensorSource llama_source(const ModelSpec& spec, const std::string& name) {
  const LayerSpec& layer = spec.layers[0];
  const std::pair<std::string_view, std::string_view> parts[] = {
      {"attn_norm", "input_layernorm"},
      {"attn_out_norm", "post_attention_layernorm"},
      {"mlp_norm", layer.norms.output ? "pre_feedforward_layernorm" : "post_attention_layernorm"},
      {"mlp_out_norm", "post_feedforward_layernorm"}};
  TensorSource source;
  if (name.starts_with("lm_head")) {
    source.names = {name};
    return source;
  }
  std::string file = name;
  if (const size_t at = file.find(".attn."); at != file.npos) file.replace(at, 6, ".self_attn.");
  const size_t end = file.rfind('.'), begin = file.rfind('.', end - 1) + 1;
  for (const auto& [ours, theirs] : parts)
    if (file.substr(begin, end - begin) == ours) file.replace(begin, end - begin, theirs);
  source.names = {"model." + file, file};
  return source;
}

bool llama_ignored(const std::string& name) {
  return name.ends_with(".rotary_emb.inv_freq") || name == "lm_head.weight" || name == "rope_freqs.weight";
}

extern const Architecture llama_architecture;
const Architecture llama_architecture{"llama",       {"llama", "mistral", "qwen2", "qwen3", "gemma2", "olmo2"},
                                      read_config,   nullptr,
                                      build_llama,   llama_source,
                                      llama_ignored, corners};

}  // namespace cutaway
