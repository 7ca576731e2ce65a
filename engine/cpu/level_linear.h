// x W^T + b. Included by kernels.cpp only, inside its anonymous namespace.

using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Stride = Eigen::OuterStride<>;
using ConstRows = Eigen::Map<const RowMajor, Eigen::Unaligned, Stride>;
using Rows = Eigen::Map<RowMajor, Eigen::Unaligned, Stride>;

/// w . x, both (n), in four chains of sums: one stream of weights is what memory delivers fastest.
template <WeightType type>
inline float dot(const float* x, const typename Stored<type>::T* w, int64_t n) {
  Vec total[4] = {};
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes)
    for (int c = 0; c < 4; ++c)
      total[c] = mul_add(load(x + i + c * lanes), Stored<type>::vec(w + i + c * lanes), total[c]);
  for (; i + lanes <= n; i += lanes) total[0] = mul_add(load(x + i), Stored<type>::vec(w + i), total[0]);
  float result = sum((total[0] + total[1]) + (total[2] + total[3]));
  for (; i < n; ++i) result += x[i] * Stored<type>::one(w + i);
  return result;
}

/// Four rows of weights times R rows of x: out[r * out_stride + k] = w[k] . x[r]. `ahead` elements further on lie the
/// weights that are wanted next.
template <WeightType type, int R>
inline void four_dots(const float* x, int64_t x_stride, const typename Stored<type>::T* const* w, int64_t n,
                      int64_t ahead, float* out, int64_t out_stride) {
  Vec total[R][4] = {};
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    Vec weights[4];
    for (int k = 0; k < 4; ++k) {
      weights[k] = Stored<type>::vec(w[k] + i);
      __builtin_prefetch(w[k] + i + ahead);
    }
    for (int r = 0; r < R; ++r) {
      const Vec value = load(x + r * x_stride + i);
      for (int k = 0; k < 4; ++k) total[r][k] = mul_add(value, weights[k], total[r][k]);
    }
  }
  for (int r = 0; r < R; ++r) {
    sum_four(total[r], out + r * out_stride);
    for (int k = 0; k < 4; ++k)
      for (int64_t j = i; j < n; ++j) out[r * out_stride + k] += x[r * x_stride + j] * Stored<type>::one(w[k] + j);
  }
}

/// Several rows of x: four rows of weights come from memory once for all of them.
template <WeightType type>
void linear_few_of(const float* x, int64_t rows, const WeightMatrix& w, int64_t out_begin, int64_t out_end, float* y) {
  constexpr int most = lanes == 16 ? 4 : 2;  // rows at a time: as many as have their sums in registers
  const auto* data = static_cast<const typename Stored<type>::T*>(w.data);
  const int64_t in = w.cols, out = w.rows;
  int64_t o = out_begin;
  for (; rows > 1 && o + 4 <= out_end; o += 4) {
    const typename Stored<type>::T* const four[4] = {data + o * in, data + (o + 1) * in, data + (o + 2) * in,
                                                     data + (o + 3) * in};
    int64_t t = 0;
    for (; t + most <= rows; t += most) four_dots<type, most>(x + t * in, in, four, in, 4 * in, y + t * out + o, out);
    for (; t < rows; ++t) four_dots<type, 1>(x + t * in, in, four, in, 4 * in, y + t * out + o, out);
  }
  for (; o < out_end; ++o)
    for (int64_t t = 0; t < rows; ++t) y[t * out + o] = dot<type>(x + t * in, data + o * in, in);
}

void linear_few(const float* x, int64_t rows, const WeightMatrix& w, const float* bias, int64_t out_begin,
                int64_t out_end, float* y) {
  switch (w.type) {
    case WeightType::F32:
      linear_few_of<WeightType::F32>(x, rows, w, out_begin, out_end, y);
      break;
    case WeightType::F16:
      linear_few_of<WeightType::F16>(x, rows, w, out_begin, out_end, y);
      break;
    case WeightType::BF16:
      linear_few_of<WeightType::BF16>(x, rows, w, out_begin, out_end, y);
      break;
    case WeightType::Q8_0:
      linear_few_blocks<WeightType::Q8_0>(x, rows, w, out_begin, out_end, y);
      break;
    case WeightType::Q4_0:
      linear_few_blocks<WeightType::Q4_0>(x, rows, w, out_begin, out_end, y);
      break;
    case WeightType::Q4_K:
      linear_few_blocks<WeightType::Q4_K>(x, rows, w, out_begin, out_end, y);
      break;
    case WeightType::Q6_K:
      linear_few_blocks<WeightType::Q6_K>(x, rows, w, out_begin, out_end, y);
      break;
  }
  if (!bias) return;
  for (int64_t t = 0; t < rows; ++t)
    add(y + t * w.rows + out_begin, bias + out_begin, out_end - out_begin, y + t * w.rows + out_begin);
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

void head_product(const float* x, int64_t x_stride, int64_t rows, const WeightMatrix& w, int64_t row_begin,
                  int64_t rows_used, bool transposed, float* y, int64_t y_stride, float* scratch) {
  const int64_t cols = w.cols;
  const float* panel = static_cast<const float*>(w.data) + row_begin * cols;  // (rows_used, cols)
  if (w.type != WeightType::F32) {
    decode(w, row_begin * cols, rows_used * cols, scratch);
    panel = scratch;
  }
  const int64_t in = transposed ? rows_used : cols, out = transposed ? cols : rows_used;
  const ConstRows from(x, rows, in, Stride(x_stride)), weights(panel, rows_used, cols, Stride(cols));
  Rows to(y, rows, out, Stride(y_stride));
  if (transposed)
    to.noalias() = from * weights;
  else
    to.noalias() = from * weights.transpose();
}
