#include "engine/cpu/pool.h"

#include <immintrin.h>

#include <algorithm>

namespace cutaway {

namespace {
// A few tens of microseconds: longer than the gap between two nodes, far shorter than anybody notices.
constexpr int spins_before_sleep = 1500;
}  // namespace

ThreadPool::ThreadPool(int threads) {
  if (threads <= 0) threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  workers_.reserve(static_cast<size_t>(threads) - 1);
  for (int worker = 1; worker < threads; ++worker) workers_.emplace_back([this, worker] { work(worker); });
}

ThreadPool::~ThreadPool() {
  stop_.store(true);
  bell_.fetch_add(1);
  bell_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

bool ThreadPool::take_piece(int64_t& piece) {
  uint64_t ticket = ticket_.load(std::memory_order_acquire);
  while (static_cast<uint32_t>(ticket) != 0) {
    if (ticket_.compare_exchange_weak(ticket, ticket - 1, std::memory_order_acq_rel, std::memory_order_acquire)) {
      piece = pieces_.load(std::memory_order_relaxed) - static_cast<int64_t>(static_cast<uint32_t>(ticket));
      return true;
    }
  }
  return false;
}

void ThreadPool::work(int worker) {
  int heard = bell_.load();
  for (int spins = 0; !stop_.load(std::memory_order_relaxed);) {
    int64_t piece;
    if (take_piece(piece)) {
      call_.load(std::memory_order_relaxed)(context_.load(std::memory_order_relaxed), piece, worker);
      if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished_.notify_one();
      spins = 0;
    } else if (++spins < spins_before_sleep) {
      _mm_pause();
    } else {
      bell_.wait(heard);
      heard = bell_.load();
      spins = 0;
    }
  }
}

void ThreadPool::run(int64_t pieces, Call call, void* context) {
  std::unique_lock<std::mutex> lock(busy_, std::defer_lock);
  if (pieces <= 1 || workers_.empty() || !lock.try_lock()) {
    for (int64_t piece = 0; piece < pieces; ++piece) call(context, piece, 0);
    return;
  }
  call_.store(call, std::memory_order_relaxed);
  context_.store(context, std::memory_order_relaxed);
  pieces_.store(pieces, std::memory_order_relaxed);
  unfinished_.store(static_cast<int>(pieces), std::memory_order_relaxed);
  const uint64_t job = (ticket_.load(std::memory_order_relaxed) >> 32) + 1;
  ticket_.store(job << 32 | static_cast<uint64_t>(pieces), std::memory_order_release);
  bell_.fetch_add(1);
  bell_.notify_all();

  int64_t piece;
  while (take_piece(piece)) {
    call(context, piece, 0);
    unfinished_.fetch_sub(1, std::memory_order_acq_rel);
  }
  for (int spins = 0;; ++spins) {
    const int left = unfinished_.load(std::memory_order_acquire);
    if (left == 0) return;
    if (spins < spins_before_sleep)
      _mm_pause();
    else
      unfinished_.wait(left);
  }
}

}  // namespace cutaway
