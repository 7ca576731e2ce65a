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
  };
  Scope layer(int i) { return Scope(*this, "layers." + std::to_string(i) + "."); }
  Scope block(const std::string& name) { return Scope(*this, name + "."); }

  NodeId tokens();
  NodeId positions();
  NodeId segments();
  NodeId embedding(NodeId ids, const std::string& name, int64_t rows, int64_t cols);     // (T, cols)
  NodeId add(NodeId a, NodeId b);                                                        // same shape
  NodeId layer_norm(NodeId x, const std::string& name);                                  // same shape
  NodeId linear(NodeId x, const std::string& name, int64_t in, int64_t out, bool bias);  // (T, out)
  NodeId activation(NodeId x, Activation kind);
  NodeId split_heads(NodeId x, int64_t heads);  // (H, T, Dh)
  NodeId merge_heads(NodeId x);                 // (T, H*Dh)
  NodeId cache(NodeId x);                       // (Hkv, Past, Dh)
  /// Context (H, T, Dh), and beside it the answers lse (H, T), mask (T, S) and probs (H, T, S).
  NodeId attend(NodeId q, NodeId k, NodeId v, float scale, int mask_slot);
  NodeId take_rows(NodeId x);  // (R, D); what is made from it belongs to the head
  NodeId first_row(NodeId x);
  NodeId mean_rows(NodeId x);
  NodeId unit_length(NodeId x);
  /// x E^T + b with the matrix of an earlier embedding (tied) or one of its own.
  NodeId unembed(NodeId x, const std::string& matrix, int64_t d, int64_t vocab, const std::string& bias = {});

  /// Gives the node a meaning and a public path; the path is absolute: "hidden.3".
  NodeId mark(NodeId x, Role role, const std::string& path);
  /// The same with a path inside the current scope: "q" becomes "layers.3.attn.q".
  NodeId mark_here(NodeId x, Role role, const std::string& name);
  Graph finish();

  const ModelSpec& spec() const { return spec_; }

 private:
  NodeId push(Op op, std::vector<NodeId> inputs, std::vector<Size> shape, const std::string& path);
  int weight(const std::string& name, Shape shape);  // the same name twice is the same tensor
  std::string here(const std::string& name) const { return prefix_ + name; }

  ModelSpec spec_;
  Graph graph_;
  std::string prefix_, block_;
  int layer_ = -1;
};

}  // namespace cutaway
