#version 460
// triangles.frag   The triangle's colour times the texture's alpha.
layout(location = 0) in vec2 uv;
layout(location = 1) in vec4 tint;
layout(location = 0) out vec4 color;
layout(set = 0, binding = 0) uniform sampler2D alpha;

void main() { color = vec4(tint.rgb, tint.a * texture(alpha, uv).r); }
