#include "tests/support/oracle.h"

#include <cmath>
#include <limits>

namespace cutaway::tests {
namespace {

using Row = std::vector<double>;
using Rows = std::vector<Row>;

/// Weights as doubles, by the program's own names.
class Named {
 public:
  explicit Named(const Model& model) {
    for (size_t i = 0; i < model.graph->schema.size(); ++i) {
      const TensorView view = model.weights->tensor(static_cast<int>(i));
      std::vector<float> values(static_cast<size_t>(view.size()));
      to_float(view, values.data());
      all_[model.graph->schema[i].name] = {view.shape, {values.begin(), values.end()}};
    }
  }
  const Values* find(const std::string& name) const {
    const auto it = all_.find(name);
    return it == all_.end() ? nullptr : &it->second;
  }
  Row row(const std::string& name, int64_t r) const {
    const Values& table = *find(name);
    const auto begin = table.at.begin() + r * table.shape[1];
    return {begin, begin + table.shape[1]};
  }

 private:
  std::map<std::string, Values> all_;
};

/// y_o = sum_i x_i W_oi + b_o
Row linear(const Named& weights, const std::string& matrix, const std::string& bias, const Row& x) {
  const Values& w = *weights.find(matrix);
  const Values* b = weights.find(bias);
  Row y(static_cast<size_t>(w.shape[0]));
  for (size_t o = 0; o < y.size(); ++o) {
    double sum = b ? b->at[o] : 0;
    for (size_t i = 0; i < x.size(); ++i) sum += w.at[o * x.size() + i] * x[i];
    y[o] = sum;
  }
  return y;
}
Row linear(const Named& weights, const std::string& name, const Row& x) {
  return linear(weights, name + ".weight", name + ".bias", x);
}

/// (x - mean) / sqrt(var + eps) * g + b, variance over D
Row layer_norm(const Named& weights, const std::string& name, const Row& x, double eps) {
  double mean = 0, variance = 0;
  for (double v : x) mean += v / static_cast<double>(x.size());
  for (double v : x) variance += (v - mean) * (v - mean) / static_cast<double>(x.size());
  const Values &gain = *weights.find(name + ".weight"), *bias = weights.find(name + ".bias");
  Row y(x.size());
  for (size_t i = 0; i < x.size(); ++i)
    y[i] = (x[i] - mean) / std::sqrt(variance + eps) * gain.at[i] + (bias ? bias->at[i] : 0);
  return y;
}

double activate(Activation kind, double z) {
  switch (kind) {
    case Activation::GeluErf:
      return z / 2 * (1 + std::erf(z / std::sqrt(2.)));
    case Activation::GeluTanh:
      return z / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (z + 0.044715 * z * z * z)));
    case Activation::Relu:
      return z > 0 ? z : 0;
    case Activation::Tanh:
      return std::tanh(z);
    case Activation::Silu:
      return z / (1 + std::exp(-z));
  }
  return 0;
}
Row activate(Activation kind, Row x) {
  for (double& z : x) z = activate(kind, z);
  return x;
}

Row sum(const Row& a, const Row& b) {
  Row y(a.size());
  for (size_t i = 0; i < a.size(); ++i) y[i] = a[i] + b[i];
  return y;
}

Values as_values(const Rows& rows) {
  Values values{{static_cast<int64_t>(rows.size()), static_cast<int64_t>(rows[0].size())}, {}};
  for (const Row& row : rows) values.at.insert(values.at.end(), row.begin(), row.end());
  return values;
}

/// (T, H*Dh) as (H, T, Dh)
Values by_head(const Rows& rows, int64_t H, int64_t Dh) {
  const int64_t T = static_cast<int64_t>(rows.size());
  Values values{{H, T, Dh}, {}};
  for (int64_t h = 0; h < H; ++h)
    for (const Row& row : rows) values.at.insert(values.at.end(), row.begin() + h * Dh, row.begin() + (h + 1) * Dh);
  return values;
}

class Forward {
 public:
  Forward(const Model& model, std::span<const int32_t> ids, const MaskRule& mask)
      : spec_(model.spec), weights_(model), ids_(ids), mask_(mask) {}

  std::map<std::string, Values> run() {
    if (spec_.architecture == "bert")
      bert();
    else
      gpt();
    return std::move(said_);
  }

 private:
  size_t T() const { return ids_.size(); }

  Rows attention(int layer, const Rows& x) {
    const AttentionSpec& a = spec_.layers[static_cast<size_t>(layer)].attention;
    const std::string block = "layers." + std::to_string(layer) + ".attn.";
    const int64_t H = a.n_heads, Dh = a.head_dim, n = static_cast<int64_t>(T());
    Rows q, k, v;
    for (const Row& row : x) {
      q.push_back(linear(weights_, block + "q_proj", row));
      k.push_back(linear(weights_, block + "k_proj", row));
      v.push_back(linear(weights_, block + "v_proj", row));
    }
    Values probs{{H, n, n}, Row(static_cast<size_t>(H * n * n), 0)}, lse{{H, n}, Row(static_cast<size_t>(H * n))};
    Rows context(T(), Row(static_cast<size_t>(H * Dh), 0));
    for (int64_t h = 0; h < H; ++h)
      for (int64_t i = 0; i < n; ++i) {
        Row score(T(), -std::numeric_limits<double>::infinity());
        double most = score[0], total = 0;
        for (int64_t j = 0; j < n; ++j) {
          if (!oracle_allows(mask_, i, j)) continue;
          double dot = 0;
          for (int64_t d = h * Dh; d < (h + 1) * Dh; ++d) dot += q[i][d] * k[j][d];
          score[j] = dot * a.scale;
          most = std::max(most, score[j]);
        }
        for (double s : score) total += std::isinf(s) ? 0 : std::exp(s - most);
        lse.at[h * n + i] = most + std::log(total);
        for (int64_t j = 0; j < n; ++j) {
          if (std::isinf(score[j])) continue;  // masked: no weight at all
          const double p = std::exp(score[j] - most) / total;
          probs.at[(h * n + i) * n + j] = p;
          for (int64_t d = h * Dh; d < (h + 1) * Dh; ++d) context[i][d] += p * v[j][d];
        }
      }
    said_[block + "q"] = by_head(q, H, Dh);
    said_[block + "k"] = by_head(k, H, Dh);
    said_[block + "v"] = by_head(v, H, Dh);
    said_[block + "context"] = by_head(context, H, Dh);
    said_[block + "probs"] = std::move(probs);
    said_[block + "lse"] = std::move(lse);
    Rows out;
    for (const Row& row : context) out.push_back(linear(weights_, block + "o_proj", row));
    return out;
  }

  Row ffn(int layer, const std::string& up, const std::string& down, const Row& x) const {
    const Activation activation = spec_.layers[static_cast<size_t>(layer)].ffn.activation;
    return linear(weights_, down, activate(activation, linear(weights_, up, x)));
  }

  void gpt() {
    Rows x;
    for (size_t t = 0; t < T(); ++t)
      x.push_back(sum(weights_.row("wte.weight", ids_[t]), weights_.row("wpe.weight", static_cast<int64_t>(t))));
    said_["hidden.embed"] = as_values(x);
    for (int i = 0; i < spec_.n_layers(); ++i) {
      const std::string layer = "layers." + std::to_string(i) + ".";
      Rows normed;
      for (const Row& row : x) normed.push_back(layer_norm(weights_, layer + "ln_1", row, spec_.norm_eps));
      const Rows mixed = attention(i, normed);
      for (size_t t = 0; t < T(); ++t) {
        x[t] = sum(x[t], mixed[t]);
        const Row n = layer_norm(weights_, layer + "ln_2", x[t], spec_.norm_eps);
        x[t] = sum(x[t], ffn(i, layer + "mlp.c_fc", layer + "mlp.c_proj", n));
      }
      said_["hidden." + std::to_string(i)] = as_values(x);
    }
    Rows logits;
    for (const Row& row : x)
      logits.push_back(linear(weights_, spec_.tied ? "wte.weight" : "lm_head.weight", "",
                              layer_norm(weights_, "ln_f", row, spec_.norm_eps)));
    said_["logits"] = as_values(logits);
  }

  void bert() {
    Rows x;
    for (size_t t = 0; t < T(); ++t) {
      const Row token = weights_.row("word_embeddings.weight", ids_[t]),
                segment = weights_.row("token_type_embeddings.weight", 0);
      const Row all = sum(sum(token, segment), weights_.row("position_embeddings.weight", static_cast<int64_t>(t)));
      x.push_back(layer_norm(weights_, "embed_norm", all, spec_.norm_eps));
    }
    said_["hidden.embed"] = as_values(x);
    for (int i = 0; i < spec_.n_layers(); ++i) {
      const std::string layer = "layers." + std::to_string(i) + ".";
      const Rows mixed = attention(i, x);
      for (size_t t = 0; t < T(); ++t) {
        x[t] = layer_norm(weights_, layer + "attn_norm", sum(x[t], mixed[t]), spec_.norm_eps);
        x[t] = layer_norm(weights_, layer + "mlp_norm", sum(x[t], ffn(i, layer + "mlp.up", layer + "mlp.down", x[t])),
                          spec_.norm_eps);
      }
      said_["hidden." + std::to_string(i)] = as_values(x);
    }
    pool(x);
    if (!spec_.has_head) return;
    Rows logits;
    for (const Row& row : x) {
      const Row h = activate(Activation::GeluErf, linear(weights_, "head.transform", row));
      logits.push_back(linear(weights_, "word_embeddings.weight", "head.bias",
                              layer_norm(weights_, "head.norm", h, spec_.norm_eps)));
    }
    said_["logits"] = as_values(logits);
  }

  void pool(const Rows& x) {
    if (spec_.pooling == Pooling::None) return;
    Row e = x[0];
    if (spec_.pooling == Pooling::Cls) {
      e = activate(Activation::Tanh, linear(weights_, "pooler", x[0]));
    } else {
      for (size_t t = 1; t < T(); ++t) e = sum(e, x[t]);
      double squares = 0;
      for (double& v : e) v /= static_cast<double>(T()), squares += v * v;
      for (double& v : e) v /= std::max(std::sqrt(squares), 1e-12);
    }
    said_["pooled"] = {{static_cast<int64_t>(e.size())}, e};
  }

  const ModelSpec& spec_;
  Named weights_;
  std::span<const int32_t> ids_;
  const MaskRule& mask_;
  std::map<std::string, Values> said_;
};

}  // namespace

bool oracle_allows(const MaskRule& mask, int64_t i, int64_t j) {
  switch (mask.kind) {
    case MaskRule::Kind::Causal:
      return j <= i;
    case MaskRule::Kind::Bidirectional:
      return true;
    case MaskRule::Kind::Prefix:
      return j <= i || j < mask.n;
    case MaskRule::Kind::Window:
      return i - mask.n < j && j <= i;
    case MaskRule::Kind::Custom:
      return i < mask.bits->queries && j < mask.bits->keys ? mask.bits->get(i, j) : j <= i;
  }
  return false;
}

std::map<std::string, Values> oracle(const Model& model, std::span<const int32_t> ids, const MaskRule& mask) {
  return Forward(model, ids, mask).run();
}

}  // namespace cutaway::tests
