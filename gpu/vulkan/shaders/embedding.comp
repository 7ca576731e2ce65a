#version 460
// embedding.comp   Rows of a table by ids.
//   push  ids    (T) i32, within the table
//         table  (rows, width) in its storage type
//         out    (T, width) f32
// Work   one invocation an element, 64 a group
#include "common.glsl"
#include "weights.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Push { uint first, width, n, unused; Words ids, table; Floats result; };

void main() {
  uint i = (first + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
  if (i >= n) return;
  result.at[i] = element(table, ids.at[i / width] * width + i % width);
}
