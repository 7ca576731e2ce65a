// x W^T + b. Included by kernels.cpp only, inside its anonymous namespace.

using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Stride = Eigen::OuterStride<>;
using ConstRows = Eigen::Map<const RowMajor, Eigen::Unaligned, Stride>;
using Rows = Eigen::Map<RowMajor, Eigen::Unaligned, Stride>;

/// R rows of x, each (n), dotted with one stored row of weights. Two chains of sums a row hide the adder's latency.
template <WeightType type, int R>
inline void dots(const float* x, int64_t stride, const typename Stored<type>::T* w, int64_t n, float* out) {
  Vec even[R] = {}, odd[R] = {};
  int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    __builtin_prefetch(w + i + 2048 / sizeof *w);
    if constexpr (sizeof *w * lanes == 64) __builtin_prefetch(w + i + lanes + 2048 / sizeof *w);
    const Vec w_even = Stored<type>::vec(w + i), w_odd = Stored<type>::vec(w + i + lanes);
    for (int r = 0; r < R; ++r) {
      even[r] = mul_add(load(x + r * stride + i), w_even, even[r]);
      odd[r] = mul_add(load(x + r * stride + i + lanes), w_odd, odd[r]);
    }
  }
  for (int r = 0; r < R; ++r) {
    float total = sum(even[r] + odd[r]);
    for (int64_t k = i; k < n; ++k) total += x[r * stride + k] * Stored<type>::one(w + k);
    out[r] = total;
  }
}

template <WeightType type, int R>
inline void few_of(const float* x, const WeightMatrix& w, const float* bias, int64_t out_begin, int64_t out_end,
                   float* y) {
  const auto* data = static_cast<const typename Stored<type>::T*>(w.data);
  for (int64_t o = out_begin; o < out_end; ++o) {
    float dot[R];
    dots<type, R>(x, w.cols, data + o * w.cols, w.cols, dot);
    for (int r = 0; r < R; ++r) y[r * w.rows + o] = dot[r] + (bias ? bias[o] : 0.f);
  }
}

/// Sixteen rows of weights at a time, so that they are read from memory once for all rows of x.
template <WeightType type>
void linear_few_of(const float* x, int64_t rows, const WeightMatrix& w, const float* bias, int64_t out_begin,
                   int64_t out_end, float* y) {
  for (int64_t begin = out_begin; begin < out_end; begin += 16) {
    const int64_t end = begin + 16 < out_end ? begin + 16 : out_end;
    for (int64_t t = 0; t < rows;) {
      const float* x_t = x + t * w.cols;
      float* y_t = y + t * w.rows;
      switch (rows - t) {
        case 1:
          few_of<type, 1>(x_t, w, bias, begin, end, y_t);
          t += 1;
          break;
        case 2:
          few_of<type, 2>(x_t, w, bias, begin, end, y_t);
          t += 2;
          break;
        case 3:
          few_of<type, 3>(x_t, w, bias, begin, end, y_t);
          t += 3;
          break;
        default:
          few_of<type, 4>(x_t, w, bias, begin, end, y_t);
          t += 4;
      }
    }
  }
}

void linear_few(const float* x, int64_t rows, const WeightMatrix& w, const float* bias, int64_t out_begin,
                int64_t out_end, float* y) {
  switch (w.type) {
    case WeightType::F32:
      return linear_few_of<WeightType::F32>(x, rows, w, bias, out_begin, out_end, y);
    case WeightType::F16:
      return linear_few_of<WeightType::F16>(x, rows, w, bias, out_begin, out_end, y);
    case WeightType::BF16:
      return linear_few_of<WeightType::BF16>(x, rows, w, bias, out_begin, out_end, y);
  }
}

void linear_many(const float* x, int64_t rows, const WeightMatrix& w, const float* bias, int64_t out_begin,
                 int64_t out_end, float* y, float* scratch) {
  const int64_t in = w.cols, outs = out_end - out_begin;
  const float* panel = static_cast<const float*>(w.data) + out_begin * in;  // (outs, in)
  if (w.type != WeightType::F32) {
    decode(w, out_begin * in, outs * in, scratch);
    panel = scratch;
  }
  for (int64_t t = 0; t < rows; ++t)
    for (int64_t o = out_begin; o < out_end; ++o) y[t * w.rows + o] = bias ? bias[o] : 0.f;
  Rows out(y + out_begin, rows, outs, Stride(w.rows));
  out.noalias() += ConstRows(x, rows, in, Stride(in)) * ConstRows(panel, outs, in, Stride(in)).transpose();
}
