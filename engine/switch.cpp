#include "engine/switch.h"

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <charconv>
#include <cstring>

#include "engine/files/aligned.h"

namespace cutaway {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// KIND[:key=N], taken apart.
struct Asked {
  std::string text, kind;
  std::optional<int64_t> number;
};

std::string_view key_of(std::string_view kind) {
  return kind == "gqa" ? "kv_heads" : kind == "mla" ? "rank" : kind == "window" ? "size" : "";
}

Result<Asked> parse(const std::string& text) {
  const size_t colon = text.find(':');
  Asked asked{text, text.substr(0, colon), std::nullopt};
  if (asked.kind != "window" && !attention_kind(asked.kind)) {
    std::vector<std::string_view> known{"window"};
    for (const AttentionKind& one : attention_kinds()) known.push_back(one.name);
    std::ranges::sort(known);
    return error("attention is \"{}\"; known are {}", text, fmt::join(known, ", "));
  }
  const std::string settings = colon == std::string::npos ? "" : text.substr(colon + 1);
  const std::string_view key = key_of(asked.kind);
  if (settings.empty() && asked.kind != "window") return asked;
  if (key.empty()) return error("attention is \"{}\"; {} takes no settings", text, asked.kind);
  const std::string begin = fmt::format("{}=", key);
  const std::string_view digits = settings.starts_with(begin) ? std::string_view(settings).substr(begin.size()) : "";
  int64_t n = 0;
  const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), n);
  if (digits.empty() || status != std::errc() || end != digits.data() + digits.size() || n < 1)
    return error("attention is \"{}\"; {} wants {}N with N of at least 1", text, asked.kind, begin);
  asked.number = n;
  return asked;
}

Result<AttentionSpec> grouped(const Asked& asked, AttentionSpec a) {
  const int64_t to = asked.kind == "mha" ? a.n_heads : asked.kind == "mqa" ? 1 : asked.number.value_or(a.n_kv_heads);
  if (!asked.number && asked.kind == "gqa" && a.kind != "gqa")
    return error("attention is \"gqa\"; it wants kv_heads=N, and N must divide the {} query heads", a.n_heads);
  if (a.n_heads % to != 0)
    return error("attention is \"{}\"; the model has {} query heads, which is no multiple of {}", asked.text, a.n_heads,
                 to);
  if (a.n_kv_heads % to != 0 && to % a.n_kv_heads != 0)
    return error(
        "attention is \"{}\"; the model has {} heads of keys and values: {} neither divides them nor is a "
        "multiple",
        asked.text, a.n_kv_heads, to);
  a.kind = asked.kind;
  a.n_kv_heads = to;
  return a;
}

int64_t full_rank(const AttentionSpec& a) { return std::min(a.d_model, 2 * a.n_kv_heads * a.head_dim); }

Result<AttentionSpec> latent(const Asked& asked, AttentionSpec a) {
  if (!asked.number)
    return error("attention is \"mla\"; it wants rank=N of 1 to {}, the full rank of its keys and values",
                 full_rank(a));
  if (*asked.number > full_rank(a))
    return error("attention is \"{}\"; the keys and values have rank {}: the smaller of d_model {} and 2 x {} x {}",
                 asked.text, full_rank(a), a.d_model, a.n_kv_heads, a.head_dim);
  if (a.qk_norm != QkNorm::None)
    return error("attention is \"{}\"; the model norms its keys, which no latent can hold", asked.text);
  if (a.rope >= 0 && a.bias)
    return error(
        "attention is \"{}\"; the model's keys have a bias and turn with the position, so that bias can't be "
        "left out",
        asked.text);
  // A key's bias adds the same number to all scores of a row and is left out; a value's goes through the output matrix
  // into its bias, since weights sum to one.
  a.latent = {.kv_lora_rank = *asked.number,
              .nope_dim = a.head_dim,
              .v_dim = a.head_dim,
              .absorbed = a.rope < 0,  // a rotation doesn't commute with the factor of the keys
              .normed = false,
              .query_bias = a.bias};
  a.kind = "mla";
  a.out_bias = a.out_bias || a.bias;
  a.bias = false;
  return a;
}

Result<AttentionSpec> switched(const Asked& asked, const AttentionSpec& a) {
  if (a.kind == "mla") {
    if (asked.kind == "mla" && asked.number.value_or(a.latent.kv_lora_rank) == a.latent.kv_lora_rank) return a;
    return error(
        "attention is \"{}\"; the model's keys and values come from a latent of {} numbers, which can't be "
        "switched",
        asked.text, a.latent.kv_lora_rank);
  }
  return asked.kind == "mla" ? latent(asked, a) : grouped(asked, a);
}

/// Windows of the model stay where they are narrower.
void narrow(ModelSpec& spec, int64_t size) {
  for (MaskRule& mask : spec.masks) {
    if (mask.kind == MaskRule::Kind::Window) size = std::min(size, mask.n);
    mask = {MaskRule::Kind::Window, size, nullptr};
  }
}

std::vector<float> floats_of(const Weights& weights, int i) {
  const TensorView view = weights.tensor(i);
  if (!view.data) throw std::bad_alloc();
  std::vector<float> values(static_cast<size_t>(view.size()));
  to_float(view, values.data());
  return values;
}

/// Rows of `from` heads as rows of `to`: each the mean of its group, or repeated for it.
std::vector<float> regrouped(const std::vector<float>& in, int64_t from, int64_t to) {
  const int64_t head = static_cast<int64_t>(in.size()) / from, group = std::max<int64_t>(1, from / to),
                copies = std::max<int64_t>(1, to / from);
  std::vector<float> out(static_cast<size_t>(head * to));
  for (int64_t h = 0; h < to; ++h)
    for (int64_t i = 0; i < head; ++i) {
      double sum = 0;
      for (int64_t g = 0; g < group; ++g) sum += in[static_cast<size_t>((h / copies * group + g) * head + i)];
      out[static_cast<size_t>(h * head + i)] = static_cast<float>(sum / static_cast<double>(group));
    }
  return out;
}

// [Wk; Wv] = up down, the nearest of that rank in the sum of squares (Eckart and Young 1936).
struct Factors {
  std::once_flag once;
  Matrix up, down;  // (2 Hkv Dh, r), (r, D)
};

/// Where the loaded model keeps the tensors of one layer's attention; -1: it has none.
struct LayerWeights {
  AttentionSpec was, is;
  int k = -1, v = -1, v_bias = -1, o = -1, o_bias = -1;
  std::shared_ptr<Factors> factors = std::make_shared<Factors>();
};

void factor(const Weights& base, const LayerWeights& layer) {
  const AttentionSpec& a = layer.was;
  const int64_t m = a.n_kv_heads * a.head_dim, D = a.d_model, r = layer.is.latent.kv_lora_rank;
  Matrix stacked(2 * m, D);
  for (int part = 0; part < 2; ++part) {
    const std::vector<float> rows = floats_of(base, part ? layer.v : layer.k);
    for (int64_t i = 0; i < m * D; ++i) stacked.data()[part * m * D + i] = rows[static_cast<size_t>(i)];
  }
  // The singular vectors of the shorter side; those of the other follow by a product that is exact at full rank.
  const bool tall = 2 * m > D;
  const Matrix gram = tall ? Matrix(stacked.transpose() * stacked) : Matrix(stacked * stacked.transpose());
  const Eigen::SelfAdjointEigenSolver<Matrix> solver(gram);
  const Matrix vectors = solver.eigenvectors().rightCols(r);  // eigenvalues ascend: the largest are last
  layer.factors->up = tall ? Matrix(stacked * vectors) : vectors;
  layer.factors->down = tall ? Matrix(vectors.transpose()) : Matrix(vectors.transpose() * stacked);
}

const Factors& factors_of(const Weights& base, const LayerWeights& layer) {
  std::call_once(layer.factors->once, [&] { factor(base, layer); });
  return *layer.factors;
}

/// Rows of the upper factor by query head: (H * Dh, r) of the keys, or of the values.
std::vector<float> expanding(const Weights& base, const LayerWeights& layer, bool values) {
  const Matrix& up = factors_of(base, layer).up;
  const AttentionSpec& a = layer.was;
  const int64_t group = a.n_heads / a.n_kv_heads, first = values ? a.n_kv_heads * a.head_dim : 0;
  std::vector<float> out;
  for (int64_t h = 0; h < a.n_heads; ++h)
    for (int64_t d = 0; d < a.head_dim; ++d)
      for (int64_t i = 0; i < up.cols(); ++i)
        out.push_back(static_cast<float>(up(first + h / group * a.head_dim + d, i)));
  return out;
}

std::vector<float> compressing(const Weights& base, const LayerWeights& layer) {
  const Matrix& down = factors_of(base, layer).down;
  return {down.data(), down.data() + down.size()};
}

/// b_o + W_o b_v
std::vector<float> output_bias(const Weights& base, const LayerWeights& layer) {
  const AttentionSpec& a = layer.was;
  std::vector<float> bias(static_cast<size_t>(a.d_model), 0.f);
  if (layer.o_bias >= 0) bias = floats_of(base, layer.o_bias);
  const std::vector<float> W = floats_of(base, layer.o),
                           b = regrouped(floats_of(base, layer.v_bias), a.n_kv_heads, a.n_heads);
  for (size_t row = 0; row < bias.size(); ++row) {
    double sum = bias[row];
    for (size_t i = 0; i < b.size(); ++i) sum += static_cast<double>(W[row * b.size() + i]) * b[i];
    bias[row] = static_cast<float>(sum);
  }
  return bias;
}

// One tensor of the switched model: the loaded one's, or made from it.
struct Recipe {
  int same = -1;
  std::function<std::vector<float>(const Weights&)> make;
  DType dtype = DType::F32;
};

class SwitchedWeights final : public Weights {
 public:
  SwitchedWeights(std::shared_ptr<const Weights> base, const Graph& graph, std::vector<Recipe> recipes)
      : base_(std::move(base)), recipes_(std::move(recipes)), once_(recipes_.size()), memory_(recipes_.size()) {
    for (size_t i = 0; i < recipes_.size(); ++i) {
      shapes_.push_back(graph.schema[i].shape);
      bytes_ += bytes_of(recipes_[i].dtype, elements(shapes_[i]));
    }
  }

  TensorView tensor(int i) const override {
    const auto at = static_cast<size_t>(i);
    const Recipe& recipe = recipes_[at];
    if (recipe.same >= 0) return base_->tensor(recipe.same);
    std::call_once(once_[at], [&] { memory_[at] = made(recipe); });
    return {memory_[at].get(), recipe.dtype, shapes_[at]};
  }
  DType storage_dtype() const override { return base_->storage_dtype(); }
  size_t bytes() const override { return bytes_; }
  bool random() const override { return base_->random(); }
  std::string warning() const override { return base_->warning(); }

 private:
  AlignedBytes made(const Recipe& recipe) const {
    try {
      const std::vector<float> values = recipe.make(*base_);
      AlignedBytes memory = aligned_bytes(bytes_of(recipe.dtype, static_cast<int64_t>(values.size())));
      if (!memory) return memory;
      auto* halves = reinterpret_cast<uint16_t*>(memory.get());
      if (recipe.dtype == DType::F32) std::memcpy(memory.get(), values.data(), values.size() * sizeof(float));
      if (recipe.dtype == DType::F16) std::ranges::transform(values, halves, float_to_half);
      if (recipe.dtype == DType::BF16) std::ranges::transform(values, halves, float_to_bf16);
      return memory;
    } catch (const std::bad_alloc&) {
      return {};
    }
  }

  std::shared_ptr<const Weights> base_;
  std::vector<Recipe> recipes_;
  std::vector<Shape> shapes_;
  size_t bytes_ = 0;
  mutable std::vector<std::once_flag> once_;
  mutable std::vector<AlignedBytes> memory_;
};

int index_of(const Graph& graph, const std::string& name) {
  const auto found = std::ranges::find(graph.schema, name, &TensorSchema::name);
  return found == graph.schema.end() ? -1 : static_cast<int>(found - graph.schema.begin());
}

/// How each tensor of the new graph comes from the old.
class Recipes {
 public:
  Recipes(const Model& from, const Model& to) : from_(from) {
    for (size_t i = 0; i < from.spec.layers.size(); ++i) {
      const std::string at = fmt::format("layers.{}.attn.", i);
      const auto index = [&](const char* part) { return index_of(*from.graph, at + part); };
      layers_.push_back({from.spec.layers[i].attention, to.spec.layers[i].attention, index("k_proj.weight"),
                         index("v_proj.weight"), index("v_proj.bias"), index("o_proj.weight"), index("o_proj.bias")});
    }
    for (const TensorSchema& tensor : to.graph->schema) all.push_back(of(tensor));
  }

  std::vector<Recipe> all;

 private:
  Recipe of(const TensorSchema& tensor) const {
    const int same = index_of(*from_.graph, tensor.name);
    const size_t at = tensor.name.find(".attn.");
    if (at != std::string::npos && tensor.name.starts_with("layers."))
      if (auto made = attention(layers_[std::stoul(tensor.name.substr(7))], tensor.name.substr(at + 6), same))
        return {-1, std::move(made), dtype(tensor, same)};
    assert(same >= 0 && from_.graph->schema[static_cast<size_t>(same)].shape == tensor.shape);
    return {same, {}, from_.weights->tensor(same).dtype};
  }

  /// Made anew, or nothing where the loaded tensor will do.
  std::function<std::vector<float>(const Weights&)> attention(const LayerWeights& layer, const std::string& part,
                                                              int same) const {
    if (layer.is.kind == "mla" && layer.was.kind != "mla") {
      if (part == "kv_a_proj.weight") return [layer](const Weights& base) { return compressing(base, layer); };
      if (part == "k_b_proj.weight") return [layer](const Weights& base) { return expanding(base, layer, false); };
      if (part == "v_b_proj.weight") return [layer](const Weights& base) { return expanding(base, layer, true); };
      if (part == "o_proj.bias" && layer.v_bias >= 0)
        return [layer](const Weights& base) { return output_bias(base, layer); };
      return {};
    }
    const int64_t from = layer.was.n_kv_heads, to = layer.is.n_kv_heads;
    const bool of_keys = part.starts_with("k_") && (part != "k_norm.weight" || layer.was.qk_norm == QkNorm::Whole);
    if (from == to || !(of_keys || part.starts_with("v_proj."))) return {};
    return [=](const Weights& base) { return regrouped(floats_of(base, same), from, to); };
  }

  /// As the loaded tensor has it, where that is a type for single numbers; factors are kept in full.
  DType dtype(const TensorSchema& tensor, int same) const {
    if (same < 0 || tensor.shape.size() == 1) return DType::F32;
    const DType own = from_.weights->storage_dtype();
    return is_block(own) ? DType::F32 : own;
  }

  const Model& from_;
  std::vector<LayerWeights> layers_;
};

}  // namespace

Result<ModelPtr> switch_attention(const ModelPtr& loaded, const std::string& attention) {
  const Result<Asked> asked = parse(attention);
  if (!asked) return asked.error();
  if (loaded->spec.encoder_decoder())
    return error("{}: attention is \"{}\"; only models of one stack are switched, and this one has two", loaded->name,
                 attention);
  auto model = std::make_shared<Model>(*loaded);
  if (asked->kind == "window") narrow(model->spec, *asked->number);
  for (LayerSpec& layer : model->spec.layers) {
    if (asked->kind == "window") break;
    const Result<AttentionSpec> made = switched(*asked, layer.attention);
    if (!made) return made.error();
    layer.attention = *made;
    if (auto ok = check_attention(layer.attention); !ok) return ok.error();
  }
  model->graph = std::make_shared<const Graph>(build_graph(model->spec));
  model->switched_from = loaded;
  model->weights = std::make_shared<SwitchedWeights>(loaded->weights, *model->graph, Recipes(*loaded, *model).all);
  return ModelPtr(model);
}

std::string SwitchChoice::text(int64_t number) const {
  return key.empty() ? kind : fmt::format("{}:{}={}", kind, key, number);
}

std::vector<SwitchChoice> switch_choices(const ModelPtr& loaded) {
  std::vector<SwitchChoice> choices;
  const AttentionSpec& a = loaded->spec.layers.front().attention;
  for (std::string_view kind : {"mha", "gqa", "mqa", "mla", "window"}) {
    SwitchChoice choice{std::string(kind), std::string(key_of(kind)), {}, {}};
    if (kind == "gqa")
      for (int64_t n = 1; n <= a.n_heads; ++n)
        if (a.n_heads % n == 0 && (n % a.n_kv_heads == 0 || a.n_kv_heads % n == 0)) choice.numbers.push_back(n);
    if (kind == "mla" && a.kind == kind) choice.numbers = {a.latent.kv_lora_rank};
    for (int64_t eighth = 1; kind == "mla" && a.kind != kind && eighth <= 8; ++eighth)
      if (const int64_t rank = full_rank(a) * eighth / 8; rank > 0) choice.numbers.push_back(rank);
    for (int64_t n = 4; kind == "window" && n <= loaded->spec.n_ctx; n *= 2) choice.numbers.push_back(n);
    const std::string most = choice.text(choice.numbers.empty() ? 1 : choice.numbers.back());
    const auto asked = parse(most);
    if (kind != "window" && a.kind != kind)
      if (const auto made = switched(*asked, a); !made) choice.refusal = made.error().text;
    if (loaded->spec.encoder_decoder()) choice.refusal = switch_attention(loaded, most).error().text;
    choices.push_back(std::move(choice));
  }
  return choices;
}

}  // namespace cutaway
