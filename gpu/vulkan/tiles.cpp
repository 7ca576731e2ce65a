#include "gpu/vulkan/tiles.h"

#include <algorithm>
#include <condition_variable>
#include <list>
#include <thread>

#include "gpu/vulkan/backend.h"

namespace cutaway {
namespace {

constexpr size_t most_kept_bytes = size_t{96} << 20, most_kept = 1024;

/// The same picture, perhaps of another step or with other ranges.
bool same_map(const TileRequest& a, const TileRequest& b) {
  return a.step->model == b.step->model && a.probs == b.probs && a.head == b.head && a.heads == b.heads &&
         a.without_sink == b.without_sink;
}

/// A tile from the host, sent to the device.
Result<DeviceTilePtr> upload(Device& device, const Tile& tile) {
  const size_t values = tile.values.size(), rows = tile.row_max.size();
  auto buffer = device.buffer((values + rows + 1) * sizeof(float), MemoryKind::Upload, "an attention tile");
  if (!buffer) return buffer.error();
  const float map_max = rows ? *std::ranges::max_element(tile.row_max) : 0;
  auto* to = reinterpret_cast<float*>((*buffer)->host);
  std::ranges::copy(tile.values, to);
  std::ranges::copy(tile.row_max, to + values);
  to[values + rows] = map_max;
  const uint64_t base = (*buffer)->address;
  return DeviceTilePtr(std::make_shared<DeviceTile>(DeviceTile{
      tile.request, *std::move(buffer), base, base + values * sizeof(float), base + (values + rows) * sizeof(float)}));
}

}  // namespace

struct DeviceTiles::Inside {
  std::shared_ptr<Device> device;
  std::function<void()> arrived;
  mutable std::mutex mutex;
  std::condition_variable wake;
  struct Wish {
    TileRequest request;
    uint64_t frame = 0;  // that asked for it last
  };
  std::vector<Wish> waiting;  // newest last
  uint64_t frame = 0;
  uint64_t forgotten = 0;  // how often clear() was called
  std::optional<TileRequest> making;
  std::list<DeviceTilePtr> kept;  // last used first
  size_t kept_bytes = 0;
  std::string failure;
  std::optional<TileRequest> failed;  // not tried again and again
  Progress progress;
  bool stop = false;
  std::thread worker;

  Result<DeviceTilePtr> make(const TileRequest& request) {
    auto* backend = dynamic_cast<VulkanBackend*>(request.step->backend.get());
    const bool here = backend && &backend->device() == device.get() && !request.step->dense.contains(request.probs);
    if (here) return compute_tile(*device, request, &progress);
    const bool on_host = !request.step->backend || request.step->dense.contains(request.probs);
    auto tile = on_host ? host_tile(request) : request.step->backend->tile(request);
    if (!tile) return tile.error();
    return upload(*device, *tile);
  }

  DeviceTilePtr find_exact(const TileRequest& request) {
    const auto found = std::ranges::find_if(kept, [&](const DeviceTilePtr& t) { return t->request == request; });
    if (found == kept.end()) return nullptr;
    kept.splice(kept.begin(), kept, found);
    return kept.front();
  }

  void keep(DeviceTilePtr tile) {
    kept_bytes += tile->buffer->bytes;
    kept.push_front(std::move(tile));
    while ((kept_bytes > most_kept_bytes && kept.size() > 1) || kept.size() > most_kept) {
      kept_bytes -= kept.back()->buffer->bytes;
      kept.pop_back();
    }
  }

  void work() {
    std::unique_lock lock(mutex);
    while (true) {
      wake.wait(lock, [&] { return stop || !waiting.empty(); });
      if (stop) return;
      making = std::move(waiting.back().request);
      waiting.pop_back();
      const TileRequest request = *making;
      const uint64_t life = forgotten;
      lock.unlock();
      auto made = make(request);
      lock.lock();
      making.reset();
      failure = made ? "" : made.error().text;
      if (life != forgotten) continue;  // clear() came meanwhile
      if (made)
        keep(*std::move(made));
      else
        failed = request;
      if (!arrived || stop) continue;
      lock.unlock();
      arrived();
      lock.lock();
    }
  }
};

DeviceTiles::DeviceTiles(std::shared_ptr<Device> device, std::function<void()> arrived)
    : inside_(std::make_unique<Inside>()) {
  inside_->device = std::move(device);
  inside_->arrived = std::move(arrived);
  inside_->worker = std::thread([inside = inside_.get()] { inside->work(); });
}

DeviceTiles::~DeviceTiles() {
  {
    std::lock_guard lock(inside_->mutex);
    inside_->stop = true;
    inside_->progress.cancelled = true;
  }
  inside_->wake.notify_all();
  inside_->worker.join();
}

DeviceTilePtr DeviceTiles::best(const TileRequest& request) {
  Inside& in = *inside_;
  std::lock_guard lock(in.mutex);
  if (auto exact = in.find_exact(request)) return exact;
  if (!(in.failed == request) && !(in.making == request)) {
    std::erase_if(in.waiting, [&](const Inside::Wish& w) { return same_map(w.request, request); });
    in.waiting.push_back({request, in.frame});
    in.wake.notify_one();
  }
  const auto near =
      std::ranges::find_if(in.kept, [&](const DeviceTilePtr& t) { return same_map(t->request, request); });
  return near == in.kept.end() ? nullptr : *near;
}

void DeviceTiles::begin_frame() {
  std::lock_guard lock(inside_->mutex);
  ++inside_->frame;
  std::erase_if(inside_->waiting, [&](const Inside::Wish& w) { return w.frame + 2 < inside_->frame; });
}

void DeviceTiles::clear() {
  std::lock_guard lock(inside_->mutex);
  inside_->waiting.clear();
  inside_->kept.clear();
  inside_->kept_bytes = 0;
  inside_->failed.reset();
  ++inside_->forgotten;
}

Result<DeviceTilePtr> DeviceTiles::exact(const TileRequest& request) {
  {
    std::lock_guard lock(inside_->mutex);
    if (auto known = inside_->find_exact(request)) return known;
  }
  auto made = inside_->make(request);
  if (!made) return made;
  std::lock_guard lock(inside_->mutex);
  inside_->keep(*made);
  return made;
}

bool DeviceTiles::idle() const {
  std::lock_guard lock(inside_->mutex);
  return inside_->waiting.empty() && !inside_->making;
}

std::string DeviceTiles::failure() const {
  std::lock_guard lock(inside_->mutex);
  return inside_->failure;
}

}  // namespace cutaway
