#include "engine/receipt.h"

#include <algorithm>

namespace cutaway {
namespace {

bool alike(const ReceiptLine& line, const CacheBlock& block, const Size& rows) {
  const CacheBlock& like = line.like;
  return line.rows == rows && like.values == block.values && like.kv_heads == block.kv_heads &&
         like.heads == block.heads && like.latent == block.latent;
}

double block_bytes(const Graph& graph, const CacheBlock& block, const Storage& storage) {
  double bytes = 0;
  for (const NodeId id : block.caches) bytes += row_bytes(graph[id], storage);
  return bytes;
}

}  // namespace

std::vector<WrongEstimate> wrong_estimates(const ModelSpec& spec, const Graph& graph, const Lengths& lengths,
                                           const Storage& storage, double weights_bytes) {
  const auto blocks = cache_blocks(graph);
  if (blocks.empty()) return {};
  const double truth = footprint(graph, lengths, {.cache = &storage}).used;
  const auto N = static_cast<double>(lengths.tokens), D = static_cast<double>(spec.d_model),
             L = static_cast<double>(spec.n_layers());
  const CacheBlock& first = blocks.front();
  const auto wide = static_cast<double>(spec.d_model / first.heads);
  double every_head = 0, no_window = 0, cross_grows = 0, kept = 0;
  int64_t own = 0;
  bool windows = false, cross = false;
  for (const CacheBlock& block : blocks) {
    const double bytes = block_bytes(graph, block, storage);
    const double here = bytes * static_cast<double>(kept_rows(block.rows, lengths).rows());
    const double wasted = here * (static_cast<double>(block.full_values) / static_cast<double>(block.values));
    windows = windows || block.rows.law == Law::Window, cross = cross || block.cross();
    own += block.cross() ? 0 : 1;
    every_head += wasted, kept += here;
    no_window += block.rows.law == Law::Window ? bytes * N : here;
    cross_grows += block.cross() ? bytes * N : here;
  }
  std::vector<WrongEstimate> all{
      {Mistake::OneFormula, 2 * L * static_cast<double>(first.kv_heads) * wide * N * storage.bytes(), truth},
      {Mistake::HiddenSize, 2 * L * D * N * storage.bytes(), truth},
      {Mistake::EveryHead, every_head, truth}};
  if (windows) all.push_back({Mistake::NoWindow, no_window, truth});
  if (own > 0 && own < spec.n_layers())
    all.push_back({Mistake::EveryLayer, kept * L / static_cast<double>(own), truth});
  if (cross) all.push_back({Mistake::CrossGrows, cross_grows, truth});
  if (weights_bytes > 0)
    all.push_back({Mistake::TwoBytesParam, 2 * static_cast<double>(graph.parameters()), weights_bytes + truth});
  return all;
}

Receipt receipt(const Snapshot& step) {
  Receipt made;
  if (step.state.empty()) return made;
  const Graph& graph = step.graph();
  made.storage = storage_of(step.state);
  const Lengths lengths{step.positions(), static_cast<int64_t>(step.source_ids.size())};
  for (const CacheBlock& block : cache_blocks(graph)) {
    const Size rows = law_of_rows(graph[block.caches[0]], step.masks);
    auto line = std::ranges::find_if(made.lines, [&](const ReceiptLine& l) { return alike(l, block, rows); });
    if (line == made.lines.end()) {
      line = made.lines.insert(made.lines.end(), ReceiptLine{.like = block, .rows = rows});
      line->row_bytes = block_bytes(graph, block, *made.storage);
    }
    double scales = 0;
    for (const NodeId id : block.caches) scales += scales_bytes(graph[id], *made.storage);
    const auto bytes = [&](int64_t n) { return line->row_bytes * static_cast<double>(n) + scales; };
    const int64_t pass = block.cross() ? lengths.source : step.pass_tokens;
    line->layers.push_back(block.layer);
    line->law += bytes(kept_rows(rows, lengths).rows());
    line->touched += bytes(touched_rows(rows, lengths, pass));
    for (const NodeId id : block.caches) {
      const auto found = step.state.find(id);
      if (found == step.state.end()) continue;
      line->used += found->second.used_bytes();
      line->allocated += found->second.allocated_bytes();
    }
  }
  for (const ReceiptLine& line : made.lines) {
    made.sum.law += line.law, made.sum.touched += line.touched;
    made.sum.used += line.used, made.sum.allocated += line.allocated;
  }
  const double weights = step.model->weights ? static_cast<double>(step.model->weights->bytes()) : 0;
  made.wrong = wrong_estimates(step.model->spec, graph, lengths, *made.storage, weights);
  return made;
}

}  // namespace cutaway
