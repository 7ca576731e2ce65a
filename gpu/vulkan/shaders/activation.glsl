// activation.glsl   Body of the activations: the including file defines activate().
//   push  x, out  (n) f32
// Work   one invocation an element, 64 a group
layout(local_size_x = 64) in;
layout(push_constant) uniform Push { uint first, n; Floats x, result; };

void main() {
  uint i = (first + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
  if (i < n) result.at[i] = activate(x.at[i]);
}
