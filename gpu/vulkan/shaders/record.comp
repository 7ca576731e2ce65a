#version 460
// record.comp   Dense rows into pages: what a tap keeps, and what a cache appends. gather.comp is its inverse.
//   push  from  (n / width, width) f32
//         to    page table; row 0 of `from` becomes row `row`
// Work   one invocation an element, 64 a group
#include "common.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Push { uint first, width, row, n; Floats from; Pages to; };

void main() {
  uint i = (first + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
  if (i >= n) return;
  uint target = row + i / width;
  to.at[target / page_rows].at[(target % page_rows) * width + i % width] = from.at[i];
}
