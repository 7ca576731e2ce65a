#version 460
// tile_peaks.comp   The largest weight of each query row over all its keys, for the row scale. Runs after
// tile_cells.comp: a tile with every cell of its rows needs no weight computed again.
// Work     one group of 64 a query; invocation i takes keys i, i + 64, ...
// Shared   64 floats, reduced as a tree
#include "tile.glsl"
layout(local_size_x = 64) in;
shared float partial[64];

void main() {
  uint lane = gl_LocalInvocationID.x, row = first + gl_WorkGroupID.x, query = job.query_begin + row;
  float peak = 0.0;
  if (job.peaks_from_values != 0) {
    for (uint key = lane; key < job.columns; key += 64) peak = max(peak, job.values.at[row * job.columns + key]);
  } else if (query < job.recorded) {
    for (uint key = lane; key < job.keys; key += 64) {
      if (key == 0 && job.without_sink != 0) continue;
      if (allowed(job.mask, job.bits, query, key)) peak = max(peak, weight_of(query, key));
    }
  }
  partial[lane] = peak;
  barrier();
  for (uint stride = 32; stride > 0; stride >>= 1) {
    if (lane < stride) partial[lane] = max(partial[lane], partial[lane + stride]);
    barrier();
  }
  if (lane == 0) job.peaks.at[row] = partial[0];
}
