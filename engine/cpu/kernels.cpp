// Compiled once for each instruction level with CUTAWAY_LEVEL=v1|v3|v4 and Eigen renamed to match; see kernels.h.
#include "engine/cpu/kernels.h"

#include <immintrin.h>

#include <Eigen/Core>

namespace cutaway {
namespace {

#include "engine/cpu/level_simd.h"
//
#include "engine/cpu/level_blocks.h"
//
#include "engine/cpu/level_rows.h"
//
#include "engine/cpu/level_linear.h"
//
#include "engine/cpu/level_attend.h"
//
#include "engine/cpu/level_weights.h"

#if defined(__AVX512F__)
constexpr char level_name[] = "AVX-512";
#elif defined(__AVX2__)
constexpr char level_name[] = "AVX2";
#else
constexpr char level_name[] = "SSE2";
#endif

}  // namespace

#define CUTAWAY_JOIN(a, b) a##b
#define CUTAWAY_TABLE(level) CUTAWAY_JOIN(kernels_, level)
#define CUTAWAY_TEXT(level) #level
#define CUTAWAY_NAME(level) CUTAWAY_TEXT(level)

extern const KernelTable CUTAWAY_TABLE(CUTAWAY_LEVEL) = {
    .level = CUTAWAY_NAME(CUTAWAY_LEVEL),
    .name = level_name,
    .embedding = embedding,
    .add = add,
    .mul = mul,
    .scale = scale_values,
    .softcap = softcap,
    .rms_norm = rms_norm,
    .layer_norm = layer_norm,
    .gelu_erf = gelu_erf,
    .gelu_tanh = gelu_tanh,
    .relu = relu,
    .silu = silu,
    .tanh = tanh_values,
    .rotary = rotary,
    .exp = exp_values,
    .linear_few = linear_few,
    .linear_many = linear_many,
    .head_product = head_product,
    .attend = attend,
    .attention_weights = attention_weights,
    .mean_rows = mean_rows,
    .unit_length = unit_length,
};

}  // namespace cutaway
