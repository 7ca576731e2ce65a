// Rotary position settings as Hugging Face configs spell them: rope_theta with rope_scaling (older), or rope_parameters
// with both inside (newer); its type under "rope_type" or "type".
#pragma once

#include "engine/config.h"
#include "engine/rope.h"

namespace cutaway {

/// For heads of which `width` dimensions turn. An unknown type is refused by name; spec dense.md 4.4.
RopeSpec read_rope(Keys&, const Config&, int64_t width, int64_t n_ctx, double default_theta);

/// Yarn's temperature m = 0.1 mscale ln(factor) + 1 (arXiv 2309.00071, equation 22).
float yarn_mscale(double factor, double mscale);

}  // namespace cutaway
