#version 460
// linear_one.comp   y = x W^T + b for one row: a matrix is read once, so reading it is all the work.
//   push  as linear.comp, rows is 1
// Work     eight invocations share a column, side by side in memory; eight columns a group of 64
// Shared   64 floats: each column's eight parts, added in order
#include "common.glsl"
#include "weights.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Push {
  uint first, rows, width, columns, has_bias, unused;
  Floats x; Words matrix; Floats bias, y;
};
shared float parts[64];

void main() {
  uint lane = gl_LocalInvocationID.x, part = lane % 8;
  uint column = (first + gl_WorkGroupID.x) * 8 + lane / 8;
  float sum = 0.0;
  if (column < columns) {
    uint start = column * width;
    if (by_fours) {
      for (uint k = part; k < width / 4; k += 8) {
        vec4 a = Quads(x).at[k], b = four_elements(matrix, start + 4 * k);
        sum += (a.x * b.x + a.y * b.y) + (a.z * b.z + a.w * b.w);
      }
    } else {
      for (uint k = part; k < width; k += 8) sum += x.at[k] * element(matrix, start + k);
    }
  }
  parts[lane] = sum;
  barrier();
  if (part != 0 || column >= columns) return;
  float total = 0.0;
  for (uint i = 0; i < 8; ++i) total += parts[lane + i];
  y.at[column] = has_bias != 0 ? total + bias.at[column] : total;
}
