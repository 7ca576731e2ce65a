#include "engine/attention/grouped.h"

namespace cutaway {
namespace {

/// The norm of a query or key, before it turns.
NodeId qk_norm(Builder& b, NodeId x, const std::string& name, int64_t heads, const AttentionSpec& a) {
  if (a.qk_norm == QkNorm::Whole) x = b.rms_norm(x, name);  // (T, H * Dh) at once
  x = b.split_heads(x, heads);                              // (H, T, Dh)
  return a.qk_norm == QkNorm::PerHead ? b.rms_norm(x, name, a.head_dim) : x;
}

}  // namespace

Result<void> check_grouped(const AttentionSpec& a) {
  if (a.n_heads < 1 || a.n_kv_heads < 1 || a.head_dim < 1)
    return error("{} has {} heads, {} of keys and values, of {} values each; each must be at least 1", a.kind,
                 a.n_heads, a.n_kv_heads, a.head_dim);
  if (a.n_heads % a.n_kv_heads != 0)
    return error("{} has {} query heads; they must be a multiple of its {} heads of keys and values", a.kind, a.n_heads,
                 a.n_kv_heads);
  return {};
}

NodeId build_grouped(Builder& b, const AttentionInputs& in, const AttentionSpec& a) {
  const int64_t D = a.d_model, H = a.n_heads, Hkv = a.n_kv_heads, Dh = a.head_dim;  // H * Dh may differ from D
  const auto scope = b.block(in.block);
  NodeId q = qk_norm(b, b.linear(in.x, "q_proj", D, H * Dh, a.bias), "q_norm", H, a);         // (H, T, Dh)
  NodeId k = qk_norm(b, b.linear(in.from, "k_proj", D, Hkv * Dh, a.bias), "k_norm", Hkv, a);  // (Hkv, T, Dh)
  NodeId v = b.split_heads(b.linear(in.from, "v_proj", D, Hkv * Dh, a.bias), Hkv);            // (Hkv, T, Dh)
  q = b.rotary(q, a.rope), k = b.rotary(k, a.rope);
  if (a.cached) k = b.cache(k, a.mask_slot), v = b.cache(v, a.mask_slot);  // (Hkv, S, Dh)
  b.mark_here(q, Role::Q, "q");
  b.mark_here(k, Role::K, "k");
  b.mark_here(v, Role::V, "v");
  const NodeId context = b.attend({.q = q,
                                   .k = k,
                                   .v = v,
                                   .bias = in.bias,
                                   .scale = a.scale,
                                   .softcap = a.softcap,
                                   .mask_slot = a.mask_slot});               // (H, T, Dh), probs (H, T, S)
  return b.linear(b.merge_heads(context), "o_proj", H * Dh, D, a.out_bias);  // (T, D)
}

}  // namespace cutaway
