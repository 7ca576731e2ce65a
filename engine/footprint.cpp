#include "engine/footprint.h"

#include <algorithm>
#include <cassert>

#include "engine/paged.h"

namespace cutaway {
namespace {

constexpr Storage all_storages[] = {{"fp32", 1, 4}, {"fp16", 1, 2},   {"bf16", 1, 2},
                                    {"fp8", 1, 1},  {"q8_0", 32, 34}, {"q4_0", 32, 18}};
constexpr const Storage& half = all_storages[1];

/// Width of a key and of a value if each query head had its own.
int64_t full_width(const Graph& graph, const CacheBlock& found) {
  if (!found.latent) return found.values / found.kv_heads;
  int64_t key = 0, value = 0;
  for (const Node& node : graph.nodes) {
    if (node.block != found.block) continue;
    if (node.op == Op::latent_query) key = node.params.value_dim + node.params.rope_dim;
    if (node.op == Op::expand_keys) key = node.params.head_dim;
    if (node.op == Op::latent_value || node.op == Op::expand_values) value = node.params.head_dim;
  }
  return key + value;
}

}  // namespace

std::span<const Storage> storages() { return all_storages; }

const Storage* storage_named(std::string_view name) {
  const auto found = std::ranges::find(all_storages, name, &Storage::name);
  return found == std::end(all_storages) ? nullptr : found;
}

const Storage* storage_of(const State& state) {
  return state.empty() ? all_storages : storage_named(cache_dtype_name(state.begin()->second.format().dtype));
}

int64_t KeptRows::allocated() const {
  if (rows() == 0) return 0;
  return ((end + page_rows - 1) / page_rows - first / page_rows) * page_rows;
}

Size law_of_rows(const Node& cache, const std::vector<MaskRule>& masks) {
  Size law = cache.shape[1];
  if (law.law != Law::Window) return law;
  const MaskRule& rule = masks[static_cast<size_t>(cache.params.mask_slot)];
  if (rule.kind == MaskRule::Kind::Window)
    law.n = rule.n;
  else
    law = {Law::Past, 0, law.counts};
  return law;
}

KeptRows kept_rows(const Size& law, const Lengths& lengths) {
  const int64_t end = law.counts == Counts::EncoderTokens ? lengths.source : lengths.tokens;
  return {end - law.at(0, end), end};
}

int64_t touched_rows(const Size& law, const Lengths& lengths, int64_t pass) {
  const int64_t end = kept_rows(law, lengths).end;
  if (law.law != Law::Window) return end;
  return end - std::max<int64_t>(0, end - pass + 1 - law.n);
}

std::vector<CacheBlock> cache_blocks(const Graph& graph) {
  std::vector<CacheBlock> blocks;
  for (const Node& node : graph.nodes) {
    if (node.op == Op::cache) {
      if (blocks.empty() || blocks.back().block != node.block)
        blocks.push_back({.block = node.block, .layer = node.layer, .rows = node.shape[1]});
      CacheBlock& last = blocks.back();
      last.caches.push_back(node.id);
      last.kv_heads = node.params.heads;
      last.values += node.params.heads * node.params.head_dim;
      last.latent = last.latent || node.role == Role::Latent;
    } else if (node.op == Op::attend && !blocks.empty() && blocks.back().block == node.block) {
      blocks.back().heads = node.params.heads;
    }
  }
  for (CacheBlock& found : blocks) found.full_values = found.heads * full_width(graph, found);
  return blocks;
}

namespace {

/// Of a head, what is kept in blocks: of a latent's row only what doesn't turn, the rest stays fp16.
int64_t blocks_width(const Node& cache, const Storage& storage) {
  return cache.params.head_dim - (storage.block > 1 ? cache.params.rope_dim : 0);
}

}  // namespace

bool stands_in(const Node& cache, const Storage& storage) { return blocks_width(cache, storage) % storage.block != 0; }

double row_bytes(const Node& cache, const Storage& storage) {
  const Storage& kept = stands_in(cache, storage) ? half : storage;
  const int64_t width = blocks_width(cache, kept), rest = cache.params.head_dim - width;
  return static_cast<double>(cache.params.heads * (width / kept.block * kept.block_bytes + rest * half.block_bytes));
}

double scales_bytes(const Node& cache, const Storage& storage) {
  return storage.name == "fp8" ? static_cast<double>(cache.params.heads) * sizeof(float) : 0;
}

Footprint footprint(const Graph& graph, const Lengths& lengths, const FootprintOptions& options) {
  const Storage& storage = options.cache ? *options.cache : all_storages[0];
  const auto batch = static_cast<double>(options.batch);
  Footprint sum;
  for (const Node& node : graph.nodes) {
    if (node.op != Op::cache) continue;
    const Size& law = node.shape[1];
    const KeptRows kept = kept_rows(law, lengths);
    const double row = row_bytes(node, storage);
    const double scales = scales_bytes(node, storage);
    sum.used += batch * (row * static_cast<double>(kept.rows()) + scales);
    sum.allocated += batch * (row * static_cast<double>(kept.allocated()) + scales);
    if (law.counts == Counts::EncoderTokens) sum.per_source_token += row;
    if (law.counts != Counts::EncoderTokens) sum.per_token += row;
    if (law.law == Law::Past) sum.per_token_beyond += row;
    if (!sum.stands_in && stands_in(node, storage)) sum.stands_in = node.id;
  }
  return sum;
}

std::optional<int64_t> longest_text(const Graph& graph, const FootprintOptions& options, double bytes) {
  const auto fits = [&](int64_t n) { return footprint(graph, {n, n}, options).used <= bytes; };
  int64_t low = 0, high = int64_t{1} << 40;
  if (bytes < 0 || fits(high)) return bytes < 0 ? std::optional<int64_t>(0) : std::nullopt;
  while (high - low > 1) {  // fits(low) holds, fits(high) doesn't
    const int64_t middle = (low + high) / 2;
    (fits(middle) ? low : high) = middle;
  }
  return low;
}

}  // namespace cutaway
