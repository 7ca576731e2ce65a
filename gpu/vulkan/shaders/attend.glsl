// attend.glsl   Push constants of the two attention shaders, and which keys a query can see at most.
layout(push_constant) uniform Push {
  uint first, rows, past, keys, heads, kv_heads, head_dim;
  float scale;
  uint has_lse, unused;
  MaskData mask;
  Floats q; Pages k, v; Floats context, lse; Words bits;
};

// Cells outside [first_key, last_key) are masked; cells inside may be, too. Skipping them changes no bit.
uint first_key(uint query) { return mask.kind == 3 && query + 1 > mask.n ? query + 1 - mask.n : 0; }
uint last_key(uint query) {
  if (mask.kind == 0 || mask.kind == 3) return min(keys, query + 1);
  if (mask.kind == 2) return min(keys, max(query + 1, mask.n));
  return keys;
}
