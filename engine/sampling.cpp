#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/session.h"

namespace cutaway {
namespace {

/// Natural log of sum exp, in double: the row's largest logit carries the sum, so nothing overflows.
double log_sum_exp(std::span<const float> logits) {
  const double top = *std::ranges::max_element(logits);
  double sum = 0;
  for (float logit : logits) sum += std::exp(logit - top);
  return top + std::log(sum);
}

/// Ids of the n largest logits, largest first, lower ids first on ties. NaN counts as the smallest, so that the order
/// is an order.
std::vector<int32_t> largest(std::span<const float> logits, size_t n) {
  const auto value = [&](int32_t id) {
    const float logit = logits[static_cast<size_t>(id)];
    return std::isnan(logit) ? -std::numeric_limits<float>::infinity() : logit;
  };
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  n = std::min(n, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<ptrdiff_t>(n), order.end(),
                    [&](int32_t a, int32_t b) { return value(a) != value(b) ? value(a) > value(b) : a < b; });
  order.resize(n);
  return order;
}

/// A draw in [0, 1) that depends on seed and position alone (SplitMix64, Steele et al. 2014).
double draw(uint64_t seed, int64_t position) {
  uint64_t z = seed + 0x9e3779b97f4a7c15ull * (static_cast<uint64_t>(position) + 1);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  z ^= z >> 31;
  return static_cast<double>(z >> 11) * 0x1.0p-53;
}

template <class Number>
bool read_number(std::string_view text, Number& out) {
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), out);
  return status == std::errc() && end == text.data() + text.size();
}

}  // namespace

float entropy_bits(std::span<const float> logits) {
  const double top = *std::ranges::max_element(logits);
  double sum = 0, weighted = 0;
  for (float logit : logits) {
    const double e = std::exp(logit - top);
    sum += e;
    weighted += e * (logit - top);
  }
  return static_cast<float>((std::log(sum) - weighted / sum) / std::log(2.));
}

std::vector<TokenChoice> best_choices(std::span<const float> logits, size_t n) {
  const double lse = log_sum_exp(logits);
  std::vector<TokenChoice> best;
  for (int32_t id : largest(logits, n)) best.push_back({id, static_cast<float>(logits[static_cast<size_t>(id)] - lse)});
  return best;
}

float log_probability(std::span<const float> logits, int32_t id) {
  return static_cast<float>(logits[static_cast<size_t>(id)] - log_sum_exp(logits));
}

TokenChoice sample(std::span<const float> logits, const Sampling& how, int64_t position) {
  if (how.temperature == 0) return best_choices(logits, 1)[0];
  const size_t kept = how.top_k > 0 ? static_cast<size_t>(how.top_k) : logits.size();
  const std::vector<int32_t> order = largest(logits, kept);
  const double top = logits[static_cast<size_t>(order[0])];
  std::vector<double> mass;
  for (int32_t id : order) mass.push_back(std::exp((logits[static_cast<size_t>(id)] - top) / how.temperature));
  const double total = std::accumulate(mass.begin(), mass.end(), 0.);
  double cut = 0;
  size_t n = 0;
  while (n < mass.size() && (n == 0 || cut < how.top_p * total)) cut += mass[n++];
  double left = draw(how.seed, position) * cut;
  size_t chosen = 0;
  while (chosen + 1 < n && left >= mass[chosen]) left -= mass[chosen++];
  const int32_t id = order[chosen];
  return {id, log_probability(logits, id)};
}

Result<Sampling> Sampling::parse(std::string_view text) {
  Sampling how;
  if (text == "greedy") return how;
  how.temperature = 1;
  if (text.empty() || text.back() == ',') return error("sample is \"{}\"; expected greedy, or key=value pairs", text);
  for (std::string_view rest = text; !rest.empty();) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view item = rest.substr(0, comma);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    const size_t equals = item.find('=');
    const std::string_view key = item.substr(0, equals);
    const std::string_view value = equals == item.npos ? std::string_view{} : item.substr(equals + 1);
    const bool known = key == "temperature" || key == "top_k" || key == "top_p" || key == "seed";
    if (!known) return error("sample has \"{}\"; expected greedy, or temperature, top_k, top_p and seed", key);
    const bool read = key == "temperature" ? read_number(value, how.temperature)
                      : key == "top_k"     ? read_number(value, how.top_k)
                      : key == "top_p"     ? read_number(value, how.top_p)
                                           : read_number(value, how.seed);
    if (!read) return error("sample: {} is \"{}\"; expected a number", key, value);
  }
  if (!(how.temperature >= 0) || !std::isfinite(how.temperature))
    return error("sample: temperature is {}; expected a finite number of at least 0", how.temperature);
  if (how.top_k < 0) return error("sample: top_k is {}; expected at least 0", how.top_k);
  if (!(how.top_p > 0 && how.top_p <= 1))
    return error("sample: top_p is {}; expected more than 0, at most 1", how.top_p);
  return how;
}

}  // namespace cutaway
