#version 460
// silu.comp   z / (1 + e^-z) (Elfwing et al. 2017).
// Numbers  absolute error 4e-7 times max(1, |z|)
#include "common.glsl"
#include "numbers.glsl"
float activate(float z) { return z / (1.0 + exp_(-z)); }
#include "activation.glsl"
