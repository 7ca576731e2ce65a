// Push constants of the compute shaders, field by field as the shaders declare them. `first` is filled in by Work.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/mask.h"

namespace cutaway {

struct EmbeddingPush {
  uint32_t first = 0, width = 0, n = 0, unused = 0;
  uint64_t ids = 0, table = 0, out = 0;
};
struct AddPush {  // add.comp, mul.comp
  uint32_t first = 0, n = 0;
  uint64_t a = 0, b = 0, out = 0;
};
struct ActivationPush {
  uint32_t first = 0, n = 0;
  uint64_t x = 0, out = 0;
};
struct NormPush {
  uint32_t first = 0, width = 0;
  float eps = 0;
  uint32_t has_bias = 0;
  uint64_t x = 0, gain = 0, bias = 0, out = 0;
};
struct RmsNormPush {
  uint32_t first = 0, width = 0;
  float eps = 0, offset = 0;
  uint64_t x = 0, gain = 0, out = 0;
};
struct ScalePush {  // scale.comp, softcap.comp
  uint32_t first = 0, n = 0;
  float factor = 0;
  uint32_t unused = 0;
  uint64_t x = 0, out = 0;
};
struct RotaryPush {
  uint32_t first = 0, n = 0, width = 0, head_dim = 0, begin = 0, pairs = 0, interleaved = 0, unused = 0;
  uint64_t x = 0, turns = 0, out = 0;
};
struct ConcatPush {
  uint32_t first = 0, n = 0, left = 0, right = 0;
  uint64_t a = 0, b = 0, out = 0;
};
struct LatentPush {
  uint32_t first = 0, rows = 0, heads = 0, inner = 0, in_width = 0, in_head = 0, out_head = 0, turned = 0;
  uint64_t x = 0, matrix = 0, y = 0;
};
struct LinearPush {
  uint32_t first = 0, rows = 0, width = 0, columns = 0, has_bias = 0, unused = 0;
  uint64_t x = 0, matrix = 0, bias = 0, y = 0;
};
struct MaskPush {
  uint32_t kind = 0, n = 0, queries = 0, keys = 0;
};
struct AttendPush {
  uint32_t first = 0, rows = 0, past = 0, keys = 0, heads = 0, kv_heads = 0, head_dim = 0, value_dim = 0, v_stride = 0;
  float scale = 0, softcap = 0;
  uint32_t has_lse = 0, bias_stride = 0, bias_zero = 0;
  MaskPush mask;
  uint64_t q = 0, k = 0, v = 0, context = 0, lse = 0, bits = 0, bias = 0;
};
struct RowsPush {  // record.comp, gather.comp
  uint32_t first = 0, width = 0, row = 0, n = 0;
  uint64_t dense = 0, table = 0;
};
struct MeanPush {
  uint32_t first = 0, width = 0, rows = 0, unused = 0;
  uint64_t x = 0, out = 0;
};
struct UnitPush {
  uint32_t first = 0, width = 0;
  uint64_t x = 0, out = 0;
};
struct TilePush {
  uint32_t first = 0, unused = 0;
  uint64_t job = 0;
};

/// The rule as mask.glsl takes it; `bits` go up separately.
inline MaskPush mask_push(const MaskRule& rule) {
  MaskPush push{.kind = static_cast<uint32_t>(rule.kind),
                .n = static_cast<uint32_t>(std::min<int64_t>(std::max<int64_t>(rule.n, 0), INT32_MAX))};
  if (rule.bits)
    push.queries = static_cast<uint32_t>(rule.bits->queries), push.keys = static_cast<uint32_t>(rule.bits->keys);
  return push;
}

/// Groups of 64 invocations for n elements.
inline uint64_t groups_of(uint64_t n) { return (n + 63) / 64; }

}  // namespace cutaway
