#version 460
// scale.comp   factor x.
//   push  factor  f32
//         x, out  (n) f32
// Work   one invocation an element, 64 a group
#include "common.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Push { uint first, n; float factor; uint unused; Floats x, result; };

void main() {
  uint i = (first + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
  if (i < n) result.at[i] = factor * x.at[i];
}
