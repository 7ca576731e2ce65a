// weights.glsl   Elements of a weight matrix in its storage type, as float. Constants 0 and 1 of the pipeline: the type,
// and whether rows are multiples of four elements, so that four are one load.
layout(constant_id = 0) const uint storage = 0;  // 0 F32, 1 F16, 2 BF16
layout(constant_id = 1) const bool by_fours = false;

float element(Words w, uint i) {
  if (storage == 0) return uintBitsToFloat(w.at[i]);
  uint half_word = (i & 1) == 0 ? w.at[i >> 1] & 0xffffu : w.at[i >> 1] >> 16;
  return storage == 1 ? unpackHalf2x16(half_word).x : uintBitsToFloat(half_word << 16);
}

// Elements i .. i + 3; i is a multiple of 4.
vec4 four_elements(Words w, uint i) {
  if (storage == 0) return Quads(w).at[i >> 2];
  uvec2 pair = WordPairs(w).at[i >> 2];
  if (storage == 1) return vec4(unpackHalf2x16(pair.x), unpackHalf2x16(pair.y));
  return uintBitsToFloat(uvec4(pair.x << 16, pair.x & 0xffff0000u, pair.y << 16, pair.y & 0xffff0000u));
}
