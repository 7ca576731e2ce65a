// Tiles for the screen: best() answers at once with what there is and a worker thread computes the rest. The newest
// wish is served first; what the last two frames did not ask for is forgotten; a long tile is made in bands of rows, so
// that the picture fills while it is made and a newer wish waits for one band at most.
//
//   AsyncTiles tiles([this] { post_repaint(); });
//   tiles.begin_frame();               // before every paint
//   view->draw(canvas_over(tiles), scene);
#pragma once

#include <condition_variable>
#include <functional>
#include <list>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "widgets/canvas.h"

namespace cutaway {

struct HashTileRequest {
  size_t operator()(const TileRequest&) const noexcept;
};

class AsyncTiles final : public TileSource {
 public:
  /// `ready` is called on the worker thread whenever a better tile is there: only post an event from it.
  explicit AsyncTiles(std::function<void()> ready, size_t budget_bytes = size_t{64} << 20);
  ~AsyncTiles() override;  // waits for the band at work

  /// Any thread; never computes, never waits for the worker's arithmetic.
  std::shared_ptr<const Tile> best(const TileRequest&) override;
  void begin_frame();
  /// Forgets every tile and wish, and with them the snapshots that they hold.
  void clear();
  /// Nothing asked for is still to be made.
  bool idle() const;

 private:
  struct Wish {
    TileRequest request;
    uint64_t frame = 0;
  };
  struct Kept {
    std::shared_ptr<const Tile> tile;
    std::list<TileRequest>::iterator place;
  };
  void work();
  bool make(const Wish&);
  bool wanted(const TileRequest&) const;
  void keep(std::shared_ptr<const Tile>);
  void offer(std::shared_ptr<const Tile>);

  const std::function<void()> ready_;
  const size_t budget_bytes_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Wish> wishes_;      // newest last
  std::list<TileRequest> order_;  // most recently used first
  std::unordered_map<TileRequest, Kept, HashTileRequest> kept_;
  std::unordered_map<uint64_t, std::shared_ptr<const Tile>> latest_;  // of a map, whatever its ranges
  size_t kept_bytes_ = 0;
  uint64_t frame_ = 1;
  bool frames_counted_ = false, at_work_ = false, stop_ = false;
  std::thread worker_;
};

}  // namespace cutaway
