#include "tests/support/interpreter.h"

#include <cmath>
#include <complex>

#include "engine/cpu/layout.h"

namespace cutaway::tests {

bool allows(const MaskRule& mask, int64_t query, int64_t key) {
  switch (mask.kind) {
    case MaskRule::Kind::Causal:
      return key <= query;
    case MaskRule::Kind::Bidirectional:
      return true;
    case MaskRule::Kind::Prefix:
      return key <= query || key < mask.n;
    case MaskRule::Kind::Window:
      return query - mask.n < key && key <= query;
    case MaskRule::Kind::Local:
      return query - mask.n <= key && key <= query + mask.n;
    case MaskRule::Kind::Custom:
      return query < mask.bits->queries && key < mask.bits->keys ? mask.bits->get(query, key) : key <= query;
  }
  return false;
}

Interpreter::Interpreter(const Model& model, std::span<const int32_t> ids, std::vector<MaskRule> masks,
                         std::span<const int32_t> source)
    : rows(model.graph->nodes.size()),
      graph_(*model.graph),
      spec_(model.spec),
      ids_(ids),
      source_(source),
      masks_(std::move(masks)) {
  for (size_t i = 0; i < graph_.schema.size(); ++i) {
    const TensorView view = model.weights->tensor(static_cast<int>(i));
    weights_.emplace_back(static_cast<size_t>(view.size()));
    to_float(view, weights_.back().data());
  }
  for (const Node& node : graph_.nodes) run(node);
}

double Interpreter::weight(const Node& node, size_t which, int64_t i) const {
  return which < node.weights.size() ? weights_[static_cast<size_t>(node.weights[which])][static_cast<size_t>(i)] : 0.;
}

void Interpreter::run(const Node& node) {
  Doubles& y = at(node.id);
  const Doubles* x = node.inputs.empty() ? nullptr : &at(node.inputs[0]);
  const std::span<const int32_t> ids = ids_of(node);
  const int64_t width = row_width(node);
  switch (node.op) {
    case Op::tokens:
      y.assign(ids.begin(), ids.end());
      break;
    case Op::positions:
      for (size_t t = 0; t < ids.size(); ++t)
        y.push_back(static_cast<double>(static_cast<int64_t>(t) + node.params.first));
      break;
    case Op::segments:
      y.assign(ids.size(), 0.);
      break;
    case Op::embedding:
      for (double id : *x)
        for (int64_t i = 0; i < width; ++i) y.push_back(weight(node, 0, static_cast<int64_t>(id) * width + i));
      break;
    case Op::add:
      for (size_t i = 0; i < x->size(); ++i) y.push_back((*x)[i] + at(node.inputs[1])[i]);
      break;
    case Op::mul:
      for (size_t i = 0; i < x->size(); ++i) y.push_back((*x)[i] * at(node.inputs[1])[i]);
      break;
    case Op::sinusoid:
      for (double position : *x) sinusoid(node, position, y);
      break;
    case Op::rms_norm:
      rms_norm(node, *x, y);
      break;
    case Op::layer_norm:
      layer_norm(node, *x, y);
      break;
    case Op::rotary:
      rotary(node, *x, y);
      break;
    case Op::concat:
      concat(*x, at(node.inputs[1]), tokens_of(node), y);
      break;
    case Op::latent_query:
    case Op::latent_value:
    case Op::expand_keys:
    case Op::expand_values:
      latent(node, *x, y);
      break;
    case Op::linear:
      linear(node, *x, y);
      break;
    case Op::split_heads:
    case Op::merge_heads:
    case Op::cache:
    case Op::take_rows:
      y = *x;
      break;
    case Op::attend:
      attend(node, y);
      break;
    case Op::relative_bias:
    case Op::alibi_bias:
      for (int64_t head = 0, T = tokens_of(node); head < node.params.heads; ++head)
        for (int64_t distance = 1 - T; distance < T; ++distance) y.push_back(bias_of(node, head, distance));
      break;
    case Op::lse:
    case Op::mask:
    case Op::probs:
      break;
    case Op::first_row:
      y.assign(x->begin(), x->begin() + width);
      break;
    case Op::mean_rows:
      y.assign(static_cast<size_t>(width), 0.);
      for (size_t i = 0; i < x->size(); ++i)
        y[i % y.size()] += (*x)[i] * static_cast<double>(width) / static_cast<double>(x->size());
      break;
    default:
      run_values(node, *x, y);
  }
}

/// What is done to every value by itself, or to the only row.
void Interpreter::run_values(const Node& node, const Doubles& x, Doubles& y) const {
  const auto each = [&](auto f) {
    for (double value : x) y.push_back(f(value));
  };
  const Params& p = node.params;
  switch (node.op) {
    case Op::scale:
      return each([&](double z) { return z * p.scale; });
    case Op::softcap:
      return each([&](double z) { return p.softcap * std::tanh(z / p.softcap); });
    case Op::silu:
      return each([](double z) { return z / (1 + std::exp(-z)); });
    case Op::gelu_erf:
      return each([](double z) { return z / 2 * (1 + std::erf(z / std::sqrt(2.))); });
    case Op::gelu_tanh:
      return each([](double z) { return z / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (z + 0.044715 * z * z * z))); });
    case Op::relu:
      return each([](double z) { return std::max(z, 0.); });
    case Op::tanh:
      return each([](double z) { return std::tanh(z); });
    case Op::unit_length: {
      double square = 0;  // only ever one row
      for (double value : x) square += value * value;
      return each([=](double z) { return z / std::sqrt(square); });
    }
    default:
      assert(!"an operation that the interpreter doesn't know");
  }
}

void Interpreter::layer_norm(const Node& node, const Doubles& x, Doubles& y) const {
  const int64_t width = row_width(node);
  for (size_t row = 0; row < x.size(); row += static_cast<size_t>(width)) {
    double mean = 0, variance = 0;
    for (int64_t i = 0; i < width; ++i) mean += x[row + static_cast<size_t>(i)] / static_cast<double>(width);
    for (int64_t i = 0; i < width; ++i)
      variance += std::pow(x[row + static_cast<size_t>(i)] - mean, 2) / static_cast<double>(width);
    for (int64_t i = 0; i < width; ++i)
      y.push_back((x[row + static_cast<size_t>(i)] - mean) / std::sqrt(variance + node.params.eps) *
                      weight(node, 0, i) +
                  weight(node, 1, i));
  }
}

void Interpreter::rms_norm(const Node& node, const Doubles& x, Doubles& y) const {
  const auto width = static_cast<size_t>(node.params.head_dim);
  for (size_t row = 0; row < x.size(); row += width) {
    double square = 0;
    for (size_t i = 0; i < width; ++i) square += x[row + i] * x[row + i] / static_cast<double>(width);
    for (size_t i = 0; i < width; ++i)
      y.push_back(x[row + i] / std::sqrt(square + node.params.eps) *
                  (weight(node, 0, static_cast<int64_t>(i)) + node.params.offset));
  }
}

void Interpreter::sinusoid(const Node& node, double position, Doubles& y) {
  const int64_t width = row_width(node);
  for (int64_t i = 0; i < width; ++i) {
    const bool sine = node.params.halves ? i < width / 2 : i % 2 == 0;
    const int64_t pair = node.params.halves ? i % (width / 2) : i / 2;
    const double angle = position * std::pow(10000., -2. * static_cast<double>(pair) / static_cast<double>(width));
    y.push_back(sine ? std::sin(angle) : std::cos(angle));
  }
}

/// Each pair as a complex number times e^(i angle).
void Interpreter::rotary(const Node& node, const Doubles& x, Doubles& y) const {
  const size_t T = x.size() / static_cast<size_t>(node.params.heads * node.params.head_dim);
  const RopeSpec& rope = spec_.ropes[static_cast<size_t>(node.params.rope)];
  const auto frequencies = rope_frequencies(rope, static_cast<int64_t>(T));
  const auto heads = static_cast<size_t>(node.params.heads), dim = static_cast<size_t>(node.params.head_dim);
  y = x;
  for (size_t t = 0; t < T; ++t)
    for (size_t h = 0; h < heads; ++h)
      for (size_t k = 0; k < frequencies.size(); ++k) {
        const size_t begin = (t * heads + h) * dim + static_cast<size_t>(rope.begin);
        const size_t i = begin + (rope.interleaved ? 2 * k : k);
        const size_t j = begin + (rope.interleaved ? 2 * k + 1 : k + frequencies.size());
        const auto turned = std::complex<double>(x[i], x[j]) *
                            std::polar<double>(rope.attention_factor, static_cast<double>(t) * frequencies[k]);
        y[i] = turned.real(), y[j] = turned.imag();
      }
}

void Interpreter::concat(const Doubles& a, const Doubles& b, int64_t T, Doubles& y) {
  const auto n = static_cast<int64_t>(a.size()) / T, m = static_cast<int64_t>(b.size()) / T;
  for (int64_t t = 0; t < T; ++t) {
    y.insert(y.end(), a.begin() + t * n, a.begin() + (t + 1) * n);
    y.insert(y.end(), b.begin() + t * m, b.begin() + (t + 1) * m);
  }
}

/// The number for a head and key - query, straight from the papers.
double Interpreter::bias_of(const Node& node, int64_t head, int64_t distance) const {
  if (node.op == Op::alibi_bias) {
    int64_t whole = 1;
    while (2 * whole <= node.params.heads) whole *= 2;
    const double slope =
        head < whole ? std::pow(2., -8. * static_cast<double>(head + 1) / static_cast<double>(whole))
                     : std::pow(2., -4. * static_cast<double>(2 * (head - whole) + 1) / static_cast<double>(whole));
    return slope * static_cast<double>(distance);
  }
  const double far = static_cast<double>(node.params.ahead ? std::abs(distance) : std::max<int64_t>(-distance, 0));
  const int64_t n = node.params.ahead ? node.params.buckets / 2 : node.params.buckets;
  int64_t bucket = static_cast<int64_t>(far);
  if (2 * bucket >= n) {
    const double half = static_cast<double>(n) / 2;
    bucket =
        std::min(n - 1, static_cast<int64_t>(half + std::log(far / half) / std::log(node.params.max_distance / half) *
                                                        (static_cast<double>(n) - half)));
  }
  if (node.params.ahead && distance > 0) bucket += n;
  return weight(node, 0, bucket * node.params.heads + head);
}

/// W holds a matrix (made, r) for each head; what turns with the position is carried over.
void Interpreter::latent(const Node& node, const Doubles& x, Doubles& y) const {
  const Params& p = node.params;
  const int64_t T = tokens_of(node);
  const int64_t r = graph_.schema[static_cast<size_t>(node.weights[0])].shape[1],
                in = static_cast<int64_t>(x.size()) / T;
  const bool query = node.op == Op::latent_query, expands = node.op == Op::expand_keys || node.op == Op::expand_values;
  const bool turns = query || node.op == Op::expand_keys;
  for (int64_t t = 0; t < T; ++t)
    for (int64_t h = 0; h < p.heads; ++h) {
      const int64_t from = t * in + (expands ? 0 : h * (in / p.heads));
      for (int64_t o = 0; o < (query ? r : p.value_dim); ++o) {
        double sum = 0;
        for (int64_t i = 0; i < (query ? p.value_dim : r); ++i)
          sum += x[static_cast<size_t>(from + i)] *
                 weight(node, 0, query ? (h * p.value_dim + i) * r + o : (h * p.value_dim + o) * r + i);
        y.push_back(sum);
      }
      for (int64_t i = 0; turns && i < p.rope_dim; ++i)
        y.push_back(x[static_cast<size_t>(from + (query ? p.value_dim : r) + i)]);
    }
}

void Interpreter::linear(const Node& node, const Doubles& x, Doubles& y) const {
  const Shape& shape = graph_.schema[static_cast<size_t>(node.weights[0])].shape;
  const int64_t out = shape[0], in = shape[1];
  for (size_t row = 0; row < x.size(); row += static_cast<size_t>(in))
    for (int64_t o = 0; o < out; ++o) {
      double sum = weight(node, 1, o);
      for (int64_t i = 0; i < in; ++i) sum += x[row + static_cast<size_t>(i)] * weight(node, 0, o * in + i);
      y.push_back(sum);
    }
}

/// The rows of the answers beside it too: lse (T, H) and probs (H, T, S).
void Interpreter::attend(const Node& node, Doubles& y) {
  const Doubles &q = at(node.inputs[0]), &k = at(node.inputs[1]), &v = at(node.inputs[2]);
  const Params& p = node.params;
  const int64_t H = p.heads, Hkv = p.kv_heads, D = p.head_dim, Dv = p.value_dim;
  const int64_t T = tokens_of(node), S = tokens_of(graph_[node.inputs[1]]);
  const int64_t stored = static_cast<int64_t>(v.size()) / S / Hkv;  // a value may be the first part of what is stored
  Doubles &lse = at(node.id + 1), &probs = at(node.id + 3);
  y.assign(static_cast<size_t>(T * H * Dv), 0.);
  probs.assign(static_cast<size_t>(H * T * S), 0.);
  for (int64_t t = 0; t < T; ++t)
    for (int64_t h = 0; h < H; ++h) {
      double sum = 0;
      double* e = &probs[static_cast<size_t>((h * T + t) * S)];
      for (int64_t j = 0; j < S; ++j) {
        if (!allows(masks_[static_cast<size_t>(p.mask_slot)], t, j)) continue;
        double score = 0;
        for (int64_t d = 0; d < D; ++d)
          score +=
              q[static_cast<size_t>((t * H + h) * D + d)] * k[static_cast<size_t>((j * Hkv + h / (H / Hkv)) * D + d)];
        score *= p.scale;
        if (p.softcap != 0) score = p.softcap * std::tanh(score / p.softcap);
        if (node.inputs.size() > 3) score += bias_of(graph_[node.inputs[3]], h, j - t);
        sum += e[j] = std::exp(score);
      }
      lse.push_back(std::log(sum));
      for (int64_t j = 0; j < S && sum > 0; ++j) {
        e[j] /= sum;
        for (int64_t d = 0; d < Dv; ++d)
          y[static_cast<size_t>((t * H + h) * Dv + d)] +=
              e[j] * v[static_cast<size_t>((j * Hkv + h / (H / Hkv)) * stored + d)];
      }
    }
}

}  // namespace cutaway::tests
