// Any bytes as a trace: opened or refused; every map of an opened one can be drawn.
#include <algorithm>
#include <cstdlib>

#include "engine/files/tensor_files.h"
#include "engine/trace.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cutaway;
  const auto files = TensorFiles::open_memory("fuzz", std::as_bytes(std::span(data, size)));
  if (!files) return 0;
  const auto step = read_trace(*files);
  if (!step) {
    if (step.error().text.empty()) std::abort();
    return 0;
  }
  const Snapshot& s = **step;
  if (s.pieces.size() != s.ids.size()) std::abort();
  const int64_t n = std::min<int64_t>(s.positions(), 32);
  for (const NodeId probs : s.graph().with(Role::Probs))
    for (const Heads heads : {Heads::One, Heads::Mean}) {
      TileRequest request{.step = *step, .probs = probs, .heads = heads, .queries = {0, n}, .keys = {0, n}};
      request.rows = request.columns = n;
      (void)host_tile(request);
    }
  return 0;
}
