#version 460
// unit_length.comp   x / max(|x|, 1e-12) per row.
//   push  x, out  (rows, width) f32
// Work   one group of 64 a row
#include "common.glsl"
#include "group_sum.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Push { uint first, width; Floats x, result; };

void main() {
  uint row = (first + gl_WorkGroupID.x) * width, lane = gl_LocalInvocationID.x;
  float squares = 0.0;
  for (uint c = lane; c < width; c += 64) squares += x.at[row + c] * x.at[row + c];
  float scale = 1.0 / max(sqrt(group_sum(squares)), 1e-12);
  for (uint c = lane; c < width; c += 64) result.at[row + c] = x.at[row + c] * scale;
}
