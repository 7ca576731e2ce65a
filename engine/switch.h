// Live switches: a loaded model with another attention kind, its weights made from those that were loaded. Nothing is
// retrained; spec dense.md 6.3 says which switches are exact and which only come near.
#pragma once

#include "engine/model.h"

namespace cutaway {

/// KIND[:key=N] applied to every layer: "mha" (heads of keys and values repeated, exact), "gqa:kv_heads=2" and "mqa"
/// (mean of the heads of each group; exact where they were equal), "mla:rank=64" (the nearest factors of the stacked
/// key and value matrices; exact at full rank), "window:size=64". The model itself where nothing changes; else one that
/// says in `switched_from` what it was made from. Weights are made when they are first read. Refusals name the sizes.
Result<ModelPtr> switch_attention(const ModelPtr& loaded, const std::string& attention);

/// What a control may offer of one kind: "gqa", its key "kv_heads" and the numbers worth a try, ascending; a kind
/// without a number has neither. `refusal`: one sentence where the model can't be switched to it at all.
struct SwitchChoice {
  std::string kind, key;
  std::vector<int64_t> numbers;
  std::string refusal;

  std::string text(int64_t number) const;  // "gqa:kv_heads=2", what switch_attention takes
};
std::vector<SwitchChoice> switch_choices(const ModelPtr& loaded);

}  // namespace cutaway
