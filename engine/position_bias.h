// Positions as numbers that are made on the host, whatever the backend. Added to the embedding: sinusoids (Vaswani et
// al. 2017, arXiv 1706.03762, section 3.5). Added to a score for the distance between key and query: T5's learned table
// (Raffel et al. 2020, arXiv 1910.10683, section 2.1) or ALiBi's slopes (Press et al. 2022, arXiv 2108.12409).
#pragma once

#include <vector>

#include "engine/model.h"

namespace cutaway {

/// sin and cos of position / 10000^(2k / width) for positions first .. first + n - 1: (n, width). halves: all sines,
/// then all cosines; otherwise in turns.
std::vector<float> sinusoid_table(int64_t width, bool halves, int64_t first, int64_t n);

/// Row of T5's table for distance key - query. ahead: later keys have half of the buckets, as in an encoder; otherwise
/// they share bucket 0.
int64_t relative_bucket(int64_t distance, int64_t buckets, int64_t max_distance, bool ahead);

/// Slope of each head: powers of 2^(-8/n) for n the largest power of two within, the rest from between.
std::vector<float> alibi_slopes(int64_t heads);

/// A relative_bias or alibi_bias node over distances lowest .. lowest + n - 1: (H, n).
std::vector<float> position_bias(const Model&, const Node&, int64_t lowest, int64_t n);

}  // namespace cutaway
