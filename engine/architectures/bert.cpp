// BERT (Devlin et al. 2018) and RoBERTa (Liu et al. 2019): post-norm encoder, every token sees every token. With its
// masked-language head, with its pooler, or as the body of a sentence encoder. Names with and without "bert.",
// gamma/beta as weight/bias.
#include <cmath>

#include "engine/architecture.h"

namespace cutaway {
namespace {

LayerSpec layer_spec(int64_t D, int64_t H, int64_t F, Activation activation) {
  LayerSpec layer;
  layer.attention = {.d_model = D,
                     .n_heads = H,
                     .n_kv_heads = H,
                     .head_dim = D / H,
                     .scale = 1 / std::sqrt(static_cast<float>(D / H)),
                     .cached = false};
  layer.ffn = {.activation = activation, .d_ff = F};
  return layer;
}

bool is_roberta(const Config& c) {
  const auto type = c.text("model_type", "bert");
  return type && *type == "roberta";
}

Result<ModelSpec> read_config(const Config& c) {
  const auto D = c.integer("hidden_size", 768, 1, 1 << 16), L = c.integer("num_hidden_layers", 12, 1, 1024),
             H = c.integer("num_attention_heads", 12, 1, 1024), F = c.integer("intermediate_size", 3072, 1, 1 << 20),
             N = c.integer("max_position_embeddings", 512, 1, 1 << 24), V = c.integer("vocab_size", 30522, 1, 1 << 24),
             types = c.integer("type_vocab_size", 2, 1, 1 << 10);
  for (const auto* number : {&D, &L, &H, &F, &N, &V, &types})
    if (!*number) return number->error();
  if (*D % *H != 0)
    return error("{}: hidden_size is {}; it must be a multiple of num_attention_heads, which is {}", c.file(), *D, *H);
  const auto activation = activation_named(c, "hidden_act", "gelu");
  if (!activation) return activation.error();
  const auto eps = c.number("layer_norm_eps", 1e-12);
  if (!eps) return eps.error();
  if (!(*eps >= 0)) return error("{}: layer_norm_eps is {}; expected at least 0", c.file(), *eps);
  const auto position = c.text("position_embedding_type", "absolute");
  if (!position) return position.error();
  if (*position != "absolute")
    return error("{}: position_embedding_type is \"{}\"; expected absolute", c.file(), *position);
  const auto decoder = c.boolean("is_decoder", false);
  if (!decoder) return decoder.error();
  if (*decoder) return error("{}: is_decoder is true; BERT is read as an encoder, expected false", c.file());

  const bool roberta = is_roberta(c);
  const auto pad = c.integer("pad_token_id", roberta ? 1 : 0, -1, 1 << 24);
  if (!pad) return pad.error();

  ModelSpec spec;
  spec.architecture = roberta ? "roberta" : "bert";
  spec.objective = Objective::MaskedLm;
  spec.first_position = roberta ? *pad + 1 : 0;  // rows up to the padding's are not for tokens
  if (spec.first_position >= *N)
    return error("{}: max_position_embeddings is {}; pad_token_id {} leaves no position", c.file(), *N, *pad);
  spec.vocab_size = *V, spec.d_model = *D, spec.n_ctx = *N - spec.first_position, spec.n_segments = *types;
  spec.norm_eps = static_cast<float>(*eps);
  spec.layers.assign(static_cast<size_t>(*L), layer_spec(*D, *H, *F, *activation));
  spec.masks = {MaskRule{MaskRule::Kind::Bidirectional, 0, nullptr}};
  spec.said = {{"hidden_size", *D}, {"vocab_size", *V}, {"max_position_embeddings", *N}, {"type_vocab_size", *types}};
  if (*F != *D) spec.said.emplace_back("intermediate_size", *F);
  return spec;
}

void adapt(ModelSpec& spec, const std::function<bool(const std::string&)>& has) {
  spec.has_head = has("cls.predictions.transform.dense.weight") || has("lm_head.dense.weight");
  if (has("bert.pooler.dense.weight") || has("roberta.pooler.dense.weight") || has("pooler.dense.weight"))
    spec.pooling = Pooling::Cls;
  if (!spec.has_head) spec.objective = Objective::Embedding;
}

Graph build(const ModelSpec& spec) {
  Builder b(spec);
  const int64_t D = spec.d_model, V = spec.vocab_size;
  NodeId x = b.add(b.add(b.embedding(b.tokens(), "word_embeddings", V, D),
                         b.embedding(b.segments(), "token_type_embeddings", spec.n_segments, D)),
                   b.embedding(b.positions(spec.first_position), "position_embeddings",
                               spec.n_ctx + spec.first_position, D));  // (T, D)
  x = b.mark(b.layer_norm(x, "embed_norm"), Role::Hidden, "hidden.embed");
  for (int i = 0; i < spec.n_layers(); ++i) {
    const AttentionSpec& attention = spec.layers[static_cast<size_t>(i)].attention;
    const FfnSpec& ffn = spec.layers[static_cast<size_t>(i)].ffn;
    const auto layer = b.layer(i);
    x = b.layer_norm(b.add(x, build_attention(b, {.x = x, .from = x}, attention)), "attn_norm");  // (T, D)
    const NodeId h = b.activation(b.linear(x, "mlp.up", D, ffn.d_ff, true), ffn.activation);      // (T, F)
    x = b.layer_norm(b.add(x, b.linear(h, "mlp.down", ffn.d_ff, D, true)), "mlp_norm");           // (T, D)
    b.mark(x, Role::Hidden, fmt::format("hidden.{}", i));
  }
  if (spec.pooling == Pooling::Cls) {
    const NodeId first = b.linear(b.first_row(x), "pooler", D, D, true);
    b.mark(b.activation(first, Activation::Tanh), Role::Pooled, "pooled");  // (1, D)
  } else if (spec.pooling == Pooling::Mean) {
    b.mark(b.unit_length(b.mean_rows(x)), Role::Pooled, "pooled");  // (1, D), length 1
  }
  if (spec.has_head) {
    const NodeId h = b.activation(b.linear(b.take_rows(x), "head.transform", D, D, true), Activation::GeluErf);
    b.unembed(b.layer_norm(h, "head.norm"), "word_embeddings", D, V, "head.bias");  // (R, V)
  }
  return b.finish();
}

/// RoBERTa's head has names of its own, without the body's prefix.
TensorSource roberta_head(const std::string& part, const std::string& kind) {
  const std::string name = part == "head.transform" ? "lm_head.dense"
                           : part == "head.norm"    ? "lm_head.layer_norm"
                                                    : "lm_head";
  TensorSource found{.names = {name + kind}};
  if (part == "head") found.names.push_back("lm_head.decoder.bias");
  return found;
}

TensorSource source(const ModelSpec& spec, const std::string& name) {
  static constexpr std::pair<std::string_view, std::string_view> parts[] = {
      {"word_embeddings", "embeddings.word_embeddings"},
      {"token_type_embeddings", "embeddings.token_type_embeddings"},
      {"position_embeddings", "embeddings.position_embeddings"},
      {"embed_norm", "embeddings.LayerNorm"},
      {"pooler", "pooler.dense"},
      {"head.transform", "cls.predictions.transform.dense"},
      {"head.norm", "cls.predictions.transform.LayerNorm"},
      {"head", "cls.predictions"},
      {"attn.q_proj", "attention.self.query"},
      {"attn.k_proj", "attention.self.key"},
      {"attn.v_proj", "attention.self.value"},
      {"attn.o_proj", "attention.output.dense"},
      {"attn_norm", "attention.output.LayerNorm"},
      {"mlp.up", "intermediate.dense"},
      {"mlp.down", "output.dense"},
      {"mlp_norm", "output.LayerNorm"}};
  const size_t dot = name.rfind('.');
  std::string_view part = std::string_view(name).substr(0, dot);
  const std::string kind = name.substr(dot);  // ".weight" or ".bias"
  std::string prefix;
  if (part.starts_with("layers.")) {
    const size_t end = part.find('.', 7);
    prefix = fmt::format("encoder.layer.{}.", part.substr(7, end - 7));
    part = part.substr(end + 1);
  }
  const bool roberta = spec.architecture == "roberta";
  if (roberta && part.starts_with("head")) return roberta_head(std::string(part), kind);
  const std::string body = roberta ? "roberta." : "bert.";
  TensorSource found;
  for (const auto& [ours, theirs] : parts) {
    if (ours != part) continue;
    const std::string file = fmt::format("{}{}", prefix, theirs);
    found.names = {body + file + kind, file + kind};
    if (file.ends_with("LayerNorm"))  // TensorFlow's old spelling
      for (const std::string& old : {body, std::string()})
        found.names.push_back(old + file + (kind == ".weight" ? ".gamma" : ".beta"));
    if (ours == "head") found.names.push_back("cls.predictions.decoder.bias");
  }
  return found;
}

bool ignored(const std::string& name) {
  return name.ends_with("embeddings.position_ids") || name.starts_with("cls.seq_relationship.") ||
         name.starts_with("cls.predictions.") || name.starts_with("lm_head.") ||
         name.find("pooler.dense.") != name.npos;
}

std::vector<ModelSpec> corners_of(const std::string& architecture) {
  struct Corner {
    int64_t L, D, H, F, V, N, types;
    Pooling pooling;
    bool head;
  };
  const std::vector<Corner> all = {{2, 64, 4, 256, 256, 64, 2, Pooling::None, true},
                                   {1, 20, 1, 33, 61, 40, 1, Pooling::Cls, true},
                                   {3, 40, 5, 77, 97, 48, 2, Pooling::Mean, false}};
  std::vector<ModelSpec> specs;
  for (const Corner& c : all) {
    ModelSpec spec;
    spec.name = fmt::format("{}-{}x{}x{}", architecture, c.L, c.D, c.H);
    spec.architecture = architecture;
    spec.first_position = architecture == "roberta" ? 2 : 0;
    spec.objective = c.head ? Objective::MaskedLm : Objective::Embedding;
    spec.vocab_size = c.V, spec.d_model = c.D, spec.n_ctx = c.N, spec.n_segments = c.types;
    spec.norm_eps = 1e-12f;
    spec.pooling = c.pooling, spec.has_head = c.head;
    spec.layers.assign(static_cast<size_t>(c.L), layer_spec(c.D, c.H, c.F, Activation::GeluErf));
    spec.masks = {MaskRule{MaskRule::Kind::Bidirectional, 0, nullptr}};
    specs.push_back(std::move(spec));
  }
  return specs;
}

}  // namespace

extern const Architecture bert_architecture, roberta_architecture;
const Architecture bert_architecture{"bert", {"bert"}, read_config, adapt,
                                     build,  source,   ignored,     [] { return corners_of("bert"); }};
const Architecture roberta_architecture{"roberta", {"roberta"}, read_config, adapt,
                                        build,     source,      ignored,     [] { return corners_of("roberta"); }};

}  // namespace cutaway
