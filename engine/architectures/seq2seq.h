// The body of encoder-decoders: an encoder that reads the source, a decoder that reads its own tokens and looks at the
// encoder's last layer in every layer of its own. T5 and BART differ in norms, positions and names.
#pragma once

#include "engine/architecture.h"

namespace cutaway {

Graph build_seq2seq(const ModelSpec&);

/// Masks of the decoder on itself, of the encoder on itself, of the decoder on the encoder.
inline constexpr int decoder_slot = 0, encoder_slot = 1, cross_slot = 2;
std::vector<MaskRule> seq2seq_masks();

/// One layer's attention; the three of a decoder differ in slot and in what they keep.
AttentionSpec seq2seq_attention(int64_t d_model, int64_t n_heads, int64_t head_dim, float scale, bool bias,
                                int mask_slot);

}  // namespace cutaway
