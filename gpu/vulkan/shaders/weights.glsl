// weights.glsl   Elements of a weight matrix in its storage type, as float. Constants 0 and 1 of the pipeline: the type,
// and whether rows are multiples of four elements, so that four are one load. Blocks are laid out as engine/blocks.h
// says; their values are those of blocks_to_float(), bit for bit.
layout(constant_id = 0) const uint storage = 0;  // 0 F32, 1 F16, 2 BF16, 3 Q8_0, 4 Q4_0, 5 Q4_K, 6 Q6_K
layout(constant_id = 1) const bool by_fours = false;

// Blocks have even sizes and are aligned to no more: at an even byte, half a word or a whole one.
uint half_word(Words w, uint at) { return w.at[at >> 2] >> (at & 2) * 8 & 0xffffu; }
uint word(Words w, uint at) { return half_word(w, at) | half_word(w, at + 2) << 16; }
float half_float(Words w, uint at) { return unpackHalf2x16(half_word(w, at)).x; }
uint byte_of(Words w, uint at) { return half_word(w, at & ~1u) >> (at & 1) * 8 & 0xffu; }
int signed_byte(Words w, uint at) { return bitfieldExtract(int(byte_of(w, at)), 0, 8); }
ivec4 bytes(uint x) { return ivec4(x & 0xffu, x >> 8 & 0xffu, x >> 16 & 0xffu, x >> 24); }
ivec4 signed_bytes(uint x) {
  int y = int(x);
  return ivec4(bitfieldExtract(y, 0, 8), bitfieldExtract(y, 8, 8), bitfieldExtract(y, 16, 8), y >> 24);
}
ivec4 nibbles(uint x, bool high) { return bytes((high ? x >> 4 : x) & 0x0f0f0f0fu); }

vec4 four_of_q8_0(Words w, uint i) {
  uint at = i / 32 * 34;
  return half_float(w, at) * vec4(signed_bytes(word(w, at + 2 + i % 32)));
}

vec4 four_of_q4_0(Words w, uint i) {
  uint at = i / 32 * 18;
  return half_float(w, at) * vec4(nibbles(word(w, at + 2 + i % 16), i % 32 >= 16) - 8);
}

vec4 four_of_q4_k(Words w, uint i) {
  uint at = i / 256 * 144, s = i / 32 % 8, scales = at + 4, scale, least;
  if (s < 4) {
    scale = byte_of(w, scales + s) & 63;
    least = byte_of(w, scales + s + 4) & 63;
  } else {
    uint both = byte_of(w, scales + s + 4);
    scale = (both & 15) | byte_of(w, scales + s - 4) >> 6 << 4;
    least = both >> 4 | byte_of(w, scales + s) >> 6 << 4;
  }
  vec4 q = vec4(nibbles(word(w, at + 16 + s / 2 * 32 + i % 32), s % 2 != 0));
  return half_float(w, at) * float(scale) * q - half_float(w, at + 2) * float(least);
}

vec4 four_of_q6_k(Words w, uint i) {
  uint at = i / 256 * 210, part = i / 128 % 2, k = i / 32 % 4, l = i % 32;
  uint high = word(w, at + 128 + 32 * part + l) >> 2 * k & 0x03030303u;
  ivec4 q = (nibbles(word(w, at + 64 * part + l + 32 * (k & 1)), k >= 2) | bytes(high << 4)) - 32;
  return half_float(w, at + 208) * float(signed_byte(w, at + 192 + 8 * part + l / 16 + 2 * k)) * vec4(q);
}

// Elements i .. i + 3; i is a multiple of 4.
vec4 four_elements(Words w, uint i) {
  if (storage == 0) return Quads(w).at[i >> 2];
  if (storage == 3) return four_of_q8_0(w, i);
  if (storage == 4) return four_of_q4_0(w, i);
  if (storage == 5) return four_of_q4_k(w, i);
  if (storage == 6) return four_of_q6_k(w, i);
  uvec2 pair = WordPairs(w).at[i >> 2];
  if (storage == 1) return vec4(unpackHalf2x16(pair.x), unpackHalf2x16(pair.y));
  return uintBitsToFloat(uvec4(pair.x << 16, pair.x & 0xffff0000u, pair.y << 16, pair.y & 0xffff0000u));
}

float element(Words w, uint i) {
  if (storage == 0) return uintBitsToFloat(w.at[i]);
  if (storage > 2) return four_elements(w, i & ~3u)[i & 3];
  uint half_bits = (i & 1) == 0 ? w.at[i >> 1] & 0xffffu : w.at[i >> 1] >> 16;
  return storage == 1 ? unpackHalf2x16(half_bits).x : uintBitsToFloat(half_bits << 16);
}
