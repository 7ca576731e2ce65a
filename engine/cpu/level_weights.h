// Attention weights for pictures, rebuilt from q, k and the row log-sum-exp. The dot products are in fp64: a weight is
// e^(score - lse), so an error of the score is a relative error of the weight. Included by kernels.cpp only, inside its
// anonymous namespace.

typedef double DVec __attribute__((vector_size(lanes * 4)));
constexpr int wide = lanes / 2;  // doubles in a register
typedef float NarrowVec __attribute__((vector_size(wide * 4)));

inline DVec mul_add(DVec a, DVec b, DVec c) {
#if defined(__AVX512F__)
  return (DVec)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(__FMA__)
  return (DVec)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#else
  return a * b + c;
#endif
}

/// What the shape makes of the scores of one query and one register of keys, the first of which has that distance.
inline DVec shaped(DVec score, const ScoreShape& shape, int64_t head, int64_t distance) {
  for (int j = 0; j < wide; ++j) {
    if (shape.softcap != 0) score[j] = shape.softcap * __builtin_tanh(score[j] / static_cast<double>(shape.softcap));
    const int64_t entry = distance + j + shape.bias_zero;
    if (shape.bias && entry >= 0 && entry < shape.bias_stride)  // registers reach beyond the last key
      score[j] += static_cast<double>(shape.bias[head * shape.bias_stride + entry]);
  }
  return score;
}

/// Scores of 4 queries and 2 registers of keys: out[r][j] = shape(scale q[r] . k[j]) - lse[r]. q: (4, dim), k: (dim,
/// attend_keys); the first key is `distance` after the first query.
inline void score_tile(const AttentionWeights& a, int64_t head, const double* q, const double* k, int64_t distance,
                       const double* lse, float* out) {
  const int64_t dim = a.head_dim;
  const bool plain = a.shape.softcap == 0 && !a.shape.bias;
  DVec total[4][2] = {};
  for (int64_t d = 0; d < dim; ++d) {
    DVec left, right;
    __builtin_memcpy(&left, k + d * attend_keys, sizeof left);
    __builtin_memcpy(&right, k + d * attend_keys + wide, sizeof right);
    for (int r = 0; r < 4; ++r) {
      const DVec query = DVec{} + q[r * dim + d];
      total[r][0] = mul_add(query, left, total[r][0]);
      total[r][1] = mul_add(query, right, total[r][1]);
    }
  }
  for (int r = 0; r < 4; ++r)
    for (int half = 0; half < 2; ++half) {
      DVec scaled = total[r][half] * a.scale;
      if (!plain) scaled = shaped(scaled, a.shape, head, distance - r + half * wide);
      const NarrowVec score = __builtin_convertvector(scaled - lse[r], NarrowVec);
      __builtin_memcpy(out + r * attend_keys + half * wide, &score, sizeof score);
    }
}

/// Turns the scores of one query over keys [first, last) into weights.
inline void weigh_row(const AttentionWeights& a, int64_t query, int64_t i, int64_t first, int64_t last, float* scores,
                      float* out) {
  int64_t begin = a.allowed.begin[i], end = a.allowed.end[i];
  begin = begin < first ? first : begin > last ? last : begin;
  end = end > last ? last : end < begin ? begin : end;
  forbid(a.allowed, query, begin, end, scores + (begin - first));
  for (int64_t j = begin; j < end; j += lanes) {
    const Vec score = load(scores + (j - first));  // the last one reads beyond `end`, inside the scratch
    const Vec weight = score > minus_infinity ? exp(score) : splat(a.masked);
    if (end - j >= lanes)
      store(out + j, weight);
    else
      store_part(out + j, weight, end - j);
  }
}

void attention_weights(const AttentionWeights& a, int64_t head, int64_t q_begin, int64_t q_end, float* out,
                       double* scratch) {
  const int64_t dim = a.head_dim, queries = q_end - q_begin;
  double *q = scratch, *k = q + attend_queries * dim, *lse = k + attend_keys * dim;
  auto* scores = reinterpret_cast<float*>(lse + attend_queries);  // (4, attend_keys)
  float* key = scores + 4 * attend_keys;                          // (dim)
  int64_t first_key = a.keys, last_key = 0;                       // what any of these queries sees
  for (int64_t i = 0; i < attend_queries; ++i) {
    const int64_t query = q_begin + (i < queries ? i : queries - 1);  // rows beyond the last repeat it
    const float* row = paged_row(a.q_pages, query, a.heads * dim, head * dim);
    for (int64_t d = 0; d < dim; ++d) q[i * dim + d] = row[d];
    lse[i] = *paged_row(a.lse_pages, query, a.heads, head);
  }
  for (int64_t i = 0; i < queries; ++i) {
    for (int64_t j = 0; j < a.keys; ++j) out[i * a.keys + j] = a.masked;
    if (a.allowed.begin[i] < first_key) first_key = a.allowed.begin[i];
    if (a.allowed.end[i] > last_key) last_key = a.allowed.end[i];
  }
  const int64_t group = head / (a.heads / a.kv_heads);
  for (int64_t first = first_key / attend_keys * attend_keys; first < last_key; first += attend_keys) {
    const int64_t last = first + attend_keys < last_key ? first + attend_keys : last_key, keys = last - first;
    for (int64_t j = 0; j < attend_keys; ++j) {
      decode_head(a.k, first + (j < keys ? j : keys - 1), group, dim, key);
      for (int64_t d = 0; d < dim; ++d) k[d * attend_keys + j] = key[d];
    }
    for (int64_t i = 0; i < queries; i += 4) {
      for (int64_t j = 0; j < keys; j += 2 * wide)
        score_tile(a, head, q + i * dim, k + j, first + j - (q_begin + i), lse + i, scores + j);
      for (int64_t r = 0; r < 4 && i + r < queries; ++r)
        weigh_row(a, q_begin + i + r, i + r, first, last, scores + r * attend_keys, out + (i + r) * a.keys);
    }
  }
}
