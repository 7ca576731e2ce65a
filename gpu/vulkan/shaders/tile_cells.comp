#version 460
// tile_cells.comp   Each pixel's value, the maximum or mean of the cells under it.
// Work     one invocation a pixel, 64 a group
// Numbers  NaN under a pixel makes the pixel NaN; a pixel over masked cells only is masked_cell
#include "tile.glsl"
layout(local_size_x = 64) in;

void main() {
  uint i = (first + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
  if (i >= job.rows * job.columns) return;
  uint r = i / job.columns, c = i % job.columns;
  uint query_first = cell_at(r, job.rows, job.query_begin, job.query_end);
  uint query_last = max(query_first + 1, cell_at(r + 1, job.rows, job.query_begin, job.query_end));
  uint key_first = cell_at(c, job.columns, job.key_begin, job.key_end);
  uint key_last = max(key_first + 1, cell_at(c + 1, job.columns, job.key_begin, job.key_end));
  float value = masked_cell, sum = 0.0;
  uint count = 0;
  for (uint query = query_first; query < query_last; ++query) {
    if (query >= job.recorded) {
      value = not_computed_cell;
      continue;
    }
    for (uint key = key_first; key < min(key_last, job.keys); ++key) {
      if (key == 0 && job.without_sink != 0) {
        if (count == 0) value = not_computed_cell;
        continue;
      }
      if (!allowed(job.mask, job.bits, query, key)) continue;
      float w = weight_of(query, key);
      if (is_nan(w)) {
        job.values.at[i] = w;
        return;
      }
      value = count == 0 ? w : max(value, w);
      sum += w;
      ++count;
    }
  }
  job.values.at[i] = job.mean != 0 && count > 0 ? sum / float(count) : value;
}
