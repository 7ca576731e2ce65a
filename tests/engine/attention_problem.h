// Shared by the tests of the CPU kernels: random numbers, and an attention problem with its plain fp64 twin.
#pragma once

#include <cmath>
#include <limits>
#include <random>

#include "engine/cpu/cached_rows.h"
#include "engine/mask.h"

namespace cutaway {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;

inline std::mt19937 generator(1);

inline Floats random_floats(int64_t n, float deviation = 1) {
  std::normal_distribution<float> normal(0, deviation);
  Floats x(static_cast<size_t>(n));
  for (float& value : x) value = normal(generator);
  return x;
}

/// One attention problem with its keys and values in pages, stored as any cache can; k and v are what that type keeps.
struct Problem {
  int64_t past, queries, keys, heads, kv_heads, dim;
  MaskRule rule;
  Floats q, k, v;
  std::vector<int32_t> begin, end;
  std::shared_ptr<PageArena> arena = make_host_arena();
  PagedRows k_rows, v_rows;
  std::vector<const void*> k_pages, v_pages;
  Floats context, lse;

  Problem(int64_t past, int64_t queries, int64_t heads, int64_t kv_heads, int64_t dim, MaskRule rule,
          DType cache = DType::F32, int64_t tail = 0)
      : past(past),
        queries(queries),
        keys(past + queries),
        heads(heads),
        kv_heads(kv_heads),
        dim(dim),
        rule(std::move(rule)),
        q(random_floats(queries * heads * dim)),
        k(random_floats((keys + 15) * kv_heads * dim)),
        v(random_floats((keys + 15) * kv_heads * dim)) {
    for (int64_t t = 0; t < queries; ++t) {
      const auto [first, last] = this->rule.span(past + t, keys);
      begin.push_back(static_cast<int32_t>(first));
      end.push_back(static_cast<int32_t>(last));
    }
    for (auto [rows, values] : {std::pair(&k_rows, &k), std::pair(&v_rows, &v)}) {
      *rows = PagedRows(arena, RowFormat{cache, kv_heads, dim, tail});
      if (!rows->grow(keys)) std::abort();
      rows->scatter(0, keys, values->data());
      rows->gather(0, keys, values->data());
    }
  }

  void run(const KernelTable& kernels, int64_t block) {
    context.assign(q.size(), 7.f);
    lse.assign(static_cast<size_t>(queries * heads), 7.f);
    Attention a{.q = q.data(),
                .k = cached_rows_of(k_rows, k_pages),
                .v = cached_rows_of(v_rows, v_pages),
                .past = past,
                .keys = keys,
                .heads = heads,
                .kv_heads = kv_heads,
                .head_dim = dim,
                .value_dim = dim,
                .scale = 0.3f,
                .allowed = {begin.data(), end.data()},
                .context = context.data(),
                .lse = lse.data()};
    if (rule.bits)
      a.allowed = {begin.data(),       end.data(),     rule.bits->words.data(), rule.bits->words_per_row(),
                   rule.bits->queries, rule.bits->keys};
    Floats scratch(static_cast<size_t>(attend_scratch(keys, dim, dim)), std::numeric_limits<float>::quiet_NaN());
    for (int64_t head = 0; head < heads; ++head)
      for (int64_t first = 0; first < queries; first += block)
        kernels.attend(a, head, first, std::min(queries, first + block), scratch.data());
  }

  void twin(Doubles& want_context, Doubles& want_lse) const {
    want_context.assign(q.size(), 0);
    want_lse.clear();
    for (int64_t t = 0; t < queries; ++t)
      for (int64_t h = 0; h < heads; ++h) {
        const int64_t kv = h / (heads / kv_heads);
        Doubles score;
        std::vector<int64_t> seen;
        for (int64_t j = 0; j < keys; ++j) {
          if (!rule.allowed(past + t, j)) continue;
          double dot = 0;
          for (int64_t d = 0; d < dim; ++d)
            dot += static_cast<double>(q[static_cast<size_t>((t * heads + h) * dim + d)]) *
                   k[static_cast<size_t>((j * kv_heads + kv) * dim + d)];
          score.push_back(0.3f * dot);
          seen.push_back(j);
        }
        double sum = 0;
        for (double s : score) sum += std::exp(s);
        want_lse.push_back(seen.empty() ? -INFINITY : std::log(sum));
        for (size_t i = 0; i < seen.size(); ++i)
          for (int64_t d = 0; d < dim; ++d)
            want_context[static_cast<size_t>((t * heads + h) * dim + d)] +=
                std::exp(score[i]) / sum * v[static_cast<size_t>((seen[i] * kv_heads + kv) * dim + d)];
      }
  }
};

inline MaskRule painted(int64_t queries, int64_t keys) {
  auto bits = std::make_shared<MaskBits>(queries, keys);
  for (int64_t i = 0; i < queries; ++i)
    for (int64_t j = 0; j < keys; ++j)
      bits->set(i, j, i % 7 != 3 && (i * 31 + j * 17) % 5 < 2);  // every seventh row is empty
  return {MaskRule::Kind::Custom, 0, bits};
}

}  // namespace cutaway
