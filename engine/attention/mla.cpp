// Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1; DeepSeek-V3): what is cached of a token is
// one latent c of kv_lora_rank values, from which keys and values of every head could be made, and one rotary key that
// all heads share. Absorbed, the scores are taken on c itself: q_nope . (U c) = (U^T q_nope) . c.
#include "engine/architecture.h"

namespace cutaway {
namespace {

constexpr float eps = 1e-6f;  // of the two inner norms, whatever the config says of the others

Result<void> check(const AttentionSpec& a) {
  const LatentSpec& l = a.latent;
  if (a.n_heads < 1 || l.kv_lora_rank < 1 || l.nope_dim < 1 || l.rope_dim < (l.normed ? 2 : 0) || l.v_dim < 1 ||
      l.q_lora_rank < 0)
    return error(
        "mla has {} heads, kv_lora_rank {}, qk_nope_head_dim {}, qk_rope_head_dim {} and v_head_dim {}; each must "
        "be positive",
        a.n_heads, l.kv_lora_rank, l.nope_dim, l.rope_dim, l.v_dim);
  if (l.rope_dim % 2) return error("mla has qk_rope_head_dim {}; pairs turn, so it must be even", l.rope_dim);
  return {};
}

NodeId query(Builder& b, NodeId x, const AttentionSpec& a) {
  const LatentSpec& l = a.latent;
  const int64_t D = a.d_model, H = a.n_heads, width = H * (l.nope_dim + l.rope_dim);
  if (l.q_lora_rank == 0) return b.split_heads(b.linear(x, "q_proj", D, width, l.query_bias), H);
  const NodeId c = b.rms_norm(b.linear(x, "q_a_proj", D, l.q_lora_rank, a.bias), "q_a_norm", 0, eps);  // (T, rq)
  return b.split_heads(b.linear(c, "q_b_proj", l.q_lora_rank, width, false), H);                       // (H, T, Dn + p)
}

/// (1, T, r + p): what is cached of each token. Without a shared key it is the latent alone.
NodeId latent_of(Builder& b, NodeId from, const AttentionSpec& a) {
  const LatentSpec& l = a.latent;
  const int64_t D = a.d_model, r = l.kv_lora_rank, p = l.rope_dim;
  NodeId c = b.linear(from, "kv_a_proj", D, r, a.bias);  // (T, r)
  if (l.normed) c = b.rms_norm(c, "kv_a_norm", 0, eps);
  if (p == 0) return b.split_heads(c, 1);
  const NodeId turned = b.rotary(b.split_heads(b.linear(from, "k_rope_proj", D, p, a.bias), 1), a.rope + 1);
  return b.split_heads(b.concat(c, b.merge_heads(turned)), 1);
}

/// a.rope turns the last rope_dim dimensions of a query head, a.rope + 1 the shared key. Without a shared key a.rope
/// turns queries and expanded keys, each at the position where it stands.
NodeId build(Builder& b, const AttentionInputs& in, const AttentionSpec& a) {
  const LatentSpec& l = a.latent;
  const int64_t D = a.d_model, H = a.n_heads, r = l.kv_lora_rank;
  const auto scope = b.block(in.block);
  NodeId q = b.rotary(query(b, in.x, a), a.rope);                   // (H, T, Dn + p), p turned
  NodeId latent = latent_of(b, in.from, a);                         // (1, T, r + p)
  if (a.cached) latent = b.cache(latent, a.mask_slot, l.rope_dim);  // (1, S, r + p)
  b.mark_here(latent, Role::Latent, "latent");
  NodeId context;
  if (l.absorbed) {  // MQA on the latent, whose first r values are the value too
    q = b.mark_here(b.latent_query(q, "k_b_proj", l), Role::Q, "q");  // (H, T, r + p)
    context = b.attend({.q = q,
                        .k = latent,
                        .v = latent,
                        .bias = in.bias,
                        .scale = a.scale,
                        .softcap = a.softcap,
                        .value_dim = r,
                        .mask_slot = a.mask_slot});
    context = b.latent_value(context, "v_b_proj", l);  // (H, T, Dv)
  } else {
    b.mark_here(q, Role::Q, "q");
    NodeId k = b.expand_keys(latent, "k_b_proj", H, l);  // (H, S, Dn + p)
    if (l.rope_dim == 0) k = b.rotary(k, a.rope);
    b.mark_here(k, Role::K, "k");
    const NodeId v = b.mark_here(b.expand_values(latent, "v_b_proj", H, l), Role::V, "v");  // (H, S, Dv)
    context = b.attend(
        {.q = q, .k = k, .v = v, .bias = in.bias, .scale = a.scale, .softcap = a.softcap, .mask_slot = a.mask_slot});
  }
  return b.linear(b.merge_heads(context), "o_proj", H * l.v_dim, D, a.out_bias);  // (T, D)
}

}  // namespace

extern const AttentionKind mla_attention;
const AttentionKind mla_attention{"mla", check, build};

}  // namespace cutaway
