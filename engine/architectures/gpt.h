// The body that GPT-2 and nanoGPT share: pre-norm decoder, learned positions. They differ in names and orientation.
#pragma once

#include "engine/architecture.h"

namespace cutaway {

Graph build_gpt(const ModelSpec&);

/// Where the file keeps one of build_gpt's tensors. Its fused c_attn holds q, k, v as thirds of the output rows.
TensorSource gpt_source(const ModelSpec&, const std::string& name, bool transposed);

/// Buffers that old files carry: causal masks, and the output matrix of a tied model.
bool gpt_ignored(const std::string& file_tensor);

/// One plan row, repeated.
std::vector<LayerSpec> gpt_layers(int64_t n_layers, int64_t d_model, int64_t n_heads, int64_t d_ff, Activation,
                                  bool bias);

std::vector<ModelSpec> gpt_corners(const std::string& architecture, Activation, bool biases_may_be_off);

}  // namespace cutaway
