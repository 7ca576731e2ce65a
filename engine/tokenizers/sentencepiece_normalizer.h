// What SentencePiece does to a text, and the same map as Hugging Face's "Precompiled" applies it.
#pragma once

#include "engine/tokenizers/normalizer.h"

namespace cutaway {

/// {"type": "Precompiled", "precompiled_charsmap": base64}: character by character of what a reader takes for one.
Result<NormalizerPtr> read_precompiled(Component&);

/// Our own word for normalizer_spec of a .model: {"type": "SentencePiece", "precompiled_charsmap": base64,
/// "add_dummy_prefix": true, "remove_extra_whitespaces": true}; spaces become U+2581.
Result<NormalizerPtr> read_sentencepiece_normalizer(Component&);

}  // namespace cutaway
