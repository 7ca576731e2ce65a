// The verbs that an architecture file writes its graph with. Shapes are checked as they are born.
#pragma once

#include "engine/graph.h"

namespace cutaway {

class Builder {
 public:
  explicit Builder(const ModelSpec& spec) : spec_(spec) {}

  /// Paths and weight names made until the returned guard dies begin with the scope: "layers.3." then "attn.".
  class Scope {
   public:
    Scope(Builder& b, std::string part);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Builder& b_;
    size_t length_;
    int layer_;
    std::string block_;
    Counts tokens_of_;
  };
  /// One of the two stacks of an encoder-decoder: "encoder." or "decoder." before every path, and its own tokens.
  Scope stack(Counts tokens_of);
  Scope layer(int i) { return Scope(*this, "layers." + std::to_string(i) + "."); }
  Scope block(const std::string& name) { return Scope(*this, name + "."); }

  NodeId tokens();
  NodeId positions(int64_t first = 0);  // past + first ..
  NodeId segments();
  NodeId embedding(NodeId ids, const std::string& name, int64_t rows, int64_t cols);  // (T, cols)
  NodeId sinusoid(NodeId positions, int64_t width, bool halves);  // (T, width); halves: all sines, then all cosines
  NodeId add(NodeId a, NodeId b);                                 // same shape
  NodeId mul(NodeId a, NodeId b);
  NodeId scale(NodeId x, float factor);  // x itself when the factor is 1
  NodeId softcap(NodeId x, float cap);   // x itself when the cap is 0
  NodeId concat(NodeId a, NodeId b);     // (T, A) and (T, B) to (T, A + B)
  NodeId layer_norm(NodeId x, const std::string& name);
  /// group: values normed together, all by the same gains; 0 is the whole row. eps 0 is the spec's.
  NodeId rms_norm(NodeId x, const std::string& name, int64_t group = 0, float eps = 0);
  NodeId norm(NodeId x, const std::string& name);                                        // the spec's kind
  NodeId linear(NodeId x, const std::string& name, int64_t in, int64_t out, bool bias);  // (T, out)
  NodeId activation(NodeId x, Activation kind);
  NodeId split_heads(NodeId x, int64_t heads);  // (H, T, Dh)
  NodeId merge_heads(NodeId x);                 // (T, H*Dh)
  NodeId rotary(NodeId x, int rope);            // same; x itself for rope -1
  /// Every row that was ever made: (Hkv, S, Dh). Rows of the other stack's text are kept for the whole run.
  NodeId cache(NodeId x, int mask_slot, int64_t rope_dim = 0);
  NodeId relative_bias(const std::string& name, int64_t heads, bool ahead);   // (H, T + S - 1)
  NodeId alibi_bias(int64_t heads);                                           // (H, T + S - 1)
  NodeId latent_query(NodeId q, const std::string& name, const LatentSpec&);  // (H, T, Dn + p) to (H, T, r + p)
  NodeId latent_value(NodeId o, const std::string& name, const LatentSpec&);  // (H, T, r) to (H, T, Dv)
  NodeId expand_keys(NodeId c, const std::string& name, int64_t heads, const LatentSpec&);    // (H, S, Dn + p)
  NodeId expand_values(NodeId c, const std::string& name, int64_t heads, const LatentSpec&);  // (H, S, Dv)
  struct Attend {
    NodeId q = no_node, k = no_node, v = no_node;
    NodeId bias = no_node;  // may be none
    float scale = 1, softcap = 0;
    int64_t value_dim = 0;  // 0: all of v's; fewer than its width: the first of each head
    int mask_slot = 0;
  };
  /// Context (H, T, Dv), and beside it the answers lse (H, T), mask (T, S) and probs (H, T, S).
  NodeId attend(const Attend&);
  NodeId take_rows(NodeId x);  // (R, D); what is made from it belongs to the head
  NodeId first_row(NodeId x);
  NodeId mean_rows(NodeId x);
  NodeId unit_length(NodeId x);
  /// x E^T + b with the matrix of an earlier embedding (tied) or one of its own, capped as the spec says.
  NodeId unembed(NodeId x, const std::string& matrix, int64_t d, int64_t vocab, const std::string& bias = {});

  /// Gives the node a meaning and a public path, which begins with the stack's: "hidden.3", "encoder.hidden.3".
  NodeId mark(NodeId x, Role role, const std::string& path);
  /// The same with a path inside the current scope: "q" becomes "layers.3.attn.q".
  NodeId mark_here(NodeId x, Role role, const std::string& name);
  Graph finish();

  const ModelSpec& spec() const { return spec_; }

 private:
  NodeId push(Op op, std::vector<NodeId> inputs, std::vector<Size> shape, const std::string& path);
  NodeId latent(Op, NodeId x, const std::string& name, int64_t heads, int64_t width, const LatentSpec&);
  int weight(const std::string& name, Shape shape);  // the same name twice is the same tensor
  std::string here(const std::string& name) const { return prefix_ + name; }
  Size tokens_now() const { return {Law::T, 0, tokens_of_}; }

  ModelSpec spec_;
  Graph graph_;
  std::string prefix_, block_, stack_;
  int layer_ = -1;
  Counts tokens_of_ = Counts::DecoderTokens;
};

}  // namespace cutaway
