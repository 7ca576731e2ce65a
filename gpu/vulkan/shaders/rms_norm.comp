#version 460
// rms_norm.comp   x / sqrt(mean(x^2) + eps) * (gain + offset) (Zhang & Sennrich 2019), by groups of a row: a head of a
// query, or the whole row.
//   push  x, out  (groups, width) f32
//         gain    (width) f32
// Work     one group of 64 for one group of values; invocation i takes values i, i + 64, ...
// Numbers  sums in a fixed order
#include "common.glsl"
#include "group_sum.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Push { uint first, width; float eps, offset; Floats x, gain, result; };

void main() {
  uint start = (first + gl_WorkGroupID.x) * width, lane = gl_LocalInvocationID.x;
  float squares = 0.0;
  for (uint c = lane; c < width; c += 64) squares += x.at[start + c] * x.at[start + c];
  float scale = 1.0 / sqrt(group_sum(squares) / float(width) + eps);
  for (uint c = lane; c < width; c += 64) result.at[start + c] = x.at[start + c] * scale * (gain.at[c] + offset);
}
