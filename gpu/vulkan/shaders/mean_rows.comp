#version 460
// mean_rows.comp   Mean over the rows.
//   push  x    (rows, width) f32
//         out  (1, width) f32
// Work   one invocation a column, 64 a group; rows are added in order
#include "common.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Push { uint first, width, rows, unused; Floats x, result; };

void main() {
  uint column = (first + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
  if (column >= width) return;
  float sum = 0.0;
  for (uint row = 0; row < rows; ++row) sum += x.at[row * width + column];
  result.at[column] = sum / float(rows);
}
