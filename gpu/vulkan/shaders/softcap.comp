#version 460
// softcap.comp   c tanh(x / c) (Gemma 2, arXiv 2408.00118, section 2).
//   push  cap     f32, c
//         x, out  (n) f32
// Work     one invocation an element, 64 a group
// Numbers  absolute error 4e-7 c
#include "common.glsl"
#include "numbers.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Push { uint first, n; float cap; uint unused; Floats x, result; };

void main() {
  uint i = (first + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
  if (i < n) result.at[i] = cap * tanh_(x.at[i] / cap);
}
