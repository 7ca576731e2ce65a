#version 460
// heat.vert   The rectangle of a heat map as two triangles, without a vertex buffer.
#include "heat.glsl"

void main() {
  vec2 corner = vec2(gl_VertexIndex & 1, gl_VertexIndex >> 1);
  vec2 pixel = vec2(left, top) + corner * vec2(width, height);
  gl_Position = vec4(pixel * 2.0 / vec2(target_width, target_height) - 1.0, 0.0, 1.0);
}
