#version 460
// tanh.comp   tanh z.
// Numbers  absolute error 2e-7
#include "common.glsl"
#include "numbers.glsl"
float activate(float z) { return tanh_(z); }
#include "activation.glsl"
