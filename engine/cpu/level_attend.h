// Attention without a matrix of probabilities: online softmax over blocks of keys (Milakov & Gimelshein 2018, Dao et
// al. 2022), or one row at a time when a token is generated. Included by kernels.cpp only, inside its anonymous
// namespace.

constexpr float minus_infinity = -__builtin_inff();

/// Row `position` of one head in pages of rows of `width` floats.
inline const float* paged_row(const float* const* pages, int64_t position, int64_t width, int64_t column) {
  return pages[position / attend_page] + position % attend_page * width + column;
}

/// The same of a cache, whatever it is stored as.
inline const uint8_t* head_row(const CachedRows& rows, int64_t position, int64_t group) {
  return static_cast<const uint8_t*>(rows.pages[position / attend_page]) + position % attend_page * rows.row_bytes +
         group * rows.head_bytes;
}
inline const float* float_row(const CachedRows& rows, int64_t position, int64_t group) {
  return reinterpret_cast<const float*>(head_row(rows, position, group));
}

/// Asks memory for n bytes of the row one page further on: rows of one head lie too far apart to be foreseen by it.
inline void prefetch_row(const CachedRows& rows, int64_t position, int64_t end, int64_t group, int64_t begin,
                         int64_t n) {
  const int64_t later = position + attend_page;
  const uint8_t* row = head_row(rows, later < end ? later : end - 1, group) + begin;
  for (int64_t at = 0; at < n; at += 64) __builtin_prefetch(row + at);
}

/// n numbers of E4M3. Exponent and fraction moved into place are the value times 2^-120.
inline void decode_f8(const uint8_t* p, int64_t n, float scale, float* out) {
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t bits = p[i], magnitude = bits & 0x7fu;
    const uint32_t moved = magnitude << 20 | (bits & 0x80u) << 24;
    float value;
    __builtin_memcpy(&value, &moved, sizeof value);
    out[i] = (magnitude == 0x7fu ? __builtin_nanf("") : value * 0x1p120f) * scale;
  }
}

/// The first n numbers of a head as floats. Only whole blocks, or all of them and then some of the tail.
inline void decode_head(const CachedRows& rows, int64_t position, int64_t group, int64_t n, float* out) {
  const uint8_t* p = head_row(rows, position, group);
  const int64_t typed = rows.dim - rows.tail, first = n < typed ? n : typed;
  switch (rows.type) {
    case CacheType::F32:
      __builtin_memcpy(out, p, static_cast<size_t>(first) * sizeof(float));
      break;
    case CacheType::F16:
      decode<WeightType::F16>(p, 0, first, out);
      break;
    case CacheType::BF16:
      decode<WeightType::BF16>(p, 0, first, out);
      break;
    case CacheType::F8:
      decode_f8(p, first, rows.scales[group], out);
      break;
    case CacheType::Q8_0:
      decode_blocks<WeightType::Q8_0>(p, first, out);
      break;
    case CacheType::Q4_0:
      decode_blocks<WeightType::Q4_0>(p, first, out);
      break;
  }
  if (n > first) decode<WeightType::F16>(p + rows.head_bytes - 2 * rows.tail, 0, n - first, out + first);
}

/// Sets scores of keys [begin, end) that a painted bit forbids to -inf. scores[0] is key `begin`.
inline void forbid(const AllowedKeys& allowed, int64_t query, int64_t begin, int64_t end, float* scores) {
  if (!allowed.bits || query >= allowed.bit_queries) return;
  const uint32_t* row = allowed.bits + query * allowed.words_per_row;
  const int64_t last = end < allowed.bit_keys ? end : allowed.bit_keys;
  for (int64_t key = begin; key < last; ++key)
    if (!(row[key / 32] >> (key % 32) & 1)) scores[key - begin] = minus_infinity;
}

/// What the shape makes of the scores of keys [begin, begin + n), n of them, for the query at that position.
inline void shape_scores(const ScoreShape& shape, int64_t head, int64_t query, int64_t begin, int64_t n,
                         float* scores) {
  if (shape.softcap != 0) softcap(scores, shape.softcap, n, scores);
  if (shape.bias && n > 0)
    add(scores, shape.bias + head * shape.bias_stride + begin - query + shape.bias_zero, n, scores);
}

/// NaN when all are NaN.
inline float row_max(const float* x, int64_t n) {
  Vec best = splat(minus_infinity);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) best = max(best, load(x + i));
  float result = largest(best);
  for (; i < n; ++i) result = x[i] <= result ? result : x[i];
  return result;
}

/// x = e^(x - shift) and their sum.
inline float exp_row(float* x, int64_t n, float shift) {
  Vec total{};
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const Vec e = exp(load(x + i) - shift);
    store(x + i, e);
    total += e;
  }
  float result = sum(total);
  if (i < n) {
    const Vec e = exp(load_part(x + i, n - i) - shift);
    store_part(x + i, e, n - i);
    for (int64_t k = 0; k < n - i; ++k) result += e[k];
  }
  return result;
}

inline void scale_row(float* x, int64_t n, float factor) {
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) store(x + i, load(x + i) * factor);
  for (; i < n; ++i) x[i] *= factor;
}

/// Writes one query's result: sums of weighted values divided by the sum of weights.
inline void finish_row(const Attention& a, int64_t head, int64_t query, const float* values, float top, float total) {
  float* context = a.context + (query * a.heads + head) * a.value_dim;
  const bool empty = total == 0;
  for (int64_t d = 0; d < a.value_dim; ++d) context[d] = empty ? 0.f : values[d] / total;
  a.lse[query * a.heads + head] = empty ? minus_infinity : top + __builtin_logf(total);
}

/// values[d] = sum of weight[j] v[j][d] over keys [begin, end), where values are floats.
inline void add_floats(const Attention& a, const float* weight, int64_t begin, int64_t end, int64_t group,
                       float* values) {
  int64_t d = 0;
  for (; d + 4 * lanes <= a.value_dim; d += 4 * lanes) {
    Vec total[4] = {};
    for (int64_t j = begin; j < end; ++j) {
      const float* v = float_row(a.v, j, group) + d;
      prefetch_row(a.v, j, end, group, d * 4, 16 * lanes);
      const Vec w = splat(weight[j - begin]);
      for (int k = 0; k < 4; ++k) total[k] = mul_add(w, load(v + k * lanes), total[k]);
    }
    for (int k = 0; k < 4; ++k) store(values + d + k * lanes, total[k]);
  }
  for (; d + lanes <= a.value_dim; d += lanes) {
    Vec total{};
    for (int64_t j = begin; j < end; ++j)
      total = mul_add(splat(weight[j - begin]), load(float_row(a.v, j, group) + d), total);
    store(values + d, total);
  }
  for (; d < a.value_dim; ++d) {
    values[d] = 0;
    for (int64_t j = begin; j < end; ++j) values[d] += weight[j - begin] * float_row(a.v, j, group)[d];
  }
}

/// The same where they are decoded first, into `row`.
inline void add_decoded(const Attention& a, const float* weight, int64_t begin, int64_t end, int64_t group, float* row,
                        float* values) {
  for (int64_t d = 0; d < a.value_dim; ++d) values[d] = 0;
  for (int64_t j = begin; j < end; ++j) {
    decode_head(a.v, j, group, a.value_dim, row);
    prefetch_row(a.v, j, end, group, 0, a.v.head_bytes);
    const float w = weight[j - begin];
    int64_t d = 0;
    for (; d + lanes <= a.value_dim; d += lanes) store(values + d, mul_add(splat(w), load(row + d), load(values + d)));
    for (; d < a.value_dim; ++d) values[d] += w * row[d];
  }
}

/// Scores of keys [begin, end) without scale, mask or shape. rows: (4, head_dim) of scratch for decoded keys.
inline void row_scores(const Attention& a, const float* q, int64_t begin, int64_t end, int64_t group, float* rows,
                       float* scores) {
  const bool plain = a.k.type == CacheType::F32;
  for (int64_t j = begin; j < end; j += 4) {
    const float* k[4];
    for (int64_t i = 0; i < 4; ++i) {
      const int64_t key = j + i < end ? j + i : end - 1;
      k[i] = plain ? float_row(a.k, key, group) : rows + i * a.head_dim;
      if (!plain) decode_head(a.k, key, group, a.head_dim, rows + i * a.head_dim);
      prefetch_row(a.k, key, end, group, 0, a.k.head_bytes);
    }
    four_dots<WeightType::F32, 1>(q, 0, k, a.head_dim, 0, scores + (j - begin), 0);
  }
}

/// One query. scratch: scores of its keys, the sums of values, then a value and four keys as floats.
void attend_row(const Attention& a, int64_t head, int64_t query, float* scratch) {
  const int64_t begin = a.allowed.begin[query], end = a.allowed.end[query], keys = end - begin;
  const int64_t group = head / (a.heads / a.kv_heads);
  const float* q = a.q + (query * a.heads + head) * a.head_dim;
  float* scores = scratch;
  float* values = scratch + (a.keys + 15) / 16 * 16;
  float* decoded = values + a.value_dim;
  row_scores(a, q, begin, end, group, decoded + a.value_dim, scores);
  scale_row(scores, keys, a.scale);
  shape_scores(a.shape, head, a.past + query, begin, keys, scores);
  forbid(a.allowed, a.past + query, begin, end, scores);
  const float top = keys > 0 ? row_max(scores, keys) : minus_infinity;
  if (top == minus_infinity) return finish_row(a, head, query, values, top, 0.f);
  const float total = exp_row(scores, keys, top);
  if (a.v.type == CacheType::F32)
    add_floats(a, scores, begin, end, group, values);
  else
    add_decoded(a, scores, begin, end, group, decoded, values);
  finish_row(a, head, query, values, top, total);
}

/// The memory of one block, carved from scratch.
struct AttendBlock {
  float *q, *k, *v;    // (attend_queries, Dh) times scale, (attend_keys, Dh), (attend_keys, Dv)
  float* weights;      // (attend_queries, attend_keys): scores, then e^(score - top)
  float* values;       // (attend_queries, Dv): sums of weighted values so far
  float *top, *total;  // (attend_queries): largest score and sum of weights so far

  AttendBlock(float* scratch, int64_t head_dim, int64_t value_dim) {
    weights = scratch;
    top = weights + attend_queries * attend_keys;
    total = top + attend_queries;
    q = total + attend_queries;
    values = q + attend_queries * head_dim;
    k = values + attend_queries * value_dim;
    v = k + attend_keys * head_dim;
  }
};

/// Softmax of one row of the block over keys [first, last), of which the query sees [begin, end); rescales its sums.
inline void soften_row(const Attention& a, AttendBlock& block, int64_t head, int64_t i, int64_t query, int64_t first,
                       int64_t last) {
  float* weights = block.weights + i * attend_keys;
  int64_t begin = a.allowed.begin[query], end = a.allowed.end[query];
  begin = begin < first ? first : begin > last ? last : begin;
  end = end > last ? last : end < begin ? begin : end;
  float* seen = weights + (begin - first);
  shape_scores(a.shape, head, a.past + query, begin, end - begin, seen);
  forbid(a.allowed, a.past + query, begin, end, seen);
  const float block_top = end > begin ? row_max(seen, end - begin) : minus_infinity;
  const float top = block_top > block.top[i] ? block_top : block.top[i];
  if (block_top == minus_infinity) {
    __builtin_memset(weights, 0, static_cast<size_t>(last - first) * sizeof(float));
    return;
  }
  __builtin_memset(weights, 0, static_cast<size_t>(begin - first) * sizeof(float));
  __builtin_memset(weights + (end - first), 0, static_cast<size_t>(last - end) * sizeof(float));
  const float total = exp_row(seen, end - begin, top);
  if (top > block.top[i]) {
    const float shrink = exp(splat(block.top[i] - top))[0];
    block.total[i] *= shrink;
    scale_row(block.values + i * a.value_dim, a.value_dim, shrink);
    block.top[i] = top;
  }
  block.total[i] += total;
}

void attend_block(const Attention& a, int64_t head, int64_t q_begin, int64_t q_end, float* scratch) {
  const int64_t dim = a.head_dim, value_dim = a.value_dim, queries = q_end - q_begin;
  const int64_t group = head / (a.heads / a.kv_heads);
  AttendBlock block(scratch, dim, value_dim);
  int64_t first_key = a.keys, last_key = 0;  // what any of these queries sees
  for (int64_t i = 0; i < queries; ++i) {
    const int64_t query = q_begin + i;
    const float* q = a.q + (query * a.heads + head) * dim;
    for (int64_t d = 0; d < dim; ++d) block.q[i * dim + d] = q[d] * a.scale;
    for (int64_t d = 0; d < value_dim; ++d) block.values[i * value_dim + d] = 0;
    block.top[i] = minus_infinity;
    block.total[i] = 0;
    if (a.allowed.begin[query] < first_key) first_key = a.allowed.begin[query];
    if (a.allowed.end[query] > last_key) last_key = a.allowed.end[query];
  }
  for (int64_t first = first_key / attend_page * attend_page; first < last_key; first += attend_keys) {
    const int64_t last = first + attend_keys < last_key ? first + attend_keys : last_key, keys = last - first;
    for (int64_t j = 0; j < keys; ++j) {
      decode_head(a.k, first + j, group, dim, block.k + j * dim);
      decode_head(a.v, first + j, group, value_dim, block.v + j * value_dim);
    }
    Rows weights(block.weights, queries, keys, Stride(attend_keys));
    weights.noalias() =
        ConstRows(block.q, queries, dim, Stride(dim)) * ConstRows(block.k, keys, dim, Stride(dim)).transpose();
    for (int64_t i = 0; i < queries; ++i) soften_row(a, block, head, i, q_begin + i, first, last);
    Rows(block.values, queries, value_dim, Stride(value_dim)).noalias() +=
        weights * ConstRows(block.v, keys, value_dim, Stride(value_dim));
  }
  for (int64_t i = 0; i < queries; ++i)
    finish_row(a, head, q_begin + i, block.values + i * value_dim, block.top[i], block.total[i]);
}

void attend(const Attention& a, int64_t head, int64_t q_begin, int64_t q_end, float* scratch) {
  if (q_end - q_begin > 4) return attend_block(a, head, q_begin, q_end, scratch);
  for (int64_t query = q_begin; query < q_end; ++query) attend_row(a, head, query, scratch);
}
