#version 460
// gather.comp   Rows of pages, put together densely: for the head, and for reading back.
//   push  to    (n / width, width) f32
//         from  page table; row `row` becomes row 0 of `to`
// Work   one invocation an element, 64 a group
#include "common.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Push { uint first, width, row, n; Floats to; Pages from; };

void main() {
  uint i = (first + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
  if (i >= n) return;
  uint source = row + i / width;
  to.at[i] = from.at[source / page_rows].at[(source % page_rows) * width + i % width];
}
