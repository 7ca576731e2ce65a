#include "engine/architectures/seq2seq.h"

#include <cmath>

namespace cutaway {
namespace {

/// One stack: its tokens, positions, layers, and the norm behind them.
class Stack {
 public:
  Stack(Builder& b, Counts tokens_of, NodeId memory) : b_(b), spec_(b.spec()), tokens_of_(tokens_of), memory_(memory) {}

  NodeId build() {
    const auto& layers = tokens_of_ == Counts::EncoderTokens ? spec_.encoder_layers : spec_.layers;
    NodeId ids, x;
    {
      const auto scope = b_.stack(tokens_of_);
      ids = b_.tokens();
    }
    const NodeId embedded = b_.embedding(ids, "shared", spec_.vocab_size, spec_.d_model);  // one table for both stacks
    x = b_.scale(embedded, spec_.embed_scale);
    const auto scope = b_.stack(tokens_of_);
    b_.mark(embedded, Role::None, "embed_tokens");
    x = b_.mark(add_positions(x), Role::Hidden, "hidden.embed");
    const NodeId bias = spec_.relative_buckets > 0
                            ? b_.relative_bias("relative_bias", layers[0].attention.n_heads, memory_ == no_node)
                            : no_node;
    for (size_t i = 0; i < layers.size(); ++i) {
      const auto layer = b_.layer(static_cast<int>(i));
      x = build_layer(x, bias, layers[i]);
      b_.mark(x, Role::Hidden, fmt::format("hidden.{}", i));
    }
    if (memory_ != no_node) x = b_.take_rows(x);  // what follows is the head
    return layers[0].norms.input ? b_.norm(x, "final_norm") : x;
  }

 private:
  NodeId add_positions(NodeId x) {
    if (spec_.relative_buckets > 0) return x;
    const NodeId at = b_.positions(spec_.first_position);
    if (spec_.sinusoids) return b_.add(x, b_.sinusoid(at, spec_.d_model, true));
    x = b_.add(x, b_.embedding(at, "embed_positions", spec_.n_ctx + spec_.first_position, spec_.d_model));
    return b_.norm(x, "embed_norm");
  }

  /// x + branch(x), with the norm before the branch or after the sum.
  template <class Branch>
  NodeId residual(NodeId x, const char* norm, const NormPlaces& norms, Branch branch) {
    const NodeId y = b_.add(x, branch(norms.input ? b_.norm(x, norm) : x));
    return norms.input ? y : b_.norm(y, norm);
  }

  NodeId build_layer(NodeId x, NodeId bias, const LayerSpec& layer) {
    x = residual(x, "attn_norm", layer.norms,
                 [&](NodeId h) { return build_attention(b_, {.x = h, .from = h, .bias = bias}, layer.attention); });
    if (layer.cross)
      x = residual(x, "cross_norm", layer.norms, [&](NodeId h) {
        return build_attention(b_, {.x = h, .from = memory_, .block = "cross"}, *layer.cross);
      });
    return residual(x, "mlp_norm", layer.norms, [&](NodeId h) { return feed_forward(h, layer.ffn); });
  }

  NodeId feed_forward(NodeId h, const FfnSpec& f) {
    const int64_t D = spec_.d_model;
    NodeId y = b_.activation(b_.linear(h, f.gated ? "mlp.gate_proj" : "mlp.up_proj", D, f.d_ff, f.bias), f.activation);
    if (f.gated) y = b_.mul(y, b_.linear(h, "mlp.up_proj", D, f.d_ff, f.bias));  // (T, F)
    return b_.linear(y, "mlp.down_proj", f.d_ff, D, f.bias);
  }

  Builder& b_;
  const ModelSpec& spec_;
  Counts tokens_of_;
  NodeId memory_;  // the encoder's last layer; no_node in the encoder itself
};

}  // namespace

std::vector<MaskRule> seq2seq_masks() {
  const MaskRule all{MaskRule::Kind::Bidirectional, 0, nullptr};
  return {MaskRule{}, all, all};
}

AttentionSpec seq2seq_attention(int64_t d_model, int64_t n_heads, int64_t head_dim, float scale, bool bias,
                                int mask_slot) {
  return {.d_model = d_model,
          .n_heads = n_heads,
          .n_kv_heads = n_heads,
          .head_dim = head_dim,
          .scale = scale,
          .bias = bias,
          .out_bias = bias,
          .mask_slot = mask_slot,
          .cached = mask_slot != encoder_slot};
}

Graph build_seq2seq(const ModelSpec& spec) {
  Builder b(spec);
  const NodeId memory = Stack(b, Counts::EncoderTokens, no_node).build();  // (S, D)
  NodeId x = Stack(b, Counts::DecoderTokens, memory).build();              // (R, D)
  x = b.scale(x, spec.head_scale);
  b.unembed(x, spec.tied ? "shared" : "lm_head", spec.d_model, spec.vocab_size, spec.logit_bias ? "logit_bias" : "");
  return b.finish();
}

}  // namespace cutaway
