// Which instruction levels this machine can run, and the one in use.
#pragma once

#include <vector>

#include "engine/cpu/kernels.h"

namespace cutaway {

/// Tables that this machine can run, slowest first; never empty.
std::vector<const KernelTable*> runnable_kernels();
/// The fastest of them, or the one that CUTAWAY_CPU_LEVEL names ("v1", "v3", "v4") when the machine can run it.
const KernelTable& best_kernels();

}  // namespace cutaway
