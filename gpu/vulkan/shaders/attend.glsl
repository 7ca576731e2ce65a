// attend.glsl   Push constants of the two attention shaders, what becomes of a score, and which keys a query can see at
// most.
layout(push_constant) uniform Push {
  uint first, rows, past, keys, heads, kv_heads, head_dim, value_dim, v_stride;
  float scale, softcap;
  uint has_lse, bias_stride, bias_zero;
  MaskData mask;
  Floats q; Pages k, v; Floats context, lse; Words bits; Floats bias;
};

// softcap(scale q k^T) + bias; query and key are positions.
float shaped(float dot_product, uint head, uint query, uint key) {
  float score = scale * dot_product;
  if (softcap != 0.0) score = softcap * tanh_(score / softcap);
  if (bias_stride != 0) score += bias.at[head * bias_stride + (key + bias_zero - query)];
  return score;
}

// Cells outside [first_key, last_key) are masked; cells inside may be, too. Skipping them changes no bit.
uint first_key(uint query) { return mask.kind == 3 && query + 1 > mask.n ? query + 1 - mask.n : 0; }
uint last_key(uint query) {
  if (mask.kind == 0 || mask.kind == 3) return min(keys, query + 1);
  if (mask.kind == 2) return min(keys, max(query + 1, mask.n));
  return keys;
}
