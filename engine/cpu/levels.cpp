#include "engine/cpu/levels.h"

#include <cstdlib>
#include <string_view>

namespace cutaway {
namespace {

// The levels by their parts: clang 16, which builds the fuzz targets, doesn't know "x86-64-v3" here.
bool has_v3() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
         __builtin_cpu_supports("bmi2");
}
bool has_v4() {
  return has_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

}  // namespace

std::vector<const KernelTable*> runnable_kernels() {
  std::vector<const KernelTable*> found = {&kernels_v1};
  if (has_v3()) found.push_back(&kernels_v3);
  if (has_v4()) found.push_back(&kernels_v4);
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
