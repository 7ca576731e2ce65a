#include <algorithm>
#include <map>

#include "widgets/views/diagram.h"

namespace cutaway {
namespace {

bool is_view(Op op) { return op == Op::split_heads || op == Op::merge_heads; }
bool is_answer(Op op) { return op == Op::lse || op == Op::mask || op == Op::probs; }

/// The node whose data this one is: views are looked through.
NodeId behind_views(const Graph& graph, NodeId id) {
  while (is_view(graph[id].op)) id = graph[id].inputs[0];
  return id;
}

}  // namespace

LayerSheet lay_out_layer(const Graph& graph, int layer) {
  LayerSheet sheet;
  std::map<NodeId, PlacedNode> placed;
  int band = 0;
  for (const Node& node : graph.nodes) {
    if (node.layer != layer || node.head || is_view(node.op) || is_answer(node.op)) continue;
    PlacedNode place{node.id, band, 0, 0};
    for (NodeId input : node.inputs) {
      const NodeId from = behind_views(graph, input);
      const auto at = placed.find(from);
      if (at != placed.end() && at->second.band == band) place.column = std::max(place.column, at->second.column + 1);
      sheet.edges.push_back({from, node.id, false});
    }
    placed[node.id] = place;
    if (node.op == Op::add && layer >= 0) ++band;  // what the branch gave is back on the residual stream
  }
  // An edge into the closing addition that starts before the band is the residual stream itself.
  for (DiagramEdge& edge : sheet.edges) {
    const auto from = placed.find(edge.from);
    const bool outside = from == placed.end() || from->second.band != placed.at(edge.to).band;
    edge.residual = outside && graph[edge.to].op == Op::add;
  }
  // A node that reads one other stays in its lane, so that the ways past it run straight.
  std::map<std::pair<int, int>, int> free_lane;
  for (auto& [id, place] : placed) {
    std::vector<int> lanes_read;
    for (const DiagramEdge& edge : sheet.edges)
      if (const auto from = placed.find(edge.from);
          edge.to == id && from != placed.end() && from->second.band == place.band)
        lanes_read.push_back(from->second.lane);
    int& lane = free_lane[{place.band, place.column}];
    if (lanes_read.size() == 1) lane = std::max(lane, lanes_read[0]);
    place.lane = lane++;
    sheet.nodes.push_back(place);
    sheet.bands = std::max(sheet.bands, place.band + 1);
  }
  return sheet;
}

}  // namespace cutaway
