#version 460
// gelu_erf.comp   z/2 (1 + erf(z / sqrt 2)) (Hendrycks & Gimpel 2016).
// Numbers  absolute error 4e-7 times max(1, |z|)
#include "common.glsl"
#include "numbers.glsl"
float activate(float z) { return 0.5 * z * one_plus_erf(z * 0.70710678); }
#include "activation.glsl"
