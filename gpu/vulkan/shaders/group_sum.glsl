// group_sum.glsl   Sum over the 64 invocations of a group, the same in each: a tree of fixed order, so reruns are
// bit-identical. Every invocation must come here.
shared float partial[64];

float group_sum(float mine) {
  uint lane = gl_LocalInvocationID.x;
  partial[lane] = mine;
  barrier();
  for (uint stride = 32; stride > 0; stride >>= 1) {
    if (lane < stride) partial[lane] += partial[lane + stride];
    barrier();
  }
  float sum = partial[0];
  barrier();
  return sum;
}
