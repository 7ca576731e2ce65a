#include "widgets/async_tiles.h"

#include <algorithm>

#include "engine/snapshot.h"

namespace cutaway {
namespace {

constexpr size_t most_wishes = 1024;
constexpr int64_t band_cells = int64_t{1} << 20;  // about 6 ms of q . k on one core

size_t bytes_of(const Tile& tile) { return (tile.values.size() + tile.row_max.size()) * sizeof(float) + sizeof(Tile); }

/// Names a map of a model, whatever the step and the part of it.
uint64_t map_key(const TileRequest& r) {
  return static_cast<uint64_t>(static_cast<uint32_t>(r.probs)) << 32 |
         static_cast<uint64_t>(r.heads == Heads::One ? r.head & 0xFFFFFF : 0) << 8 |
         static_cast<uint64_t>(r.heads) << 1 | static_cast<uint64_t>(r.without_sink);
}

/// An older tile may stand in only while it says nothing wrong: the same tokens as far as it goes, under the same mask.
bool stands_in(const Tile& tile, const TileRequest& asked) {
  const Snapshot* was = tile.request.step.get();
  const Snapshot* now = asked.step.get();
  if (was == now) return true;
  if (!was || !now || was->model != now->model || was->masks != now->masks || was->ids.size() > now->ids.size())
    return false;
  return std::equal(was->ids.begin(), was->ids.end(), now->ids.begin());
}

int64_t first_query(const TileRequest& r, int64_t row) { return r.queries.begin + row * r.queries.size() / r.rows; }

/// The rows from `row` on that are made in one go: as many as the band's budget allows and as split the queries exactly
/// as the whole request does.
int64_t band_end(const TileRequest& r, int64_t row) {
  const int64_t cost = std::max<int64_t>(1, r.keys.size()) * (r.heads == Heads::One ? 1 : 8);
  const int64_t begin = first_query(r, row);
  int64_t end = row + 1;
  while (end < r.rows && (first_query(r, end + 1) - begin) * cost <= band_cells) ++end;
  const auto same_split = [&](int64_t last) {
    const int64_t size = first_query(r, last) - begin;
    for (int64_t i = row; i <= last; ++i)
      if (begin + (i - row) * size / (last - row) != first_query(r, i)) return false;
    return true;
  };
  while (end > row + 1 && !same_split(end)) --end;
  return end;
}

Tile empty_tile(const TileRequest& r) {
  Tile tile{r, {}, {}};
  tile.values.assign(static_cast<size_t>(r.rows * r.columns), not_computed_cell);
  tile.row_max.assign(static_cast<size_t>(r.rows), 0.f);
  return tile;
}

}  // namespace

Result<Tile> compute_tile(const TileRequest& request) {
  return request.step->backend ? request.step->backend->tile(request) : host_tile(request);
}

std::shared_ptr<const Tile> WaitingTiles::best(const TileRequest& request) {
  for (const auto& tile : kept_)
    if (tile->request == request) return tile;
  Result<Tile> made = compute_tile(request);
  if (!made) failure_ = made.error();
  auto tile = std::make_shared<const Tile>(made ? *std::move(made) : empty_tile(request));
  constexpr size_t most_kept = 16;
  if (kept_.size() == most_kept) kept_.erase(kept_.begin());
  kept_.push_back(tile);
  return tile;
}

size_t HashTileRequest::operator()(const TileRequest& r) const noexcept {
  size_t hash = std::hash<const void*>()(r.step.get());
  for (const int64_t part :
       {int64_t{r.probs}, r.head, r.queries.begin, r.queries.end, r.keys.begin, r.keys.end, r.rows, r.columns,
        static_cast<int64_t>(r.heads) * 4 + static_cast<int64_t>(r.reduce) * 2 + r.without_sink})
    hash = hash * 0x9E3779B97F4A7C15u + static_cast<size_t>(part) + (hash >> 29);
  return hash;
}

AsyncTiles::AsyncTiles(std::function<void()> ready, size_t budget_bytes)
    : ready_(std::move(ready)), budget_bytes_(budget_bytes), worker_([this] { work(); }) {}

AsyncTiles::~AsyncTiles() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  worker_.join();
}

std::shared_ptr<const Tile> AsyncTiles::best(const TileRequest& request) {
  const std::lock_guard lock(mutex_);
  if (const auto found = kept_.find(request); found != kept_.end()) {
    order_.splice(order_.begin(), order_, found->second.place);
    return found->second.tile;
  }
  const auto same = [&](const Wish& w) { return w.request == request; };
  if (const auto wish = std::find_if(wishes_.begin(), wishes_.end(), same); wish != wishes_.end()) {
    wish->frame = frame_;
  } else {
    if (wishes_.size() == most_wishes) wishes_.erase(wishes_.begin());
    wishes_.push_back({request, frame_});
    wake_.notify_one();
  }
  const auto older = latest_.find(map_key(request));
  return older != latest_.end() && stands_in(*older->second, request) ? older->second : nullptr;
}

void AsyncTiles::begin_frame() {
  const std::lock_guard lock(mutex_);
  ++frame_;
  frames_counted_ = true;
  std::erase_if(wishes_, [this](const Wish& w) { return w.frame + 2 < frame_; });
}

void AsyncTiles::clear() {
  const std::lock_guard lock(mutex_);
  wishes_.clear();
  order_.clear();
  kept_.clear();
  latest_.clear();
  kept_bytes_ = 0;
}

bool AsyncTiles::idle() const {
  const std::lock_guard lock(mutex_);
  return wishes_.empty() && !at_work_;
}

void AsyncTiles::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stop_ || !wishes_.empty(); });
    if (stop_) return;
    const Wish wish = wishes_.back();
    at_work_ = true;
    lock.unlock();
    const bool finished = make(wish);
    if (finished && ready_) ready_();
    lock.lock();
    at_work_ = false;
    if (finished) std::erase_if(wishes_, [&](const Wish& w) { return w.request == wish.request; });
  }
}

bool AsyncTiles::wanted(const TileRequest& request) const {
  const std::lock_guard lock(mutex_);
  return !stop_ && std::any_of(wishes_.begin(), wishes_.end(), [&](const Wish& w) { return w.request == request; });
}

/// False when it was given up half way because nobody asks for it any more.
bool AsyncTiles::make(const Wish& wish) {
  const TileRequest& whole = wish.request;
  Tile tile = empty_tile(whole);
  for (int64_t row = 0; row < whole.rows;) {
    TileRequest band = whole;
    const int64_t end = band_end(whole, row);
    band.queries = {first_query(whole, row), first_query(whole, end)};
    band.rows = end - row;
    const Result<Tile> made = compute_tile(band);
    if (made) {
      std::copy(made->values.begin(), made->values.end(), tile.values.begin() + row * whole.columns);
      std::copy(made->row_max.begin(), made->row_max.end(), tile.row_max.begin() + row);
    }
    row = end;
    if (row == whole.rows) break;
    if (!wanted(whole)) return false;
    offer(std::make_shared<const Tile>(tile));
  }
  keep(std::make_shared<const Tile>(std::move(tile)));
  return true;
}

/// A tile in the making: stands in for itself where nothing better of that step is there.
void AsyncTiles::offer(std::shared_ptr<const Tile> tile) {
  {
    const std::lock_guard lock(mutex_);
    auto& latest = latest_[map_key(tile->request)];
    if (latest && latest->request.step == tile->request.step && !(latest->request == tile->request)) return;
    latest = std::move(tile);
  }
  if (ready_) ready_();
}

void AsyncTiles::keep(std::shared_ptr<const Tile> tile) {
  const std::lock_guard lock(mutex_);
  latest_[map_key(tile->request)] = tile;
  order_.push_front(tile->request);
  kept_bytes_ += bytes_of(*tile);
  kept_[tile->request] = {tile, order_.begin()};
  while (kept_bytes_ > budget_bytes_ && order_.size() > 1) {
    const auto oldest = kept_.find(order_.back());
    kept_bytes_ -= bytes_of(*oldest->second.tile);
    kept_.erase(oldest);
    order_.pop_back();
  }
}

}  // namespace cutaway
