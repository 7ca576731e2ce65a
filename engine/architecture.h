// An architecture: how its config is read, how its graph is built, and where a checkpoint keeps each weight.
// One file in engine/architectures and one line in architectures.inc; an attention kind likewise in engine/attention.
#pragma once

#include <functional>
#include <optional>
#include <span>

#include "engine/builder.h"
#include "engine/config.h"

namespace cutaway {

/// Where a checkpoint keeps one of our tensors. A part of a fused tensor is a range of its output rows, or, where the
/// parts alternate (a head of q, a head of k, …), blocks of rows that come back with a period.
struct TensorSource {
  std::vector<std::string> names;    // the first that the file has is taken (with and without a prefix, old spellings)
  bool transposed = false;           // the file stores [in, out]
  int64_t row_begin = 0, rows = -1;  // of the [out, in] matrix (or of the bias); -1: all
  int64_t block_rows = 0, block_period = 0;  // 0: the rows lie side by side

  /// The file's row that is row r of ours.
  int64_t file_row(int64_t r) const {
    return row_begin + (block_rows > 0 ? r / block_rows * block_period + r % block_rows : r);
  }
};

struct Architecture {
  std::string_view name;                      // "gpt2"
  std::vector<std::string_view> model_types;  // of config.json
  Result<ModelSpec> (*read_config)(const Config&);
  /// What only the files can say: whether there is a head, a pooler. May be null.
  void (*adapt)(ModelSpec&, const std::function<bool(const std::string&)>& file_has);
  Graph (*build)(const ModelSpec&);
  TensorSource (*source)(const ModelSpec&, const std::string& name);
  bool (*ignored)(const std::string& file_tensor);  // buffers that a file may hold and nobody needs
  std::vector<ModelSpec> (*corners)();              // tiny shapes worth testing: one head, odd sizes, H*Dh != D
};
std::span<const Architecture> architectures();
const Architecture* architecture_for(std::string_view model_type);
const Architecture& architecture_named(std::string_view name);

/// What an attention block reads: x makes queries, `from` keys and values; they are the same in self-attention.
struct AttentionInputs {
  NodeId x = no_node, from = no_node;
  NodeId bias = no_node;       // added to the scores; may be none
  std::string block = "attn";  // or "cross"
};

struct AttentionKind {
  std::string_view name;  // "mha"
  Result<void> (*check)(const AttentionSpec&);
  NodeId (*build)(Builder&, const AttentionInputs&, const AttentionSpec&);  // after the output projection (T, D)
};
std::span<const AttentionKind> attention_kinds();
const AttentionKind* attention_kind(std::string_view name);

/// The attention of one layer by its kind; refuses in attention_check what the kind can't be.
NodeId build_attention(Builder&, const AttentionInputs&, const AttentionSpec&);
Result<void> check_attention(const AttentionSpec&);

/// The graph of a checked spec; the schema says which config keys make each shape.
Graph build_graph(const ModelSpec&);

/// eos_token_id of a config: a number, the first of a list, or -1.
int64_t read_eos(Keys&, const Config&);

/// Activation by its name in a config: gelu, gelu_new, gelu_pytorch_tanh, gelu_fast, relu, silu, swish.
Result<Activation> activation_named(const Config&, std::string_view key, std::string absent);

}  // namespace cutaway
