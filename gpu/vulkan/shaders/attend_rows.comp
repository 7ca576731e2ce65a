#version 460
// attend_rows.comp   The same as attend.comp for many queries, without barriers: what a software device is quick at.
//   push  as attend.comp
// Work     one invocation makes four queries of one head, four keys at a time; heads lie side by side, so that the
//          invocations of a subgroup run equally long
// Numbers  f32; a query's bits don't depend on the queries beside it, nor on keys that its mask forbids
// Limits   head_dim <= 4 * fours, value_dim <= 4 * value_fours
#include "common.glsl"
#include "mask.glsl"
#include "numbers.glsl"
layout(local_size_x = 8) in;
layout(constant_id = 0) const bool by_fours = false;  // widths are multiples of four, so four numbers are one load
layout(constant_id = 1) const uint fours = 16;        // ceil(head_dim / 4)
layout(constant_id = 2) const uint value_fours = 16;  // ceil(value_dim / 4)
#include "attend.glsl"

// Numbers 4 d .. 4 d + 3 of the `width` that begin at `start`; beyond them they are 0.
vec4 four_of(Floats from, uint start, uint d, uint width) {
  if (by_fours) return Quads(from).at[start / 4 + d];
  uint i = start + 4 * d;
  return vec4(from.at[i], 4 * d + 1 < width ? from.at[i + 1] : 0.0, 4 * d + 2 < width ? from.at[i + 2] : 0.0,
              4 * d + 3 < width ? from.at[i + 3] : 0.0);
}

float sum_of(vec4 a) { return (a.x + a.y) + (a.z + a.w); }

void main() {
  uint tile = (first + gl_WorkGroupID.x) * 8 + gl_LocalInvocationID.x;
  uint row = tile / heads * 4, head = tile % heads;
  if (row >= rows) return;
  uint kv_head = head / (heads / kv_heads);
  uint q_at[4], last_row = min(row + 3, rows - 1);
  for (uint r = 0; r < 4; ++r) q_at[r] = (min(row + r, last_row) * heads + head) * head_dim;

  vec4 sums[4][value_fours];
  float top[4], total[4];
  for (uint r = 0; r < 4; ++r) {
    top[r] = minus_infinity;
    total[r] = 0.0;
    for (uint d = 0; d < value_fours; ++d) sums[r][d] = vec4(0.0);
  }
  uint end = last_key(past + last_row);
  for (uint key = first_key(past + row) / 4 * 4; key < end; key += 4) {
    Floats page_k = k.at[key / page_rows], page_v = v.at[key / page_rows];
    uint k_at[4], v_at[4];
    vec4 parts[4][4];
    for (uint c = 0; c < 4; ++c) {
      uint in_page = min(key + c, keys - 1) % page_rows * kv_heads + kv_head;
      k_at[c] = in_page * head_dim;
      v_at[c] = in_page * v_stride;
      for (uint r = 0; r < 4; ++r) parts[r][c] = vec4(0.0);
    }
    for (uint d = 0; d < fours; ++d) {
      vec4 a[4];
      for (uint r = 0; r < 4; ++r) a[r] = four_of(q, q_at[r], d, head_dim);
      for (uint c = 0; c < 4; ++c) {
        vec4 b = four_of(page_k, k_at[c], d, head_dim);
        for (uint r = 0; r < 4; ++r) parts[r][c] += a[r] * b;
      }
    }
    float w[4][4], shrink[4];
    for (uint r = 0; r < 4; ++r) {
      uint query = past + min(row + r, last_row);
      float score[4], block_top = top[r];
      for (uint c = 0; c < 4; ++c) {
        bool open_cell = key + c < keys && allowed(mask, bits, query, key + c);
        score[c] = open_cell ? shaped(sum_of(parts[r][c]), head, query, key + c) : minus_infinity;
        block_top = max_(block_top, score[c]);
      }
      shrink[r] = top[r] == block_top ? 1.0 : top[r] == minus_infinity ? 0.0 : exp_(top[r] - block_top);
      top[r] = block_top;
      total[r] *= shrink[r];
      for (uint c = 0; c < 4; ++c) {
        w[r][c] = score[c] == minus_infinity ? 0.0 : exp_(score[c] - block_top);
        total[r] += w[r][c];
      }
    }
    for (uint d = 0; d < value_fours; ++d) {
      vec4 b[4];
      for (uint c = 0; c < 4; ++c) b[c] = four_of(page_v, v_at[c], d, value_dim);
      for (uint r = 0; r < 4; ++r) {
        vec4 sum = sums[r][d] * shrink[r];
        for (uint c = 0; c < 4; ++c) sum += w[r][c] * b[c];
        sums[r][d] = sum;
      }
    }
  }
  for (uint r = 0; r < 4 && row + r < rows; ++r) {
    bool none = top[r] == minus_infinity;
    uint to = ((row + r) * heads + head) * value_dim;
    for (uint d = 0; d < value_dim; ++d) context.at[to + d] = none ? 0.0 : sums[r][d / 4][d % 4] / total[r];
    if (has_lse != 0) lse.at[(row + r) * heads + head] = none ? minus_infinity : top[r] + log_(total[r]);
  }
}
