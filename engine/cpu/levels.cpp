#include "engine/cpu/levels.h"

#include <cstdlib>
#include <string_view>

namespace cutaway {

std::vector<const KernelTable*> runnable_kernels() {
  std::vector<const KernelTable*> found = {&kernels_v1};
  if (__builtin_cpu_supports("x86-64-v3")) found.push_back(&kernels_v3);
  if (__builtin_cpu_supports("x86-64-v4")) found.push_back(&kernels_v4);
  return found;
}

const KernelTable& best_kernels() {
  const std::vector<const KernelTable*> found = runnable_kernels();
  if (const char* asked = std::getenv("CUTAWAY_CPU_LEVEL"))
    for (const KernelTable* table : found)
      if (std::string_view(asked) == table->level) return *table;
  return *found.back();
}

}  // namespace cutaway
