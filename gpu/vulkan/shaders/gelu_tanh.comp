#version 460
// gelu_tanh.comp   z/2 (1 + tanh(sqrt(2/pi) (z + 0.044715 z^3))) (Hendrycks & Gimpel 2016).
// Numbers  absolute error 4e-7 times max(1, |z|)
#include "common.glsl"
#include "numbers.glsl"
float activate(float z) { return 0.5 * z * (1.0 + tanh_(0.79788456 * (z + 0.044715 * z * z * z))); }
#include "activation.glsl"
