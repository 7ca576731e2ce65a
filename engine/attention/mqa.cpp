// Multi-query attention (Shazeer 2019, arXiv 1911.02150): one head of keys and values for all query heads.
#include "engine/attention/grouped.h"

namespace cutaway {
namespace {

Result<void> check(const AttentionSpec& a) {
  if (a.n_kv_heads != 1) return error("mqa has n_kv_heads {}; it must be 1", a.n_kv_heads);
  return check_grouped(a);
}

}  // namespace

extern const AttentionKind mqa_attention;
const AttentionKind mqa_attention{"mqa", check, build_grouped};

}  // namespace cutaway
