// The one truth: a model is a flat list of nodes in the order they run. Everything else is derived from it: the weight
// schema, the cache footprint, FLOPs and bytes, the taps, the diagram, and the tests that run over every variant.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model_spec.h"

namespace cutaway {

enum class Op : uint8_t {
#define OP(name) name,
#include "engine/ops.inc"
#undef OP
};
std::string_view name_of(Op);

/// How a size grows. n is the number itself (Fixed), the width (Window) or unused. Constant: all of the source, however
/// many tokens are generated. Distances: key - query of every pair of a pass.
enum class Law : uint8_t { Fixed, T, Past, Window, Constant, LogLevels, Distances, Asked };
/// What a size counts: a view labels its axes by this.
enum class Counts : uint8_t { Features, Heads, DecoderTokens, EncoderTokens, Blocks, Levels, Experts };

struct Size {
  Law law = Law::Fixed;
  int64_t n = 0;
  Counts counts = Counts::Features;

  /// The size after `past` cached and t new tokens. Past gives past + t.
  int64_t at(int64_t past, int64_t t) const;
  bool operator==(const Size&) const = default;
};

/// What a node means to a person. Views ask for roles, never for architectures.
enum class Role : uint8_t { None, Q, K, V, Latent, Bias, Probs, Mask, Lse, Context, Hidden, Logits, Pooled, State };
std::string_view name_of(Role);

using NodeId = int32_t;
inline constexpr NodeId no_node = -1;

/// The numbers of an op. Unused ones stay at their defaults.
struct Params {
  float eps = 0;                          // layer_norm, rms_norm
  float offset = 0;                       // rms_norm: added to the gain
  float scale = 1;                        // attend, probs, scale
  float softcap = 0;                      // attend, probs, softcap; 0: none
  int64_t heads = 0;                      // split_heads, cache: heads of this tensor. attend: query heads
  int64_t kv_heads = 0;                   // attend, probs
  int64_t head_dim = 0;                   // of queries and keys; rms_norm: values normed together
  int64_t value_dim = 0;                  // attend: of a value; latent ops: what a head makes or reads
  int64_t rope_dim = 0;                   // latent ops and caches: the last dimensions of a row, which turn
  bool halves = false;                    // sinusoid: all sines, then all cosines; else in turns
  int64_t first = 0;                      // positions: what is added to each
  int64_t buckets = 0, max_distance = 0;  // relative_bias
  bool ahead = true;                      // relative_bias: keys after the query have buckets of their own
  int rope = -1;                          // rotary: which of ModelSpec::ropes
  int mask_slot = 0;                      // attend, mask, probs
};

struct Node {
  Op op = Op::tokens;
  NodeId id = no_node;
  Params params;
  std::vector<NodeId> inputs;
  std::vector<Size> shape;
  std::vector<int> weights;  // indices into Graph::schema: matrix or gain first, bias second
  Role role = Role::None;
  int layer = -1;     // -1: before or after the stack
  bool head = false;  // runs only for the rows that somebody asked logits for
  std::string block;  // joins the nodes of one mechanism: "layers.3.attn"
  std::string path;   // what the field, the trace and the taps call it: "layers.3.attn.probs", "hidden.3"
};

/// Numbers in one row (one position) of the node's output: (H, T, Dh) has rows of H * Dh, (H, T) of H, (T, D) of D.
int64_t row_width(const Node&);
/// The axis that counts rows: the first of (T, D), the second of (H, T, Dh) and of an lse (H, T).
const Size& row_axis(const Node&);
/// The text whose tokens make the node run. A model with one stack has only decoder tokens.
Counts stream_of(const Node&);

/// A tensor that a weight file must hold, by our own name; Architecture::source says where a checkpoint keeps it.
struct TensorSchema {
  std::string name;     // "layers.3.attn.q_proj.weight"
  Shape shape;          // linear: (out, in)
  std::string said_by;  // the config keys that make this shape, for messages: "n_embd 768"
};

class Graph {
 public:
  std::vector<Node> nodes;
  std::vector<TensorSchema> schema;
  NodeId last_hidden = no_node;  // residual stream that the head reads
  NodeId logits = no_node;       // no_node: a model without a head
  NodeId pooled = no_node;

  const Node& operator[](NodeId id) const { return nodes[static_cast<size_t>(id)]; }
  /// Node of that role in a block, or no_node.
  NodeId in(std::string_view block, Role role) const;
  NodeId named(std::string_view path) const;
  std::vector<NodeId> with(Role role) const;
  /// Blocks that hold that role, in running order: the attention blocks of a model are blocks_with(Role::Probs).
  std::vector<std::string> blocks_with(Role role) const;
  /// How many later nodes read this one's output; answers don't count.
  std::vector<int> readers() const;

  int64_t parameters() const;
  /// Multiply-adds times two of one pass of t tokens after `past` (spec dense.md 8.2, dense kernel).
  double flops(NodeId id, int64_t past, int64_t t) const;
  /// Values that a token adds to the caches: the sum of the Past and Window laws.
  int64_t cache_values_per_token() const;
  /// Slots of the masks under which a token attends to its own text: what decides whether a new one may be appended.
  std::vector<int> own_mask_slots() const;
};

}  // namespace cutaway
