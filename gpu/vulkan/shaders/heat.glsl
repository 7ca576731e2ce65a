// heat.glsl   Push constants of the heat map, the same in both stages. Colours: R in the lowest byte.
#extension GL_EXT_buffer_reference : require
layout(buffer_reference, std430, buffer_reference_align = 4) readonly buffer Floats { float at[]; };
layout(push_constant) uniform Push {
  Floats values;                     // (rows, columns) f32
  Floats row_max;                    // (rows) f32
  Floats map_max;                    // (1) f32
  float left, top, width, height;    // of all cells together, in pixels
  float target_width, target_height;
  uint rows, columns;
  uint palette[11];
  uint hatch, dots, error;
  uint scale;                        // 0 by the row's maximum, 1 by the map's, 2 logarithmic
  float pitch;                       // of the hatch, in pixels
  float gap;                         // pixels left free at the right and lower edge of a cell
};
