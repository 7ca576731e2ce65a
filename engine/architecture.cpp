#include "engine/architecture.h"

#include <algorithm>
#include <cassert>

namespace cutaway {

#define ARCHITECTURE(name) extern const Architecture name##_architecture;
#include "engine/architectures/architectures.inc"
#undef ARCHITECTURE
#define ATTENTION(name) extern const AttentionKind name##_attention;
#include "engine/attention/attention.inc"
#undef ATTENTION

std::span<const Architecture> architectures() {
  static const std::vector<Architecture> all = {
#define ARCHITECTURE(name) name##_architecture,
#include "engine/architectures/architectures.inc"
#undef ARCHITECTURE
  };
  return all;
}

const Architecture* architecture_for(std::string_view model_type) {
  for (const Architecture& one : architectures())
    if (std::ranges::find(one.model_types, model_type) != one.model_types.end()) return &one;
  return nullptr;
}

const Architecture& architecture_named(std::string_view name) {
  const auto found = std::ranges::find(architectures(), name, &Architecture::name);
  assert(found != architectures().end());
  return *found;
}

std::span<const AttentionKind> attention_kinds() {
  static const std::vector<AttentionKind> all = {
#define ATTENTION(name) name##_attention,
#include "engine/attention/attention.inc"
#undef ATTENTION
  };
  return all;
}

const AttentionKind* attention_kind(std::string_view name) {
  const auto found = std::ranges::find(attention_kinds(), name, &AttentionKind::name);
  return found == attention_kinds().end() ? nullptr : &*found;
}

NodeId build_attention(Builder& b, const AttentionInputs& in, const AttentionSpec& spec) {
  const AttentionKind* kind = attention_kind(spec.kind);
  assert(kind);
  return kind->build(b, in, spec);
}

Result<void> check_attention(const AttentionSpec& spec) {
  if (const AttentionKind* kind = attention_kind(spec.kind)) return kind->check(spec);
  std::string known;
  for (const AttentionKind& kind : attention_kinds())
    known += fmt::format("{}{}", known.empty() ? "" : ", ", kind.name);
  return error("attention is \"{}\"; known kinds: {}", spec.kind, known);
}

Graph build_graph(const ModelSpec& spec) {
  Graph graph = architecture_named(spec.architecture).build(spec);
  for (TensorSchema& tensor : graph.schema)
    for (const auto& [key, value] : spec.said)
      if (std::ranges::find(tensor.shape, value) != tensor.shape.end())
        tensor.said_by += fmt::format("{}{} {}", tensor.said_by.empty() ? "" : ", ", key, value);
  return graph;
}

int64_t read_eos(Keys& keys, const Config& config) {
  if (const auto list = config.numbers("eos_token_id"); list && !list->empty()) return static_cast<int64_t>((*list)[0]);
  return keys.integer("eos_token_id", -1, -1, 1 << 24);
}

Result<Activation> activation_named(const Config& config, std::string_view key, std::string absent) {
  auto name = config.text(key, std::move(absent));
  if (!name) return name.error();
  if (*name == "gelu") return Activation::GeluErf;
  if (*name == "gelu_new" || *name == "gelu_pytorch_tanh" || *name == "gelu_fast") return Activation::GeluTanh;
  if (*name == "relu") return Activation::Relu;
  if (*name == "silu" || *name == "swish") return Activation::Silu;
  return error("{}: {} is \"{}\"; expected gelu, gelu_new, gelu_pytorch_tanh, gelu_fast, relu, silu or swish",
               config.file(), key, *name);
}

}  // namespace cutaway
