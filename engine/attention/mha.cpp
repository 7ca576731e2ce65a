// Multi-head attention (Vaswani et al. 2017, arXiv 1706.03762, section 3.2.2): every query head has its own keys and
// values.
#include "engine/attention/grouped.h"

namespace cutaway {
namespace {

Result<void> check(const AttentionSpec& a) {
  if (a.n_kv_heads != a.n_heads) return error("mha has n_kv_heads {}; it must be n_heads, {}", a.n_kv_heads, a.n_heads);
  return check_grouped(a);
}

}  // namespace

extern const AttentionKind mha_attention;
const AttentionKind mha_attention{"mha", check, build_grouped};

}  // namespace cutaway
