#version 460
// tile_left.comp   First pass of a tile without its sink: what key 0 leaves of each row, per head.
// Work   one invocation a (query, head), 64 a group
#include "tile.glsl"
layout(local_size_x = 64) in;

void main() {
  uint i = (first + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
  uint query = job.query_begin + i / job.heads, head = i % job.heads;
  if (query >= min(job.query_end, job.recorded)) return;
  float left = 1.0;
  if (allowed(job.mask, job.bits, query, 0)) {
    float sink = attention(head, query, 0);
    if (sink > 0.0) left = 1.0 - sink;
  }
  job.left.at[i] = left;
}
