// tile.glsl   What the three passes of a tile share: the job, and one cell of the map. Twin of host_tile() in
// engine/tile.cpp: the same cells, the same order of heads, masked and not-computed cells with the same marks.
#include "common.glsl"
#include "mask.glsl"
#include "numbers.glsl"
layout(constant_id = 0) const bool by_fours = false;  // head_dim is a multiple of four

layout(buffer_reference, std430, buffer_reference_align = 8) buffer Job {
  Pages q, k, lse;              // page tables of recorded rows (heads * head_dim), (kv_heads * head_dim), (heads)
  Words bits;                   // of a custom mask
  Floats left;                  // (queries, heads): what the sink leaves of a row; only with without_sink
  Floats peaks;                 // (queries): the row's largest weight over all keys
  Floats values;                // (rows, columns)
  Floats row_max;               // (rows)
  Floats map_max;               // (1)
  Floats bias;                  // (heads, bias_stride): entry key - query + bias_zero; bias_stride 0: none
  MaskData mask;
  uint query_begin, query_end;  // cells of the map that the tile covers
  uint key_begin, key_end;
  uint rows, columns;
  uint recorded, keys;          // query rows and key rows that there are
  uint heads, kv_heads, head_dim;
  uint head_first, head_last;   // one head, or all
  uint combine;                 // 0 one head, 1 mean, 2 maximum
  uint mean;                    // of the cells under a pixel, instead of their maximum
  uint without_sink;
  uint peaks_from_values;       // the tile has every cell of its rows, so their maxima are there already
  float scale, softcap;         // softcap 0: none
  uint bias_stride, bias_zero;
};
layout(push_constant) uniform Push { uint first, unused; Job job; };

const float masked_cell = -1.0, not_computed_cell = -2.0;

// First cell under pixel i of n: begin + i * size / n, taken apart so that 32 bits are enough for n < 2^16.
uint cell_at(uint i, uint n, uint begin, uint end) {
  uint size = end - begin, whole = size / n, rest = size % n;
  return begin + i * whole + i * rest / n;
}

// What attend.glsl makes of a score.
float shaped(float dot_product, uint head, uint query, uint key) {
  float score = job.scale * dot_product;
  if (job.softcap != 0.0) score = job.softcap * tanh_(score / job.softcap);
  if (job.bias_stride != 0) score += job.bias.at[head * job.bias_stride + (key + job.bias_zero - query)];
  return score;
}

float attention(uint head, uint query, uint key) {
  uint q_at = ((query % page_rows) * job.heads + head) * job.head_dim;
  uint k_at = ((key % page_rows) * job.kv_heads + head / (job.heads / job.kv_heads)) * job.head_dim;
  Floats q = job.q.at[query / page_rows], k = job.k.at[key / page_rows];
  float dot_product = 0.0;
  if (by_fours) {
    for (uint d = 0; d < job.head_dim / 4; ++d) {
      vec4 a = Quads(q).at[q_at / 4 + d], b = Quads(k).at[k_at / 4 + d];
      dot_product += (a.x * b.x + a.y * b.y) + (a.z * b.z + a.w * b.w);
    }
  } else {
    for (uint d = 0; d < job.head_dim; ++d) dot_product += q.at[q_at + d] * k.at[k_at + d];
  }
  float lse = job.lse.at[query / page_rows].at[(query % page_rows) * job.heads + head];
  return exp_(shaped(dot_product, head, query, key) - lse);
}

// Over the heads asked for. The cell is allowed, and not the sink where that is taken out.
float weight_of(uint query, uint key) {
  float result = 0.0;
  for (uint head = job.head_first; head < job.head_last; ++head) {
    float w = attention(head, query, key);
    if (job.without_sink != 0) {
      float left = job.left.at[(query - job.query_begin) * job.heads + head];
      w = left > 0.0 ? w / left : is_nan(left) ? left : 0.0;
    }
    if (is_nan(w)) return w;
    result = job.combine == 2 ? max(result, w) : result + w;
  }
  return job.combine == 1 ? result / float(job.heads) : result;
}
