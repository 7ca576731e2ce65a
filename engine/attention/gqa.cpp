// Grouped-query attention (Ainslie et al. 2023, arXiv 2305.13245): query head h reads the keys and values of head
// h / (n_heads / n_kv_heads). With as many of them as query heads it is mha, with one it is mqa.
#include "engine/attention/grouped.h"

namespace cutaway {

extern const AttentionKind gqa_attention;
const AttentionKind gqa_attention{"gqa", check_grouped, build_grouped};

}  // namespace cutaway
