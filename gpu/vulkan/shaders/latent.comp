#version 460
// latent.comp   A head's part of a latent projection (DeepSeek-V2, arXiv 2405.04434, section 2.1): latent_query,
// latent_value, expand_keys and expand_values. With m = out_head - turned numbers made a head:
//   push  x       page table of rows of in_width f32; head h reads `inner` numbers from h * in_head on, then `turned`
//                 rotary ones, which are taken over as they are
//         matrix  (heads * m, inner), or (heads * inner, m) when transposed, in its storage type
//         y       (rows, heads * out_head) f32
// Work     one invocation an element, 64 a group
// Numbers  f32; sums in a fixed order
#include "common.glsl"
#include "weights.glsl"
layout(local_size_x = 64) in;
layout(constant_id = 2) const bool transposed = false;
layout(push_constant) uniform Push {
  uint first, rows, heads, inner, in_width, in_head, out_head, turned;
  Pages x; Words matrix; Floats y;
};

void main() {
  uint i = (first + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
  if (i >= rows * heads * out_head) return;
  uint column = i % out_head, head = i / out_head % heads, row = i / (out_head * heads), made = out_head - turned;
  Floats from = x.at[row / page_rows];
  uint at = row % page_rows * in_width + head * in_head;
  if (column >= made) {
    y.at[i] = from.at[at + inner + column - made];
    return;
  }
  float sum = 0.0;
  if (transposed) {
    uint w = head * inner * made + column;
    for (uint k = 0; k < inner; ++k) sum += from.at[at + k] * element(matrix, w + k * made);
  } else {
    uint w = (head * made + column) * inner;
    if (by_fours) {
      for (uint k = 0; k < inner; k += 4) {
        vec4 a = Quads(from).at[(at + k) / 4], b = four_elements(matrix, w + k);
        sum += (a.x * b.x + a.y * b.y) + (a.z * b.z + a.w * b.w);
      }
    } else {
      for (uint k = 0; k < inner; ++k) sum += from.at[at + k] * element(matrix, w + k);
    }
  }
  y.at[i] = sum;
}
