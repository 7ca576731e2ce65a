// One register of floats of the level being compiled, and the few functions on it. Included by kernels.cpp only, inside
// its anonymous namespace. GCC's vector types do the plain arithmetic; intrinsics stand where the language has no word.

#if defined(__AVX512F__)
constexpr int lanes = 16;
#elif defined(__AVX2__)
constexpr int lanes = 8;
#else
constexpr int lanes = 4;
#endif
typedef float Vec __attribute__((vector_size(lanes * 4)));
typedef int32_t IVec __attribute__((vector_size(lanes * 4)));
typedef uint32_t UVec __attribute__((vector_size(lanes * 4)));
typedef uint16_t HalfVec __attribute__((vector_size(lanes * 2)));

inline Vec splat(float x) { return Vec{} + x; }
inline Vec load(const float* p) {
  Vec v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
inline void store(float* p, Vec v) { __builtin_memcpy(p, &v, sizeof v); }
/// The first n < lanes floats; zeros after them.
inline Vec load_part(const float* p, int64_t n) {
  Vec v{};
  for (int64_t i = 0; i < n; ++i) v[i] = p[i];
  return v;
}
inline void store_part(float* p, Vec v, int64_t n) {
  for (int64_t i = 0; i < n; ++i) p[i] = v[i];
}

/// The second one when either is NaN: max(limit, x) keeps a NaN of x.
inline Vec max(Vec a, Vec b) { return a > b ? a : b; }
inline Vec min(Vec a, Vec b) { return a < b ? a : b; }
inline Vec abs(Vec a) { return (Vec)((UVec)a & 0x7fffffffu); }

/// a * b + c, in one rounding where the level can.
inline Vec mul_add(Vec a, Vec b, Vec c) {
#if defined(__AVX512F__)
  return (Vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__FMA__)
  return (Vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
  return a * b + c;
#endif
}

/// The upper half of the lanes added to the lower, down to four.
inline __m128 fold(Vec v) {
#if defined(__AVX512F__)
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256((__m512)v), _mm512_extractf32x8_ps((__m512)v, 1));
#elif defined(__AVX2__)
  const __m256 half = (__m256)v;
#endif
#if defined(__AVX2__)
  return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
#else
  return (__m128)v;
#endif
}

/// Sum of all lanes; sum_four gives the same bits for each of four registers.
inline float sum(Vec v) {
  const __m128 four = fold(v);
  return (four[0] + four[2]) + (four[1] + four[3]);
}
inline void sum_four(const Vec* v, float* out) {
  __m128 a = fold(v[0]), b = fold(v[1]), c = fold(v[2]), d = fold(v[3]);
  _MM_TRANSPOSE4_PS(a, b, c, d);
  _mm_storeu_ps(out, (a + c) + (b + d));
}
/// Largest of all lanes.
inline float largest(Vec v) {
  float part[lanes];
  __builtin_memcpy(part, &v, sizeof v);
  for (int n = lanes / 2; n > 0; n /= 2)
    for (int i = 0; i < n; ++i) part[i] = part[i] > part[i + n] ? part[i] : part[i + n];
  return part[0];
}

/// Polynomial in x, the constant first.
template <int n>
inline Vec polynomial(const float (&c)[n], Vec x) {
  Vec y = splat(c[n - 1]);
  for (int i = n - 2; i >= 0; --i) y = mul_add(y, x, splat(c[i]));
  return y;
}

/// e^x = 2^n e^r with |r| <= ln 2 / 2 and a minimax polynomial of our own fit. Flushes to 0 below -87.3; x is cut
/// at 88.
inline Vec exp(Vec x) {
  static const float c[] = {1.0f, 1.0f, 0.49999991059f, 0.16666419804f, 0.0416682251f, 0.00837481581f, 0.00138368423f};
  const Vec magic = splat(12582912.f);  // 1.5 * 2^23: adding it rounds to a whole number
  const Vec inside = min(splat(88.f), max(splat(-87.3f), x));
  const Vec shifted = mul_add(inside, splat(1.44269504f), magic);
  const Vec n = shifted - magic;
  Vec r = mul_add(n, splat(-0.693145752f), inside);  // ln 2 in two parts: the first has few bits
  r = mul_add(n, splat(-1.42860677e-6f), r);
  const IVec exponent = ((IVec)shifted - (IVec)magic + 127) << 23;
  const Vec y = polynomial(c, r) * (Vec)exponent;
  return x < splat(-87.3f) ? Vec{} : y;
}

/// The weight types: `lanes` values as floats from memory of any alignment, and one value.
template <WeightType type>
struct Stored;

template <>
struct Stored<WeightType::F32> {
  using T = float;
  static Vec vec(const float* p) { return load(p); }
  static float one(const float* p) { return *p; }
};

template <>
struct Stored<WeightType::BF16> {
  using T = uint16_t;
  static Vec vec(const uint16_t* p) {
    HalfVec h;
    __builtin_memcpy(&h, p, sizeof h);
    return (Vec)(__builtin_convertvector(h, UVec) << 16);
  }
  static float one(const uint16_t* p) {
    const uint32_t bits = static_cast<uint32_t>(*p) << 16;
    float x;
    __builtin_memcpy(&x, &bits, sizeof x);
    return x;
  }
};

template <>
struct Stored<WeightType::F16> {
  using T = uint16_t;
  static Vec vec(const uint16_t* p) {
    HalfVec h;
    __builtin_memcpy(&h, p, sizeof h);
#if defined(__AVX512F__)
    return (Vec)_mm512_maskz_cvtph_ps(0xffff, (__m256i)h);
#elif defined(__F16C__)
    return (Vec)_mm256_cvtph_ps((__m128i)h);
#else
    // Exponent and fraction moved into place are the value times 2^-112, subnormals included.
    const UVec bits = __builtin_convertvector(h, UVec);
    const UVec magnitude = (bits & 0x7fffu) << 13;
    const Vec finite = (Vec)magnitude * 0x1p112f;
    const UVec value = magnitude >= 0x0f800000u ? magnitude | 0x7f800000u : (UVec)finite;
    return (Vec)(value | (bits & 0x8000u) << 16);
#endif
  }
  static float one(const uint16_t* p) {
    uint16_t padded[lanes] = {*p};
    return vec(padded)[0];
  }
};
