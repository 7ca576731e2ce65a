#include "engine/position_bias.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace cutaway {

std::vector<float> sinusoid_table(int64_t width, bool halves, int64_t first, int64_t n) {
  const int64_t half = (width + 1) / 2;
  std::vector<float> table;
  table.reserve(static_cast<size_t>(n * width));
  for (int64_t position = first; position < first + n; ++position)
    for (int64_t i = 0; i < width; ++i) {
      const int64_t pair = halves ? (i < half ? i : i - half) : i / 2;
      const double angle =
          static_cast<double>(position) / std::pow(10000., 2. * static_cast<double>(pair) / static_cast<double>(width));
      const bool sine = halves ? i < half : i % 2 == 0;
      table.push_back(static_cast<float>(sine ? std::sin(angle) : std::cos(angle)));
    }
  return table;
}

int64_t relative_bucket(int64_t distance, int64_t buckets, int64_t max_distance, bool ahead) {
  const int64_t n = ahead ? buckets / 2 : buckets, base = ahead && distance > 0 ? n : 0;
  const int64_t far = ahead ? std::abs(distance) : std::max<int64_t>(-distance, 0);
  const int64_t exact = n / 2;  // one bucket a distance up to here, then wider and wider ones
  if (far < exact) return base + far;
  const double share = std::log(static_cast<double>(far) / static_cast<double>(exact)) /
                       std::log(static_cast<double>(max_distance) / static_cast<double>(exact));
  return base + std::min(n - 1, exact + static_cast<int64_t>(share * static_cast<double>(n - exact)));
}

std::vector<float> alibi_slopes(int64_t heads) {
  const auto whole = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(heads)));
  std::vector<float> slopes;
  for (int64_t k = 1; k <= whole; ++k)
    slopes.push_back(static_cast<float>(std::exp2(-8. * static_cast<double>(k) / static_cast<double>(whole))));
  for (int64_t k = 1; static_cast<int64_t>(slopes.size()) < heads; k += 2)
    slopes.push_back(static_cast<float>(std::exp2(-4. * static_cast<double>(k) / static_cast<double>(whole))));
  return slopes;
}

std::vector<float> position_bias(const Model& model, const Node& node, int64_t lowest, int64_t n) {
  const int64_t heads = node.params.heads;
  std::vector<float> bias(static_cast<size_t>(heads * n));
  if (node.op == Op::alibi_bias) {
    const std::vector<float> slopes = alibi_slopes(heads);
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t i = 0; i < n; ++i)
        bias[static_cast<size_t>(h * n + i)] = slopes[static_cast<size_t>(h)] * static_cast<float>(lowest + i);
    return bias;
  }
  const TensorView view = model.weights->tensor(node.weights[0]);  // (buckets, H)
  std::vector<float> table(static_cast<size_t>(view.size()));
  to_float(view, table.data());
  for (int64_t i = 0; i < n; ++i) {
    const int64_t bucket =
        relative_bucket(lowest + i, node.params.buckets, node.params.max_distance, node.params.ahead);
    for (int64_t h = 0; h < heads; ++h)
      bias[static_cast<size_t>(h * n + i)] = table[static_cast<size_t>(bucket * heads + h)];
  }
  return bias;
}

}  // namespace cutaway
