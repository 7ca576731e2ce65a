// Weights in blocks, decoded in registers: 32 neighbours of a row at a time, whatever the block. The layouts are those
// of engine/blocks.h, and so are the values, exactly. Included by kernels.cpp only, inside its anonymous namespace.

constexpr int unit = 32;             // elements decoded together
constexpr int parts = unit / lanes;  // registers that hold them

/// `lanes` bytes as whole numbers.
inline IVec widen_signed(const uint8_t* p) {
#if defined(__AVX512F__)
  return (IVec)_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
#elif defined(__AVX2__)
  return (IVec)_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
#else
  int32_t four;
  __builtin_memcpy(&four, p, sizeof four);
  const __m128i twice = _mm_unpacklo_epi8(_mm_setzero_si128(), _mm_cvtsi32_si128(four));
  return (IVec)_mm_srai_epi32(_mm_unpacklo_epi16(_mm_setzero_si128(), twice), 24);
#endif
}
inline UVec widen(const uint8_t* p) {
#if defined(__AVX512F__)
  return (UVec)_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
#elif defined(__AVX2__)
  return (UVec)_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
#else
  int32_t four;
  __builtin_memcpy(&four, p, sizeof four);
  const __m128i twice = _mm_unpacklo_epi8(_mm_cvtsi32_si128(four), _mm_setzero_si128());
  return (UVec)_mm_unpacklo_epi16(twice, _mm_setzero_si128());
#endif
}
inline Vec whole(IVec v) { return __builtin_convertvector(v, Vec); }

/// The half at p, which is aligned to nothing.
inline float half_at(const uint8_t* p) {
  uint16_t bits;
  __builtin_memcpy(&bits, p, sizeof bits);
#if defined(__F16C__)
  return _cvtsh_ss(bits);
#else
  return Stored<WeightType::F16>::one(&bits);
#endif
}

/// A block type: `width` elements in `bytes` bytes; decode() gives elements [unit s, unit s + unit) of a block.
template <WeightType type>
struct Blocks;

template <>
struct Blocks<WeightType::Q8_0> {
  static constexpr int64_t width = 32, bytes = 34;
  static void decode(const uint8_t* block, int, Vec* out) {
    const Vec d = splat(half_at(block));
    for (int k = 0; k < parts; ++k) out[k] = d * whole(widen_signed(block + 2 + k * lanes));
  }
};

template <>
struct Blocks<WeightType::Q4_0> {
  static constexpr int64_t width = 32, bytes = 18;
  static void decode(const uint8_t* block, int, Vec* out) {
    const Vec d = splat(half_at(block));
    for (int k = 0; k < parts / 2; ++k) {
      const UVec two = widen(block + 2 + k * lanes);
      out[k] = d * whole((IVec)(two & 15u) - 8);
      out[k + parts / 2] = d * whole((IVec)(two >> 4) - 8);
    }
  }
};

template <>
struct Blocks<WeightType::Q4_K> {
  static constexpr int64_t width = 256, bytes = 144;
  static void decode(const uint8_t* block, int s, Vec* out) {
    const uint8_t* sc = block + 4;  // twelve bytes of six-bit scales and minima
    const int scale = s < 4 ? sc[s] & 63 : (sc[s + 4] & 15) | (sc[s - 4] >> 6) << 4;
    const int least = s < 4 ? sc[s + 4] & 63 : sc[s + 4] >> 4 | (sc[s] >> 6) << 4;
    const Vec d = splat(half_at(block) * static_cast<float>(scale));
    const Vec offset = splat(half_at(block + 2) * static_cast<float>(least));
    const uint8_t* chunk = block + 16 + 32 * (s / 2);
    for (int k = 0; k < parts; ++k) {
      const UVec two = widen(chunk + k * lanes);
      out[k] = d * whole((IVec)(s % 2 == 0 ? two & 15u : two >> 4)) - offset;
    }
  }
};

template <>
struct Blocks<WeightType::Q6_K> {
  static constexpr int64_t width = 256, bytes = 210;
  static void decode(const uint8_t* block, int s, Vec* out) {
    const int half = s / 4, k = s % 4;  // quarters of a half: the low nibbles of 64 bytes, then their high nibbles
    const uint8_t *low = block + 64 * half + 32 * (k & 1), *high = block + 128 + 32 * half;
    const uint8_t* scales = block + 192 + 8 * half + 2 * k;
    const float d = half_at(block + 208);
    for (int p = 0; p < parts; ++p) {
      const UVec four = widen(low + p * lanes), two = widen(high + p * lanes) >> (2 * k) & 3u;
      const IVec q = (IVec)((k < 2 ? four & 15u : four >> 4) | two << 4) - 32;
      out[p] = splat(d * static_cast<float>(static_cast<int8_t>(scales[p * lanes / 16]))) * whole(q);
    }
  }
};

/// n elements, whole blocks, as floats.
template <WeightType type>
void decode_blocks(const uint8_t* block, int64_t n, float* out) {
  using B = Blocks<type>;
  for (int64_t at = 0; at < n; at += B::width, block += B::bytes)
#pragma GCC unroll 8
    for (int s = 0; s < B::width / unit; ++s) {
      Vec values[parts];
      B::decode(block, s, values);
      for (int k = 0; k < parts; ++k) store(out + at + s * unit + k * lanes, values[k]);
    }
}

/// One row of weights times R rows of x: out[r * out_stride] = w . x[r]. Chains of sums enough to keep both units busy.
template <WeightType type, int R>
inline void block_dots(const float* x, int64_t x_stride, const uint8_t* block, int64_t n, float* out,
                       int64_t out_stride) {
  using B = Blocks<type>;
  constexpr int chains = R > 1 ? 1 : 4;
  Vec total[R][chains] = {};
  for (int64_t at = 0; at < n; at += B::width, block += B::bytes) {
    __builtin_prefetch(block + 1024);
#pragma GCC unroll 8
    for (int s = 0; s < B::width / unit; ++s) {
      Vec weights[parts];
      B::decode(block, s, weights);
      const float* from = x + at + s * unit;
      for (int r = 0; r < R; ++r)
        for (int k = 0; k < parts; ++k) {
          Vec& chain = total[r][k % chains];
          chain = mul_add(load(from + r * x_stride + k * lanes), weights[k], chain);
        }
    }
  }
  for (int r = 0; r < R; ++r) {
    Vec all = total[r][0];
    for (int c = 1; c < chains; ++c) all += total[r][c];
    out[r * out_stride] = sum(all);
  }
}

template <WeightType type>
void linear_few_blocks(const float* x, int64_t rows, const WeightMatrix& w, int64_t out_begin, int64_t out_end,
                       float* y) {
  const int64_t in = w.cols, out = w.rows;
  const auto* row = static_cast<const uint8_t*>(w.data) + stored_bytes(type, out_begin * in);
  for (int64_t o = out_begin; o < out_end; ++o, row += stored_bytes(type, in)) {
    int64_t t = 0;
    for (; t + 4 <= rows; t += 4) block_dots<type, 4>(x + t * in, in, row, in, y + t * out + o, out);
    for (; t < rows; ++t) block_dots<type, 1>(x + t * in, in, row, in, y + t * out + o, out);
  }
}
