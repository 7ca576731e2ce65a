#version 460
// tile_exact.comp   tile_cells.comp for a tile with one cell a pixel: the usual case, with a quarter of the loads.
// Work     one invocation makes 4 x 4 cells in registers, 64 a group; blocks without an allowed cell cost nothing
// Numbers  as tile_cells.comp
#include "tile.glsl"
layout(local_size_x = 64) in;

vec4 four_of(Floats from, uint start, uint d) {
  if (by_fours) return Quads(from).at[start / 4 + d];
  uint i = start + 4 * d;
  return vec4(from.at[i], 4 * d + 1 < job.head_dim ? from.at[i + 1] : 0.0, 4 * d + 2 < job.head_dim ? from.at[i + 2] : 0.0,
              4 * d + 3 < job.head_dim ? from.at[i + 3] : 0.0);
}

void main() {
  uint block = (first + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x, across = (job.columns + 3) / 4;
  uint row = block / across * 4, column = block % across * 4;
  if (row >= job.rows) return;
  uint query = job.query_begin + row, key = job.key_begin + column;

  uint open_cells = 0;  // bit 4 i + j: cell (query + i, key + j) has a weight
  for (uint i = 0; i < 4 && row + i < job.rows && query + i < job.recorded; ++i)
    for (uint j = 0; j < 4 && column + j < job.columns && key + j < job.keys; ++j)
      if ((key + j > 0 || job.without_sink == 0) && allowed(job.mask, job.bits, query + i, key + j))
        open_cells |= 1u << (4 * i + j);

  float weights[4][4];
  for (uint i = 0; i < 4; ++i)
    for (uint j = 0; j < 4; ++j) weights[i][j] = 0.0;
  for (uint head = job.head_first; head < job.head_last && open_cells != 0; ++head) {
    Floats q[4], k[4];
    uint q_at[4], k_at[4];
    vec4 parts[4][4];
    for (uint i = 0; i < 4; ++i) {
      uint at_query = min(query + i, job.recorded - 1), at_key = min(key + i, job.keys - 1);
      q[i] = job.q.at[at_query / page_rows];
      k[i] = job.k.at[at_key / page_rows];
      q_at[i] = ((at_query % page_rows) * job.heads + head) * job.head_dim;
      k_at[i] = ((at_key % page_rows) * job.kv_heads + head / (job.heads / job.kv_heads)) * job.head_dim;
      for (uint j = 0; j < 4; ++j) parts[i][j] = vec4(0.0);
    }
    for (uint d = 0; d < (job.head_dim + 3) / 4; ++d) {
      vec4 a[4];
      for (uint i = 0; i < 4; ++i) a[i] = four_of(q[i], q_at[i], d);
      for (uint j = 0; j < 4; ++j) {
        vec4 b = four_of(k[j], k_at[j], d);
        for (uint i = 0; i < 4; ++i) parts[i][j] += a[i] * b;
      }
    }
    for (uint i = 0; i < 4 && (open_cells >> (4 * i)) != 0; ++i) {
      uint at_query = min(query + i, job.recorded - 1);
      float lse = job.lse.at[at_query / page_rows].at[(at_query % page_rows) * job.heads + head];
      float left = job.without_sink != 0 ? job.left.at[(at_query - job.query_begin) * job.heads + head] : 1.0;
      for (uint j = 0; j < 4; ++j) {
        if ((open_cells >> (4 * i + j) & 1) == 0) continue;
        vec4 p = parts[i][j];
        float w = exp_(shaped((p.x + p.y) + (p.z + p.w), head, at_query, key + j) - lse);
        if (job.without_sink != 0) w = left > 0.0 ? w / left : is_nan(left) ? left : 0.0;
        weights[i][j] = job.combine == 2 ? max_(weights[i][j], w) : weights[i][j] + w;
      }
    }
  }
  for (uint i = 0; i < 4 && row + i < job.rows; ++i)
    for (uint j = 0; j < 4 && column + j < job.columns; ++j) {
      float value = masked_cell;
      if (query + i >= job.recorded || (key + j == 0 && job.without_sink != 0)) value = not_computed_cell;
      else if ((open_cells >> (4 * i + j) & 1) != 0) value = job.combine == 1 ? weights[i][j] / float(job.heads) : weights[i][j];
      job.values.at[(row + i) * job.columns + column + j] = value;
    }
}
