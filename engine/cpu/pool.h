// Threads of our own for one backend: persistent, awake while work keeps coming, asleep otherwise. Work is a number of
// pieces cut by the caller in a way that doesn't depend on the number of threads, so results don't either.
//
//   pool.each(rows, [&](int64_t row, int worker) { ... });   // returns when every row is done
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace cutaway {

class ThreadPool {
 public:
  /// threads counts the caller; 0: as many as the machine has.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  /// Calls f(piece, worker) for every piece in [0, pieces), worker in [0, threads()). When another thread is already
  /// using the pool, all pieces run on the caller as worker 0. f must not throw.
  template <class F>
  void each(int64_t pieces, F f) {
    run(
        pieces, [](void* context, int64_t piece, int worker) { (*static_cast<F*>(context))(piece, worker); }, &f);
  }

 private:
  using Call = void (*)(void* context, int64_t piece, int worker);
  void run(int64_t pieces, Call call, void* context);
  void work(int worker);
  bool take_piece(int64_t& piece);

  // ticket_: number of the job in the high half, pieces not yet taken in the low half. Whoever takes a piece knows that
  // the job can't end before that piece does, so it may read the other fields of the job.
  std::atomic<uint64_t> ticket_{0};
  std::atomic<int> unfinished_{0};
  std::atomic<int> bell_{0};  // rung for every job; sleepers wait on it
  std::atomic<bool> stop_{false};
  std::atomic<Call> call_{nullptr};
  std::atomic<void*> context_{nullptr};
  std::atomic<int64_t> pieces_{0};
  std::mutex busy_;
  std::vector<std::thread> workers_;
};

}  // namespace cutaway
