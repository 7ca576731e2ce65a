#version 460
// triangles.vert   Textured triangles in pixels, as Dear ImGui lists them.
layout(location = 0) in vec2 pixel;
layout(location = 1) in vec2 texel;
layout(location = 2) in vec4 rgba;
layout(location = 0) out vec2 uv;
layout(location = 1) out vec4 tint;
layout(push_constant) uniform Push { float target_width, target_height; };

void main() {
  uv = texel;
  tint = rgba;
  gl_Position = vec4(pixel * 2.0 / vec2(target_width, target_height) - 1.0, 0.0, 1.0);
}
