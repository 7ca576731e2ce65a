// What mha, gqa and mqa share: query heads in groups, each group with one head of keys and values.
#pragma once

#include "engine/architecture.h"

namespace cutaway {

/// (T, D). Keys and values come from in.from; of another stack's text they are made once and kept.
NodeId build_grouped(Builder&, const AttentionInputs& in, const AttentionSpec&);

/// What holds for all three: sizes are positive, groups are whole, a rotary part fits into a head.
Result<void> check_grouped(const AttentionSpec&);

}  // namespace cutaway
