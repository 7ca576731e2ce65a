#version 460
// concat.comp   A row of a, then a row of b.
//   push  a    (n / (left + right), left) f32
//         b    (n / (left + right), right) f32
//         out  (n / (left + right), left + right) f32
// Work   one invocation an element, 64 a group
#include "common.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Push { uint first, n, left, right; Floats a, b, result; };

void main() {
  uint i = (first + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
  if (i >= n) return;
  uint row = i / (left + right), column = i % (left + right);
  result.at[i] = column < left ? a.at[row * left + column] : b.at[row * right + column - left];
}
