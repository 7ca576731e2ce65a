#version 460
// attend.comp   softmax(softcap(scale q k^T) + bias | mask) v, fused: the weights are never stored, the row log-sum-exp
// is.
// Online softmax (Milakov & Gimelshein 2018), one block of 64 keys after another. attend_rows.comp is its twin.
//   push  q        (rows, heads * head_dim) f32
//         k        page table of rows (kv_heads * head_dim) f32, `keys` of them; no page where a window forgot it
//         v        the same, (kv_heads * v_stride): the first value_dim of a head are summed
//         context  (rows, heads * value_dim) f32; 0 for a row without an allowed key
//         lse      (rows, heads) f32, natural log; -inf for such a row; written only when has_lse
//         bits     of a custom mask
//         softcap  0: none
//         bias     (heads, bias_stride) f32, entry key - query + bias_zero; bias_stride 0: none
// Work     one group of 64 a (query, head); invocation i scores key i of a block, then sums columns i, i + 64, ...
// Shared   64 scores, 64 weights
// Numbers  f32; a masked key enters neither maximum nor sum, and leaves the bits of the others alone: a custom mask
//          equal to a rule gives the rule's bits
// Limits   value_dim <= 64 * columns; query head h reads kv head h / (heads / kv_heads)
#include "common.glsl"
#include "mask.glsl"
#include "numbers.glsl"
layout(local_size_x = 64) in;
layout(constant_id = 0) const bool by_fours = false;  // widths are multiples of four, so four numbers are one load
layout(constant_id = 1) const uint columns = 4;       // ceil(value_dim / 64)
#include "attend.glsl"
shared float scores[64], weights[64];

void main() {
  uint group = first + gl_WorkGroupID.x, lane = gl_LocalInvocationID.x;
  uint row = group / heads, head = group % heads, query = past + row;
  uint k_width = kv_heads * head_dim, v_width = kv_heads * v_stride, kv_head = head / (heads / kv_heads);
  uint q_at = (row * heads + head) * head_dim;
  float sums[columns];
  for (uint c = 0; c < columns; ++c) sums[c] = 0.0;
  float top = minus_infinity, total = 0.0;
  uint begin = first_key(query), end = last_key(query);
  for (uint block = begin / 64 * 64; block < end; block += 64) {
    uint key = block + lane;
    bool open_cell = key < end && allowed(mask, bits, query, key);
    float score = minus_infinity;
    if (open_cell) {
      Floats row_k = k.at[key / page_rows];
      uint k_at = (key % page_rows) * k_width + kv_head * head_dim;
      float dot_product = 0.0;
      if (by_fours) {
        for (uint d = 0; d < head_dim / 4; ++d) {
          vec4 a = Quads(q).at[q_at / 4 + d], b = Quads(row_k).at[k_at / 4 + d];
          dot_product += (a.x * b.x + a.y * b.y) + (a.z * b.z + a.w * b.w);
        }
      } else {
        for (uint d = 0; d < head_dim; ++d) dot_product += q.at[q_at + d] * row_k.at[k_at + d];
      }
      score = shaped(dot_product, head, query, key);
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
    for (uint c = 0; c < columns; ++c) {
      uint d = lane + 64 * c;
      if (d >= value_dim) break;
      float sum = sums[c] * shrink;
      for (uint i = max(begin, block) - block; i < count;) {
        Floats page_v = v.at[(block + i) / page_rows];
        uint v_at = i % page_rows * v_width + kv_head * v_stride + d;
        for (uint page_end = min((i / page_rows + 1) * page_rows, count); i < page_end; ++i, v_at += v_width)
          sum += weights[i] * page_v.at[v_at];
      }
      sums[c] = sum;
    }
  }
  bool none = top == minus_infinity;
  for (uint c = 0; c < columns; ++c) {
    uint d = lane + 64 * c;
    if (d < value_dim) context.at[(row * heads + head) * value_dim + d] = none ? 0.0 : sums[c] / total;
  }
  if (lane == 0 && has_lse != 0) lse.at[row * heads + head] = none ? minus_infinity : top + log_(total);
}
