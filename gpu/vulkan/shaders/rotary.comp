#version 460
// rotary.comp   Turns pairs of a head's dimensions by position (Su et al. 2021).
//   push  x, out  (n / width, heads * head_dim) f32, width numbers a row; not the same memory
//         turns   (n / width, 2, pairs) f32: cos, then sin, of each row
//         begin   first dimension that turns, of 2 * pairs; the others are taken over
// Work   one invocation an element, 64 a group
#include "common.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Push {
  uint first, n, width, head_dim, begin, pairs, interleaved, unused;
  Floats x, turns, result;
};

void main() {
  uint i = (first + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
  if (i >= n) return;
  uint d = i % width % head_dim - begin;  // huge for a dimension before `begin`
  if (d >= 2 * pairs) {
    result.at[i] = x.at[i];
    return;
  }
  bool left = interleaved != 0 ? d % 2 == 0 : d < pairs;
  uint pair = interleaved != 0 ? d / 2 : d % pairs, apart = interleaved != 0 ? 1 : pairs;
  uint at = i / width * 2 * pairs + pair;
  float c = turns.at[at], s = turns.at[at + pairs];
  result.at[i] = left ? x.at[i] * c - x.at[i + apart] * s : x.at[i] * c + x.at[i - apart] * s;
}
