#version 460
// mul.comp   out = a * b, element by element.
//   push  a, b, out  (n) f32
// Work   one invocation an element, 64 a group
#include "common.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Push { uint first, n; Floats a, b, result; };

void main() {
  uint i = (first + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
  if (i < n) result.at[i] = a.at[i] * b.at[i];
}
