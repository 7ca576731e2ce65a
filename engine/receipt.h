// The byte receipt: every byte of cache by kind of layer, as the law says and as the allocator counted, what this step
// touched of it, and what formulas that people use would have said.
#pragma once

#include "engine/footprint.h"
#include "engine/snapshot.h"

namespace cutaway {

/// Layers that keep alike: equal widths, equal law.
struct ReceiptLine {
  CacheBlock like;                 // the first of them
  std::vector<int> layers;         // 0, 2, 4, …
  Size rows;                       // the law under the masks that ran
  double row_bytes = 0;            // of one position in one of these layers
  double law = 0;                  // bytes by law
  double touched = 0;              // bytes that the step's pass read or wrote
  size_t used = 0, allocated = 0;  // bytes as measured
};

/// Formulas that calculators use, each right for some models.
enum class Mistake : uint8_t {
  OneFormula,     // 2 L Hkv (D / Hq) N: every layer grows, heads are D / Hq wide (unslothai/unsloth#4757)
  HiddenSize,     // 2 L D N
  EveryHead,      // each query head has keys and values of its own: multi-head, or a latent expanded
  NoWindow,       // a window's layers keep everything
  EveryLayer,     // layers that keep nothing are counted as if they did
  CrossGrows,     // keys of the source are counted per generated token
  TwoBytesParam,  // memory = 2 bytes a parameter: nothing is said of the cache
};
struct WrongEstimate {
  Mistake mistake = Mistake::OneFormula;
  double bytes = 0, truth = 0;
  double error() const { return bytes / truth - 1; }
};
/// Those that can be asked of this model, for one text. `weights_bytes`: what the weights really take; 0: not asked.
std::vector<WrongEstimate> wrong_estimates(const ModelSpec&, const Graph&, const Lengths&, const Storage&,
                                           double weights_bytes = 0);

struct Receipt {
  const Storage* storage = nullptr;  // of the cache
  std::vector<ReceiptLine> lines;
  ReceiptLine sum;  // its rows, layers and like mean nothing
  std::vector<WrongEstimate> wrong;
};
/// Lines in running order; none for a step that keeps no cache.
Receipt receipt(const Snapshot&);

}  // namespace cutaway
