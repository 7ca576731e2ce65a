// Kernels that walk over rows or single values. Included by kernels.cpp only, inside its anonymous namespace.

/// out[i] = f(x[i]); every value goes through the same vector code wherever it stands.
template <class F>
inline void map_values(const float* x, int64_t n, float* out, F f) {
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) store(out + i, f(load(x + i)));
  if (i < n) store_part(out + i, f(load_part(x + i, n - i)), n - i);
}

void exp_values(const float* x, int64_t n, float* out) {
  map_values(x, n, out, [](Vec z) { return exp(z); });
}

/// z Phi(z), with Phi(-|z|) = e^(-a^2) erfcx(a) / 2 and a = |z| / sqrt 2. erfcx is a polynomial of our own fit in
/// (a - 3) / (a + 3) on [0, 10].
void gelu_erf(const float* x, int64_t n, float* out) {
  static const float c[] = {0.179001151f,     -0.326233564f,   0.245603799f,   -0.150115782f,
                            0.071665847f,     -0.0243942446f,  0.00426896571f, 0.000715844853f,
                            -0.000594688775f, 2.86252689e-05f, 5.58076713e-05f};
  map_values(x, n, out, [](Vec z) {
    const Vec a = min(splat(10.f), abs(z) * splat(0.70710678f));
    const Vec erfcx = polynomial(c, (a - 3.f) / (a + 3.f));
    const Vec tail = splat(0.5f) * exp(-a * a) * erfcx;  // Phi(-|z|)
    return z * (z > 0.f ? 1.f - tail : tail);
  });
}

/// z/2 (1 + tanh u) = z / (1 + e^(-2u)).
void gelu_tanh(const float* x, int64_t n, float* out) {
  map_values(x, n, out, [](Vec z) {
    const Vec u = splat(0.79788456f) * (z + splat(0.044715f) * z * z * z);
    return z / (1.f + exp(-2.f * u));
  });
}

void relu(const float* x, int64_t n, float* out) {
  map_values(x, n, out, [](Vec z) { return max(Vec{}, z); });
}

/// 1 - 2 / (e^(2|x|) + 1), and near zero, where that cancels, an odd polynomial of our own fit.
void tanh_values(const float* x, int64_t n, float* out) {
  static const float c[] = {0.999999996f, -0.333332606f, 0.133311287f, -0.0537211353f, 0.0205911604f, -0.00566014899f};
  map_values(x, n, out, [](Vec z) {
    const Vec size = abs(z);
    const Vec far = 1.f - 2.f / (exp(min(splat(20.f), size) * 2.f) + 1.f);
    const Vec near = z * polynomial(c, z * z);
    return size < 0.625f ? near : (z < 0.f ? -far : far);
  });
}

void add(const float* a, const float* b, int64_t n, float* out) {
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) store(out + i, load(a + i) + load(b + i));
  for (; i < n; ++i) out[i] = a[i] + b[i];
}

void mul(const float* a, const float* b, int64_t n, float* out) {
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) store(out + i, load(a + i) * load(b + i));
  for (; i < n; ++i) out[i] = a[i] * b[i];
}

void scale_values(const float* x, float factor, int64_t n, float* out) {
  map_values(x, n, out, [=](Vec z) { return z * factor; });
}

/// z sigma(z). Below -87 the exponential ends at a number so large that the quotient is zero all the same.
void silu(const float* x, int64_t n, float* out) {
  map_values(x, n, out, [](Vec z) { return z / (1.f + exp(-z)); });
}

void softcap(const float* x, float cap, int64_t n, float* out) {
  scale_values(x, 1 / cap, n, out);
  tanh_values(out, n, out);
  scale_values(out, cap, n, out);
}

void rotary(const float* x, const float* cos_sin, int64_t heads, int64_t head_dim, int64_t begin, int64_t half,
            bool interleaved, float* out) {
  const float *cos = cos_sin, *sin = cos_sin + half;
  const int64_t step = interleaved ? 2 : 1, apart = interleaved ? 1 : half;
  for (int64_t head = 0; head < heads; ++head, x += head_dim, out += head_dim) {
    for (int64_t d = 0; d < begin; ++d) out[d] = x[d];
    for (int64_t d = begin + 2 * half; d < head_dim; ++d) out[d] = x[d];
    for (int64_t k = 0; k < half; ++k) {
      const int64_t i = begin + k * step, j = i + apart;
      const float a = x[i], b = x[j];
      out[i] = a * cos[k] - b * sin[k];
      out[j] = b * cos[k] + a * sin[k];
    }
  }
}

/// Sum of f(x[i], i) in `lanes` partial sums.
template <class F>
inline float sum_values(const float* x, int64_t n, F f) {
  Vec total{};
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) total += f(load(x + i));
  if (i < n) {
    const Vec last = f(load_part(x + i, n - i));
    for (int64_t k = 0; k < n - i; ++k) total[k] += last[k];
  }
  return sum(total);
}

void layer_norm(const float* x, const float* gain, const float* bias, float eps, int64_t rows, int64_t width,
                float* out) {
  for (int64_t row = 0; row < rows; ++row, x += width, out += width) {
    const float mean = sum_values(x, width, [](Vec v) { return v; }) / static_cast<float>(width);
    const float variance =
        sum_values(x, width, [=](Vec v) { return (v - mean) * (v - mean); }) / static_cast<float>(width);
    const float scale = 1.f / __builtin_sqrtf(variance + eps);
    int64_t i = 0;
    for (; i + lanes <= width; i += lanes) {
      const Vec y = (load(x + i) - mean) * scale * load(gain + i);
      store(out + i, bias ? y + load(bias + i) : y);
    }
    for (; i < width; ++i) out[i] = (x[i] - mean) * scale * gain[i] + (bias ? bias[i] : 0.f);
  }
}

void rms_norm(const float* x, const float* gain, float offset, float eps, int64_t groups, int64_t width, float* out) {
  for (int64_t group = 0; group < groups; ++group, x += width, out += width) {
    const float mean = sum_values(x, width, [](Vec v) { return v * v; }) / static_cast<float>(width);
    const float scale = 1.f / __builtin_sqrtf(mean + eps);
    int64_t i = 0;
    for (; i + lanes <= width; i += lanes) store(out + i, load(x + i) * scale * (load(gain + i) + offset));
    for (; i < width; ++i) out[i] = x[i] * scale * (gain[i] + offset);
  }
}

void mean_rows(const float* x, int64_t rows, int64_t width, float* out) {
  for (int64_t i = 0; i < width; ++i) out[i] = 0;
  for (int64_t row = 0; row < rows; ++row) add(out, x + row * width, width, out);
  for (int64_t i = 0; i < width; ++i) out[i] /= static_cast<float>(rows);
}

void unit_length(const float* x, int64_t rows, int64_t width, float* out) {
  for (int64_t row = 0; row < rows; ++row, x += width, out += width) {
    const float length = __builtin_sqrtf(sum_values(x, width, [](Vec v) { return v * v; }));
    const float divisor = length > 1e-12f ? length : 1e-12f;
    for (int64_t i = 0; i < width; ++i) out[i] = x[i] / divisor;
  }
}

/// n stored values as floats.
template <WeightType type>
void decode(const void* data, int64_t begin, int64_t n, float* out) {
  const auto* p = static_cast<const typename Stored<type>::T*>(data) + begin;
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) store(out + i, Stored<type>::vec(p + i));
  for (; i < n; ++i) out[i] = Stored<type>::one(p + i);
}

/// Elements [begin, begin + n) of a matrix as floats; whole blocks of a block type.
void decode(const WeightMatrix& w, int64_t begin, int64_t n, float* out) {
  const auto* blocks = static_cast<const uint8_t*>(w.data) + stored_bytes(w.type, begin);
  switch (w.type) {
    case WeightType::F32:
      return decode<WeightType::F32>(w.data, begin, n, out);
    case WeightType::F16:
      return decode<WeightType::F16>(w.data, begin, n, out);
    case WeightType::BF16:
      return decode<WeightType::BF16>(w.data, begin, n, out);
    case WeightType::Q8_0:
      return decode_blocks<WeightType::Q8_0>(blocks, n, out);
    case WeightType::Q4_0:
      return decode_blocks<WeightType::Q4_0>(blocks, n, out);
    case WeightType::Q4_K:
      return decode_blocks<WeightType::Q4_K>(blocks, n, out);
    case WeightType::Q6_K:
      return decode_blocks<WeightType::Q6_K>(blocks, n, out);
  }
}

void embedding(const WeightMatrix& table, const int32_t* ids, int64_t n, float* out) {
  for (int64_t t = 0; t < n; ++t) decode(table, ids[t] * table.cols, table.cols, out + t * table.cols);
}
