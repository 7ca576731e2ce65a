#version 460
// heat.frag   Colours of an attention tile, straight from the device buffer in which it was computed.
//   A pixel belongs to the cell under its centre, so cells end on pixel edges. Masked cells (-1) are hatched on nothing,
//   cells not computed (-2) are dotted, NaN and infinity have the error colour; hatch and dots are counted from the
//   target's corner, so that neighbouring maps join.
#include "heat.glsl"
layout(location = 0) out vec4 color;

uvec2 cell_of(vec2 pixel) {
  vec2 place = (pixel - vec2(left, top)) / vec2(width, height) * vec2(columns, rows);
  return uvec2(clamp(place, vec2(0.0), vec2(columns - 1, rows - 1)));
}

void main() {
  vec2 pixel = gl_FragCoord.xy;
  uvec2 cell = cell_of(pixel);
  float value = values.at[cell.y * columns + cell.x];
  uint bits = floatBitsToUint(value) & 0x7fffffffu;
  if (bits >= 0x7f800000u) {
    color = unpackUnorm4x8(error);
    return;
  }
  float line = max(1.0, pitch / 6.0);
  vec2 whole = floor(pixel);
  if (value == -1.0) {
    if (mod(whole.x + whole.y, pitch) >= line) discard;
    color = unpackUnorm4x8(hatch);
    return;
  }
  if (value < 0.0) {
    if (mod(whole.x, pitch) >= line || mod(whole.y, pitch) >= line) discard;
    color = unpackUnorm4x8(dots);
    return;
  }
  if (gap > 0.0 && (cell_of(pixel + vec2(gap, 0.0)).x != cell.x || cell_of(pixel + vec2(0.0, gap)).y != cell.y ||
                    pixel.x + gap > left + width || pixel.y + gap > top + height)) discard;
  float place;
  if (scale == 2) {
    place = value <= 1e-6 ? 0.0 : (log2(value) * 0.30103 + 6.0) / 6.0;
  } else {
    float peak = scale == 0 ? row_max.at[cell.y] : map_max.at[0];
    place = peak > 0.0 ? value / peak : 0.0;
  }
  place = clamp(place, 0.0, 1.0) * 10.0;
  uint stop = min(uint(place), 9u);
  color = mix(unpackUnorm4x8(palette[stop]), unpackUnorm4x8(palette[stop + 1]), place - float(stop));
}
