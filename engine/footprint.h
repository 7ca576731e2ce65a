// Bytes of cache and weights by law (spec dense.md 7.1), from the growth laws of the graph alone: no weight is read and
// nothing is allocated. What the command line, the views and the advisor say about memory comes from here.
//
//   const Footprint f = *footprint(graph, {.tokens = 8192}, {.batch = 4, .cache = storage_named("fp16")});
//   f.used;  // bytes of keys and values of four texts of 8192 tokens
#pragma once

#include <optional>

#include "engine/backend.h"

namespace cutaway {

/// A way to store numbers. Quantised types take whole blocks with their scale.
struct Storage {
  std::string_view name;  // "fp16", "q8_0"
  int64_t block = 1;      // values that share a scale
  int64_t block_bytes = 4;
  double bytes() const { return static_cast<double>(block_bytes) / static_cast<double>(block); }  // per value
};
std::span<const Storage> storages();                  // fp32 first, smallest last
const Storage* storage_named(std::string_view name);  // null for a name that is not in the list
const Storage* storage_of(const State&);              // how running caches are kept; fp32 where there is none

/// How long the texts are.
struct Lengths {
  int64_t tokens = 0;  // of the decoder, or of the only stack
  int64_t source = 0;  // of the encoder
};

/// Rows [first, end) of one cache; those before are forgotten.
struct KeptRows {
  int64_t first = 0, end = 0;
  int64_t rows() const { return end - first; }
  int64_t allocated() const;  // rows of whole pages: page_rows times the pages that hold at least one kept row
};

/// The law of a cache's rows under the masks that run: a window's cache forgets only while its mask is a window.
Size law_of_rows(const Node& cache, const std::vector<MaskRule>& masks);
KeptRows kept_rows(const Size& law, const Lengths&);
/// Rows that a pass of `pass` tokens, the last of the text, reads or writes: all that any of its queries can see.
int64_t touched_rows(const Size& law, const Lengths&, int64_t pass);

/// What one attention block keeps, and what it would keep if every query head had keys and values of its own.
struct CacheBlock {
  std::string block;  // "layers.3.attn"
  int layer = 0;
  std::vector<NodeId> caches;       // keys and values, or the one latent
  Size rows;                        // the graph's law, equal for all of them
  int64_t heads = 0, kv_heads = 0;  // query heads; heads that are kept (1 for a latent)
  int64_t values = 0;               // kept per position, all caches together
  int64_t full_values = 0;          // heads * (width of a key + width of a value)
  bool latent = false;

  bool cross() const { return rows.counts == Counts::EncoderTokens; }
  int64_t group() const { return heads / kv_heads; }  // query heads that share a head of keys and values
};
/// In running order; blocks that keep nothing (an encoder's) are not among them.
std::vector<CacheBlock> cache_blocks(const Graph&);

/// Bytes of one row (one position). fp16 stands in where a head's width is no multiple of the storage's block.
double row_bytes(const Node& cache, const Storage&);
bool stands_in(const Node& cache, const Storage&);
/// What fp8 keeps beside the rows of a sequence: one fp32 scale a head.
double scales_bytes(const Node& cache, const Storage&);

struct FootprintOptions {
  int64_t batch = 1;               // sequences, each of those lengths, none shared
  const Storage* cache = nullptr;  // null: fp32
};
struct Footprint {
  double used = 0;                  // bytes of rows that are kept
  double allocated = 0;             // bytes of whole pages
  double per_token = 0;             // one sequence: bytes of a further token while no window is full
  double per_token_beyond = 0;      // and when all are
  double per_source_token = 0;      // bytes of a token of the encoder's text
  std::optional<NodeId> stands_in;  // the first cache that keeps fp16 instead
};
Footprint footprint(const Graph&, const Lengths&, const FootprintOptions& = {});

/// The longest text whose cache takes no more than `bytes`; the source is as long. Nothing where even 2^40 tokens fit.
std::optional<int64_t> longest_text(const Graph&, const FootprintOptions&, double bytes);

}  // namespace cutaway
