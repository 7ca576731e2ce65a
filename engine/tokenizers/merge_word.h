// A word as a linked list of symbols, merged pair by pair: lowest rank first, leftmost on ties. A heap holds the pairs
// that could merge, so a word of n symbols costs n log n however it is made.
#pragma once

#include <algorithm>
#include <functional>
#include <vector>

#include "engine/tokenizers/subwords.h"

namespace cutaway {

struct Merge {
  int32_t rank = -1, id = -1;  // rank -1: the pair doesn't merge
};

struct Symbol {
  int32_t id = -1;
  uint32_t begin = 0, end = 0;  // bytes of the word
};

/// Merges: (const Symbol& left, const Symbol& right) -> Merge.
template <class Merges>
class MergeWord {
 public:
  explicit MergeWord(const Merges& merges) : merges_(merges) {}

  void add(int32_t id, size_t begin, size_t end) {
    const int32_t at = static_cast<int32_t>(links_.size());
    links_.push_back({{id, static_cast<uint32_t>(begin), static_cast<uint32_t>(end)}, at - 1, -1});
    if (at > 0) links_[static_cast<size_t>(at) - 1].next = at;
  }

  void merge() {
    for (int32_t at = 0; at + 1 < static_cast<int32_t>(links_.size()); ++at) propose(at);
    while (!heap_.empty()) {
      std::ranges::pop_heap(heap_, std::greater());
      const Candidate best = heap_.back();
      heap_.pop_back();
      Link& left = links_[static_cast<size_t>(best.at)];
      if (left.gone || left.next < 0) continue;
      Link& right = links_[static_cast<size_t>(left.next)];
      const Merge now = merges_(left.symbol, right.symbol);
      if (now.rank != best.rank) continue;  // one of the two has merged otherwise since
      left.symbol.id = now.id;
      left.symbol.end = right.symbol.end;
      left.next = right.next;
      right.gone = true;
      if (left.next >= 0) links_[static_cast<size_t>(left.next)].prev = best.at;
      if (left.prev >= 0) propose(left.prev);
      propose(best.at);
    }
  }

  /// Calls each(symbol) from left to right.
  template <class Each>
  void each(Each take) const {
    for (int32_t at = links_.empty() ? -1 : 0; at >= 0; at = links_[static_cast<size_t>(at)].next)
      take(links_[static_cast<size_t>(at)].symbol);
  }

 private:
  struct Link {
    Symbol symbol;
    int32_t prev, next;
    bool gone = false;
  };
  struct Candidate {
    int32_t rank, at;
    auto operator<=>(const Candidate&) const = default;
  };

  void propose(int32_t at) {
    const Link& left = links_[static_cast<size_t>(at)];
    if (left.next < 0) return;
    const Merge merge = merges_(left.symbol, links_[static_cast<size_t>(left.next)].symbol);
    if (merge.rank < 0) return;
    heap_.push_back({merge.rank, at});
    std::ranges::push_heap(heap_, std::greater());
  }

  const Merges& merges_;
  std::vector<Link> links_;
  std::vector<Candidate> heap_;
};

}  // namespace cutaway
