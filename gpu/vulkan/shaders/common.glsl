// common.glsl   What every compute shader here shares: data is reached by 64-bit addresses in the push constants, and
// long dispatches are cut along x, so group number x is first + gl_WorkGroupID.x.
#extension GL_EXT_buffer_reference : require

layout(buffer_reference, std430, buffer_reference_align = 4) buffer Floats { float at[]; };
layout(buffer_reference, std430, buffer_reference_align = 16) readonly buffer Quads { vec4 at[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) readonly buffer Words { uint at[]; };
layout(buffer_reference, std430, buffer_reference_align = 8) readonly buffer WordPairs { uvec2 at[]; };
// A page table: entry p holds rows 16 p .. 16 p + 15, row-major, one after another.
layout(buffer_reference, std430, buffer_reference_align = 8) readonly buffer Pages { Floats at[]; };

const uint page_rows = 16;
#define minus_infinity uintBitsToFloat(0xff800000u)

bool is_nan(float x) { return (floatBitsToUint(x) & 0x7fffffffu) > 0x7f800000u; }
