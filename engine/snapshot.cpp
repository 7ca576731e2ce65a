#include "engine/snapshot.h"

namespace cutaway {

const PagedRows* Snapshot::rows(NodeId id) const {
  if (const auto cached = state.find(id); cached != state.end()) return &cached->second;
  if (const auto taken = recording.find(id); taken != recording.end()) return &taken->second;
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

State empty_state(const Graph& graph, const std::shared_ptr<PageArena>& arena) {
  State state;
  for (const Node& node : graph.nodes)
    if (node.op == Op::cache) state.emplace(node.id, PagedRows(arena, sizeof(float) * row_width(node)));
  return state;
}

Recording empty_recording(const Graph& graph, const Taps& taps, const std::shared_ptr<PageArena>& arena) {
  Recording recording;
  for (NodeId id : taps)
    if (graph[id].op != Op::cache) recording.emplace(id, PagedRows(arena, sizeof(float) * row_width(graph[id])));
  return recording;
}

Taps default_taps(const Graph& graph) {
  Taps taps;
  for (NodeId probs : graph.with(Role::Probs))
    for (NodeId input : graph[probs].inputs)
      if (graph[input].op != Op::cache) taps.insert(input);
  if (graph.last_hidden != no_node) taps.insert(graph.last_hidden);
  return taps;
}

}  // namespace cutaway
