// The body of today's decoders: rotary positions, RMS or layer norms before or after each branch, a gated feed-forward.
// Llama, Mistral, Qwen, Gemma, OLMo, DeepSeek and Falcon are rows of data over it.
#pragma once

#include "engine/architecture.h"

namespace cutaway {

Graph build_llama(const ModelSpec&);

/// Tensor names of Hugging Face's Llama and of those that follow it.
TensorSource llama_source(const ModelSpec&, const std::string& name);
bool llama_ignored(const std::string& file_tensor);

/// "mha", "gqa" or "mqa": what the numbers of heads say.
std::string grouped_kind(int64_t n_heads, int64_t n_kv_heads);

}  // namespace cutaway
