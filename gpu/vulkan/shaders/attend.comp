#version 460
// attend.comp   softmax(scale q k^T | mask) v, fused: the weights are never stored, the row log-sum-exp is.
// Online softmax (Milakov & Gimelshein 2018), one block of 64 keys after another. attend_rows.comp is its twin.
//   push  q        (rows, heads * head_dim) f32
//         k, v     page tables of rows (kv_heads * head_dim) f32, keys of them
//         context  (rows, heads * head_dim) f32; 0 for a row without an allowed key
//         lse      (rows, heads) f32, natural log; -inf for such a row; written only when has_lse
//         bits     of a custom mask
// Work     one group of 64 a (query, head); invocation i scores key i of a block, then sums columns i, i + 64, ...
// Shared   64 scores, 64 weights
// Numbers  f32; a masked key enters neither maximum nor sum, and leaves the bits of the others alone: a custom mask
//          equal to a rule gives the rule's bits
// Limits   head_dim <= 256; query head h reads kv head h / (heads / kv_heads)
#include "common.glsl"
#include "mask.glsl"
#include "numbers.glsl"
layout(local_size_x = 64) in;
layout(constant_id = 0) const bool by_fours = false;  // head_dim is a multiple of four, so four numbers are one load
#include "attend.glsl"
shared float scores[64], weights[64];

void main() {
  uint group = first + gl_WorkGroupID.x, lane = gl_LocalInvocationID.x;
  uint row = group / heads, head = group % heads, query = past + row;
  uint kv_width = kv_heads * head_dim, kv_column = head / (heads / kv_heads) * head_dim;
  uint q_at = (row * heads + head) * head_dim;
  float sums[4] = float[4](0.0, 0.0, 0.0, 0.0);
  float top = minus_infinity, total = 0.0;
  uint end = last_key(query);
  for (uint block = first_key(query) / 64 * 64; block < end; block += 64) {
    uint key = block + lane;
    bool open_cell = key < end && allowed(mask, bits, query, key);
    float score = minus_infinity;
    if (open_cell) {
      Floats row_k = k.at[key / page_rows];
      uint k_at = (key % page_rows) * kv_width + kv_column;
      float dot_product = 0.0;
      if (by_fours) {
        for (uint d = 0; d < head_dim / 4; ++d) {
          vec4 a = Quads(q).at[q_at / 4 + d], b = Quads(row_k).at[k_at / 4 + d];
          dot_product += (a.x * b.x + a.y * b.y) + (a.z * b.z + a.w * b.w);
        }
      } else {
        for (uint d = 0; d < head_dim; ++d) dot_product += q.at[q_at + d] * row_k.at[k_at + d];
      }
      score = scale * dot_product;
    }
    scores[lane] = score;
    barrier();
    float block_top = top;
    for (uint i = 0; i < 64; ++i) block_top = max_(block_top, scores[i]);
    weights[lane] = open_cell ? exp_(score - block_top) : 0.0;
    barrier();
    if (block_top == minus_infinity) continue;
    float shrink = top == minus_infinity ? 0.0 : exp_(top - block_top);
    top = block_top;
    uint count = min(64, end - block);
    total *= shrink;
    for (uint i = 0; i < count; ++i) total += weights[i];
    for (uint c = 0; c < 4; ++c) {
      uint d = lane + 64 * c;
      if (d >= head_dim) break;
      float sum = sums[c] * shrink;
      for (uint i = 0; i < count;) {
        Floats page_v = v.at[(block + i) / page_rows];
        uint v_at = kv_column + d;
        for (uint page_end = min(i + page_rows, count); i < page_end; ++i, v_at += kv_width)
          sum += weights[i] * page_v.at[v_at];
      }
      sums[c] = sum;
    }
  }
  bool none = top == minus_infinity;
  for (uint c = 0; c < 4; ++c) {
    uint d = lane + 64 * c;
    if (d < head_dim) context.at[q_at + d] = none ? 0.0 : sums[c] / total;
  }
  if (lane == 0 && has_lse != 0) lse.at[row * heads + head] = none ? minus_infinity : top + log_(total);
}
