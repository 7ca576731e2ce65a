// The trace: what one run left, as a safetensors file that this program and others write and read (CONTRACT.md).
//
//   session->set_taps(*trace_taps(graph, globs, tokens));      // before the run: hidden, q and v are not recorded else
//   write_trace(session->now(), "run.safetensors", globs, "cutaway 0.1.0");
//   SnapshotPtr step = *read_trace("run.safetensors");         // every view that its tensors feed
#pragma once

#include "engine/snapshot.h"

namespace cutaway {

/// Above this many positions maps are left out and q, k and lse take their place, from which any tile is recomputed.
inline constexpr int64_t trace_map_positions = 4096;

/// True where the name fits; * stands for any characters, ? for one.
bool glob_matches(std::string_view glob, std::string_view name);

/// Nodes to record so that write_trace can write those names. No globs: all but q, k, v and hidden. Fails on a glob
/// that no name of this model fits.
Result<Taps> trace_taps(const Graph&, const std::vector<std::string>& globs, int64_t positions);

/// Writes every position of the step; with generated tokens hand in the step before the last, whose token never ran.
/// program: name and version, for the metadata. Fails when a name that a glob asks for was not recorded, and on a
/// target that can't be written; then no file is left.
Result<void> write_trace(const SnapshotPtr&, const std::string& path, const std::vector<std::string>& globs,
                         std::string_view program, Progress* = nullptr);

/// Opens a trace as a step of a model without weights: blocks, maps, masks, hidden rows, logits. Tensors that no view
/// reads are passed over. Fails with one sentence on anything that contradicts itself.
Result<SnapshotPtr> read_trace(const std::string& path);
Result<SnapshotPtr> read_trace(std::shared_ptr<const class TensorFiles>);

}  // namespace cutaway
