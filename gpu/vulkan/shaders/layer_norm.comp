#version 460
// layer_norm.comp   (x - mean) / sqrt(var + eps) * gain + bias, biased variance (Ba et al. 2016).
//   push  x, out  (rows, width) f32
//         gain    (width) f32
//         bias    (width) f32, read only when has_bias
// Work     one group of 64 a row; invocation i takes columns i, i + 64, ...
// Numbers  the mean first, then the squares of the differences; sums in a fixed order
#include "common.glsl"
#include "group_sum.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Push { uint first, width; float eps; uint has_bias; Floats x, gain, bias, result; };

void main() {
  uint row = (first + gl_WorkGroupID.x) * width, lane = gl_LocalInvocationID.x;
  float sum = 0.0;
  for (uint c = lane; c < width; c += 64) sum += x.at[row + c];
  float mean = group_sum(sum) / float(width);
  float squares = 0.0;
  for (uint c = lane; c < width; c += 64) {
    float d = x.at[row + c] - mean;
    squares += d * d;
  }
  float scale = 1.0 / sqrt(group_sum(squares) / float(width) + eps);
  for (uint c = lane; c < width; c += 64) {
    float y = (x.at[row + c] - mean) * scale * gain.at[c];
    result.at[row + c] = has_bias != 0 ? y + bias.at[c] : y;
  }
}
