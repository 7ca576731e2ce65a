#version 460
// linear.comp   y = x W^T + b for several rows. linear_one.comp is its twin for one row.
//   push  x       (rows, width) f32
//         matrix  (columns, width) in its storage type
//         bias    (columns) f32, read only when has_bias
//         y       (rows, columns) f32
// Work     one invocation makes a tile of 8 rows x 8 columns in registers; tiles run down the rows first, so that
//          neighbours read the same rows of the matrix; 64 tiles a group. Rows past the end repeat the last one.
// Numbers  f32; a row's sum has the same order whatever rows stand beside it
// Limits   rows * columns and columns * width below 2^31
#include "common.glsl"
#include "weights.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Push {
  uint first, rows, width, columns, has_bias, unused;
  Floats x; Words matrix; Floats bias, y;
};

// Numbers k .. k + 3 of a row of x; beyond the width they are 0.
vec4 four_of_x(uint row, uint k) {
  uint i = row * width + k;
  if (by_fours) return Quads(x).at[i >> 2];
  return vec4(x.at[i], k + 1 < width ? x.at[i + 1] : 0.0, k + 2 < width ? x.at[i + 2] : 0.0,
              k + 3 < width ? x.at[i + 3] : 0.0);
}

vec4 four_of_matrix(uint row, uint k) {
  uint i = row * width + k;
  if (by_fours) return four_elements(matrix, i);
  return vec4(element(matrix, i), k + 1 < width ? element(matrix, i + 1) : 0.0,
              k + 2 < width ? element(matrix, i + 2) : 0.0, k + 3 < width ? element(matrix, i + 3) : 0.0);
}

void main() {
  uint tile = (first + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
  uint row_tiles = (rows + 7) / 8;
  uint row = (tile % row_tiles) * 8, column = (tile / row_tiles) * 8;
  if (column >= columns) return;
  float sums[8][8];
  for (uint i = 0; i < 8; ++i)
    for (uint j = 0; j < 8; ++j) sums[i][j] = 0.0;
  for (uint k = 0; k < width; k += 4) {
    vec4 a[8];
    for (uint i = 0; i < 8; ++i) a[i] = four_of_x(min(row + i, rows - 1), k);
    for (uint j = 0; j < 8; ++j) {
      vec4 b = four_of_matrix(min(column + j, columns - 1), k);
      for (uint i = 0; i < 8; ++i) sums[i][j] += (a[i].x * b.x + a[i].y * b.y) + (a[i].z * b.z + a[i].w * b.w);
    }
  }
  for (uint j = 0; j < 8 && column + j < columns; ++j) {
    float b = has_bias != 0 ? bias.at[column + j] : 0.0;
    for (uint i = 0; i < 8 && row + i < rows; ++i) y.at[(row + i) * columns + column + j] = sums[i][j] + b;
  }
}
