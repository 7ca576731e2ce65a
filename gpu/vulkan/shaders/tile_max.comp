#version 460
// tile_max.comp   Last pass of a tile: the largest weight under each row of pixels, and of the whole tile.
// Work     one group of 64; invocation i takes rows i, i + 64, ...
// Shared   64 floats, reduced as a tree
#include "tile.glsl"
layout(local_size_x = 64) in;
shared float partial[64];

void main() {
  uint lane = gl_LocalInvocationID.x;
  float all = 0.0;
  for (uint r = lane; r < job.rows; r += 64) {
    uint query = cell_at(r, job.rows, job.query_begin, job.query_end);
    uint last = max(query + 1, cell_at(r + 1, job.rows, job.query_begin, job.query_end));
    float peak = 0.0;
    for (; query < last; ++query) peak = max(peak, job.peaks.at[query - job.query_begin]);
    job.row_max.at[r] = peak;
    all = max(all, peak);
  }
  partial[lane] = all;
  barrier();
  for (uint stride = 32; stride > 0; stride >>= 1) {
    if (lane < stride) partial[lane] = max(partial[lane], partial[lane + stride]);
    barrier();
  }
  if (lane == 0) job.map_max.at[0] = partial[0];
}
