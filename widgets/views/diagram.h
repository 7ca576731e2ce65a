// How the nodes of one layer lie on a sheet: one band per residual branch, columns by distance from the band's entry.
// Made from the graph alone, so a new architecture is drawn the day it is listed.
#pragma once

#include <vector>

#include "engine/graph.h"

namespace cutaway {

struct PlacedNode {
  NodeId id = no_node;
  int band = 0;    // 0 is the first residual branch of the layer
  int column = 0;  // longest way from the band's entry
  int lane = 0;    // 0 is the topmost of its column
};

struct DiagramEdge {
  NodeId from = no_node, to = no_node;  // from: after skipping views, which move no data
  bool residual = false;                // passes by the branch instead of through it
};

struct LayerSheet {
  std::vector<PlacedNode> nodes;   // no views, no answers
  std::vector<DiagramEdge> edges;  // from outside the layer: from is the node that enters it
  int bands = 0;
};

/// Layer `layer` of the graph; -1 gives what comes before the stack.
LayerSheet lay_out_layer(const Graph&, int layer);

}  // namespace cutaway
