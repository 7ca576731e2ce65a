#version 460
// relu.comp   max(z, 0); NaN stays NaN.
// Numbers  exact
#include "common.glsl"
#include "numbers.glsl"
float activate(float z) { return z < 0.0 ? 0.0 : z; }
#include "activation.glsl"
