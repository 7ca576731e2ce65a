#include "engine/snapshot.h"

namespace cutaway {

bool keeps_all(const Node& node) { return node.op == Op::cache && node.shape[1].law != Law::Window; }

void forget_unseen(const Node& cache, const std::vector<MaskRule>& masks, int64_t seen, PagedRows& rows) {
  const MaskRule& rule = masks[static_cast<size_t>(cache.params.mask_slot)];
  if (!keeps_all(cache) && rule.kind == MaskRule::Kind::Window) rows.forget_before(std::max<int64_t>(0, seen - rule.n));
}

const PagedRows* Snapshot::rows(NodeId id) const {
  if (const auto taken = recording.find(id); taken != recording.end()) return &taken->second;
  if (const auto cached = state.find(id); cached != state.end()) return &cached->second;
  return nullptr;
}

size_t Snapshot::cache_used_bytes() const {
  size_t bytes = 0;
  for (const auto& [node, rows] : state) bytes += rows.used_bytes();
  return bytes;
}

size_t Snapshot::cache_allocated_bytes() const {
  size_t bytes = 0;
  for (const auto& [node, rows] : state) bytes += rows.allocated_bytes();
  return bytes;
}

State empty_state(const Graph& graph, const std::shared_ptr<PageArena>& arena, DType cache) {
  State state;
  for (const Node& node : graph.nodes)
    if (node.op == Op::cache) state.emplace(node.id, PagedRows(arena, *cache_format(node, cache)));
  return state;
}

Recording empty_recording(const Graph& graph, const Taps& taps, const std::shared_ptr<PageArena>& arena, DType cache) {
  Recording recording;
  for (NodeId id : taps) {
    const Node& node = graph[id];
    if (keeps_all(node)) continue;
    recording.emplace(id, node.op == Op::cache ? PagedRows(arena, *cache_format(node, cache))
                                               : PagedRows(arena, sizeof(float) * row_width(node)));
  }
  return recording;
}

Taps default_taps(const Graph& graph) {
  Taps taps;
  for (NodeId probs : graph.with(Role::Probs))
    for (NodeId input : graph[probs].inputs)
      if (!keeps_all(graph[input]) && row_axis(graph[input]).law != Law::Distances) taps.insert(input);
  if (graph.last_hidden != no_node) taps.insert(graph.last_hidden);
  return taps;
}

}  // namespace cutaway
