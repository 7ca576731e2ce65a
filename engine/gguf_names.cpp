// Tensor names: Hugging Face to GGUF (gguf-py, tensor_mapping.py; spec/dense.md 12.2).
#include <algorithm>

#include "engine/gguf_model.h"

namespace cutaway {
namespace {

struct Name {
  std::string_view hf, gguf;
};

/// What layers are called, with their number behind.
constexpr Name stacks[] = {{"encoder.layer.", "blk."},
                           {"encoder.block.", "enc.blk."},
                           {"decoder.block.", "dec.blk."},
                           {"layers.", "blk."},
                           {"h.", "blk."}};

constexpr Name outside[] = {
    {"embed_tokens", "token_embd"},
    {"wte", "token_embd"},
    {"word_embeddings", "token_embd"},
    {"shared", "token_embd"},
    {"embeddings.word_embeddings", "token_embd"},
    {"embeddings.position_embeddings", "position_embd"},
    {"wpe", "position_embd"},
    {"embeddings.token_type_embeddings", "token_types"},
    {"embeddings.LayerNorm", "token_embd_norm"},
    {"norm", "output_norm"},
    {"ln_f", "output_norm"},
    {"encoder.final_layer_norm", "enc.output_norm"},
    {"decoder.final_layer_norm", "dec.output_norm"},
    {"lm_head", "output"},
};

constexpr Name inside[] = {
    // Llama and its kin
    {"input_layernorm", "attn_norm"},
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"},
    {"self_attn.q_norm", "attn_q_norm"},
    {"self_attn.k_norm", "attn_k_norm"},
    {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
    {"pre_feedforward_layernorm", "ffn_norm"},
    {"post_feedforward_layernorm", "post_ffw_norm"},
    // DeepSeek
    {"self_attn.q_a_proj", "attn_q_a"},
    {"self_attn.q_a_layernorm", "attn_q_a_norm"},
    {"self_attn.q_b_proj", "attn_q_b"},
    {"self_attn.kv_a_proj_with_mqa", "attn_kv_a_mqa"},
    {"self_attn.kv_a_layernorm", "attn_kv_a_norm"},
    {"self_attn.kv_b_proj", "attn_kv_b"},
    // GPT-2, GPT BigCode
    {"ln_1", "attn_norm"},
    {"attn.c_attn", "attn_qkv"},
    {"attn.c_proj", "attn_output"},
    {"ln_2", "ffn_norm"},
    {"mlp.c_fc", "ffn_up"},
    {"mlp.c_proj", "ffn_down"},
    // Falcon; of its two norms the converter takes the feed-forward's for the first
    {"ln_mlp", "attn_norm"},
    {"ln_attn", "attn_norm_2"},
    {"self_attention.query_key_value", "attn_qkv"},
    {"self_attention.dense", "attn_output"},
    {"mlp.dense_h_to_4h", "ffn_up"},
    {"mlp.dense_4h_to_h", "ffn_down"},
    // BERT
    {"attention.self.query", "attn_q"},
    {"attention.self.key", "attn_k"},
    {"attention.self.value", "attn_v"},
    {"attention.output.dense", "attn_output"},
    {"attention.output.LayerNorm", "attn_output_norm"},
    {"intermediate.dense", "ffn_up"},
    {"output.dense", "ffn_down"},
    {"output.LayerNorm", "layer_output_norm"},
    // T5
    {"layer.0.SelfAttention.q", "attn_q"},
    {"layer.0.SelfAttention.k", "attn_k"},
    {"layer.0.SelfAttention.v", "attn_v"},
    {"layer.0.SelfAttention.o", "attn_o"},
    {"layer.0.SelfAttention.relative_attention_bias", "attn_rel_b"},
    {"layer.0.layer_norm", "attn_norm"},
    {"layer.1.EncDecAttention.q", "cross_attn_q"},
    {"layer.1.EncDecAttention.k", "cross_attn_k"},
    {"layer.1.EncDecAttention.v", "cross_attn_v"},
    {"layer.1.EncDecAttention.o", "cross_attn_o"},
    {"layer.1.DenseReluDense.wi", "ffn_up"},
    {"layer.2.DenseReluDense.wi", "ffn_up"},
    {"layer.1.DenseReluDense.wi_0", "ffn_gate"},
    {"layer.2.DenseReluDense.wi_0", "ffn_gate"},
    {"layer.1.DenseReluDense.wi_1", "ffn_up"},
    {"layer.2.DenseReluDense.wi_1", "ffn_up"},
    {"layer.1.DenseReluDense.wo", "ffn_down"},
    {"layer.2.DenseReluDense.wo", "ffn_down"},
    {"layer.2.layer_norm", "ffn_norm"},
};

std::optional<std::string_view> named(std::span<const Name> table, std::string_view hf) {
  const auto at = std::ranges::find(table, hf, &Name::hf);
  return at == table.end() ? std::nullopt : std::optional(at->gguf);
}

/// Names whose meaning hangs on the architecture.
std::optional<std::string_view> by_architecture(std::string_view architecture, std::string_view stack,
                                                std::string_view part) {
  if (part == "post_attention_layernorm")
    return architecture == "gemma2" || architecture == "olmo2" ? "post_attention_norm" : "ffn_norm";
  if (part == "layer.1.layer_norm") return stack == "dec.blk." ? "cross_attn_norm" : "ffn_norm";
  return std::nullopt;
}

std::string architecture_of(const Gguf& gguf) {
  const auto name = gguf.text("general.architecture", "");
  return name ? *name : "";
}

}  // namespace

std::string gguf_name(const Gguf& gguf, const std::string& name) {
  std::string_view rest = name;
  for (std::string_view prefix : {"model.", "transformer.", "bert.", "roberta."})
    if (rest.starts_with(prefix)) rest.remove_prefix(prefix.size());
  const size_t dot = rest.rfind('.');
  if (dot == rest.npos) return name;
  const std::string_view kind = rest.substr(dot);  // ".weight"
  rest = rest.substr(0, dot);
  if (const auto found = named(outside, rest)) return fmt::format("{}{}", *found, kind);
  for (const Name& stack : stacks) {
    if (!rest.starts_with(stack.hf)) continue;
    const size_t end = rest.find('.', stack.hf.size());
    if (end == rest.npos) break;
    const std::string_view layer = rest.substr(stack.hf.size(), end - stack.hf.size()), part = rest.substr(end + 1);
    auto found = by_architecture(architecture_of(gguf), stack.gguf, part);
    if (!found) found = named(inside, part);
    if (found) return fmt::format("{}{}.{}{}", stack.gguf, layer, *found, kind);
  }
  return name;
}

TensorSource gguf_source(const Gguf& gguf, TensorSource source) {
  source.transposed = false;
  bool falcon = false;
  for (std::string& name : source.names) {
    falcon = falcon || name.find("self_attention.query_key_value.") != name.npos;
    name = gguf_name(gguf, name);
  }
  const auto last = std::ranges::unique(source.names);
  source.names.erase(last.begin(), last.end());
  if (falcon && source.block_rows > 0) {  // the converter puts all queries first, then all keys, then all values
    source.row_begin *= source.rows / source.block_rows;
    source.block_rows = source.block_period = 0;
  }
  return source;
}

}  // namespace cutaway
