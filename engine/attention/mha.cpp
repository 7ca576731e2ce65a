// Multi-head attention (Vaswani et al. 2017, arXiv 1706.03762, section 3.2.2): every query head has its own keys and
// values. n_kv_heads is n_heads.
#include "engine/architecture.h"

namespace cutaway {
namespace {

Result<void> check(const AttentionSpec& a) {
  if (a.n_kv_heads != a.n_heads) return error("mha has n_kv_heads {}; it must be n_heads, {}", a.n_kv_heads, a.n_heads);
  return {};
}

NodeId build(Builder& b, NodeId x, NodeId from, const AttentionSpec& a) {
  const int64_t D = a.d_model, H = a.n_heads, Dh = a.head_dim;  // H * Dh may differ from D
  const auto scope = b.block("attn");
  const NodeId q = b.split_heads(b.linear(x, "q_proj", D, H * Dh, a.bias), H);  // (H, T, Dh)
  NodeId k = b.split_heads(b.linear(from, "k_proj", D, H * Dh, a.bias), H);     // (H, T, Dh)
  NodeId v = b.split_heads(b.linear(from, "v_proj", D, H * Dh, a.bias), H);     // (H, T, Dh)
  if (a.cached) k = b.cache(k), v = b.cache(v);                                 // (H, S, Dh), S = Past + T
  b.mark_here(q, Role::Q, "q");
  b.mark_here(k, Role::K, "k");
  b.mark_here(v, Role::V, "v");
  const NodeId context = b.attend(q, k, v, a.scale, a.mask_slot);        // (H, T, Dh), probs (H, T, S)
  return b.linear(b.merge_heads(context), "o_proj", H * Dh, D, a.bias);  // (T, D)
}

}  // namespace

extern const AttentionKind mha_attention;
const AttentionKind mha_attention{"mha", check, build};

}  // namespace cutaway
