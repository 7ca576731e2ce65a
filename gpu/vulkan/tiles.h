// Tiles of attention maps that stay on the device, for drawing. best() never blocks: it gives the exact tile, or an
// older one of the same map while a worker thread makes the exact one, or nothing. Values never come back to the host.
//
//   DeviceTiles tiles(device, [&] { post_repaint(); });      // called from the worker when a tile has come
//   tiles.begin_frame();                                     // before every paint
//   if (auto tile = tiles.best(request)) surface.heat_map(tile, look);
#pragma once

#include <functional>
#include <memory>

#include "engine/tile.h"
#include "gpu/vulkan_backend.h"

namespace cutaway {

class Buffer;  // gpu/vulkan/memory.h

/// A tile in device memory. Immutable; keep it until the frame that draws it has ended (Surface does that by itself).
struct DeviceTile {
  TileRequest request;  // what was computed: an older tile carries its own ranges
  std::shared_ptr<const Buffer> buffer;
  uint64_t values = 0;   // device address of (rows, columns) f32; masked_cell, not_computed_cell
  uint64_t row_max = 0;  // device address of (rows) f32: largest weight of those queries over all keys
  uint64_t map_max = 0;  // device address of one f32: the largest of row_max
};
using DeviceTilePtr = std::shared_ptr<const DeviceTile>;

class DeviceTiles {
 public:
  /// `arrived` may be empty; it is called on the worker thread after a tile that best() didn't have has come.
  DeviceTiles(std::shared_ptr<Device>, std::function<void()> arrived);
  ~DeviceTiles();
  DeviceTiles(const DeviceTiles&) = delete;
  DeviceTiles& operator=(const DeviceTiles&) = delete;

  /// Any thread. The same map (step's model, node, head, heads) asked again with another range replaces the request
  /// that still waits: the latest wins, and the newest is made first. A snapshot of another backend, or a trace, gets
  /// its tile from the host and uploads it.
  DeviceTilePtr best(const TileRequest&);
  /// What waits and was not asked for in the last two frames is forgotten. Without this call nothing is.
  void begin_frame();
  /// Forgets every tile and request, and with them the snapshots that they hold.
  void clear();
  /// Waits for the exact tile: for exports and tests.
  Result<DeviceTilePtr> exact(const TileRequest&);
  /// Nothing waits and nothing is being made.
  bool idle() const;
  /// Why the last tile could not be made; empty when it could.
  std::string failure() const;

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace cutaway
