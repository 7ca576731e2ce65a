// Append-only rows in shared pages: caches and recordings. Copying a PagedRows copies the page table, not the rows, so
// a snapshot costs a few pointers. Appending where an older owner already wrote forks that page, so a row that somebody
// can see is never overwritten and readers need no lock.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/row_format.h"

namespace cutaway {

inline constexpr int64_t page_rows = 16;

class PageArena;

/// page_rows rows in one piece of memory, on the host or on a device.
struct Page {
  std::shared_ptr<PageArena> arena;
  std::byte* host = nullptr;    // null where the host can't see it
  uint64_t device_address = 0;  // 0 on the host
  int64_t slot = -1;            // the arena's own name for it
  size_t bytes = 0;
  int64_t written = 0;  // rows that some owner wrote; touched by the engine thread only

  Page() = default;
  ~Page();  // gives the memory back to the arena
  Page(const Page&) = delete;
  Page& operator=(const Page&) = delete;
};

/// Where pages come from; counts what is live, so that bytes on screen are measured, never computed.
class PageArena : public std::enable_shared_from_this<PageArena> {
 public:
  virtual ~PageArena() = default;
  /// A page of that many bytes, 64-byte aligned, contents undefined. Fails when memory is out.
  virtual Result<std::shared_ptr<Page>> take(size_t bytes) = 0;
  /// Copies the first `bytes` bytes of one page into another of this arena.
  virtual Result<void> copy(const Page& from, Page& to, size_t bytes) = 0;
  virtual void give_back(Page&) noexcept = 0;

  size_t live_bytes() const { return live_bytes_; }

 protected:
  std::atomic<size_t> live_bytes_{0};
};

std::shared_ptr<PageArena> make_host_arena();

class PagedRows {
 public:
  PagedRows() = default;
  PagedRows(std::shared_ptr<PageArena> arena, const RowFormat& format)
      : arena_(std::move(arena)), format_(format), row_bytes_(format.row_bytes()) {}
  /// Rows of floats.
  PagedRows(std::shared_ptr<PageArena> arena, size_t row_bytes)
      : PagedRows(std::move(arena), {.head_dim = static_cast<int64_t>(row_bytes / sizeof(float))}) {}

  int64_t rows() const { return rows_; }
  int64_t width() const { return format_.width(); }  // numbers in a row
  const RowFormat& format() const { return format_; }
  size_t row_bytes() const { return row_bytes_; }
  /// Rows before this one are forgotten and must not be read.
  int64_t first_row() const { return first_; }
  /// Of the rows that are kept, and of the scales that F8_E4M3 has beside them, one a head.
  size_t used_bytes() const { return static_cast<size_t>(rows_ - first_) * row_bytes_ + scales_bytes(); }
  const float* scales() const { return scales_ ? reinterpret_cast<const float*>(scales_->host) : nullptr; }
  size_t allocated_bytes() const;
  /// Null where all rows of a page are forgotten.
  const std::vector<std::shared_ptr<Page>>& pages() const { return pages_; }

  /// Makes room for n more rows and counts them as present; the caller then writes them. Forks a shared last page.
  Result<void> grow(int64_t n);
  /// Forgets rows from the end. Other owners keep theirs.
  void truncate(int64_t rows);
  void clear() { truncate(0); }
  /// Rows before `row` will not be read again: pages that hold only such rows are given back.
  void forget_before(int64_t row);

  /// Host pages of floats only. Rows of one page are contiguous; rows of two pages are not.
  const float* row(int64_t i) const;
  float* row(int64_t i);
  /// Host pages only: rows [begin, end), whatever they are stored as, as floats in dense memory; or a column range.
  void gather(int64_t begin, int64_t end, float* out) const { gather(begin, end, 0, width(), out); }
  void gather(int64_t begin, int64_t end, int64_t column, int64_t columns, float* out) const;
  void scatter(int64_t begin, int64_t end, const float* in);

 private:
  std::shared_ptr<PageArena> arena_;
  std::vector<std::shared_ptr<Page>> pages_;
  RowFormat format_;
  size_t row_bytes_ = 0;
  int64_t rows_ = 0, first_ = 0;

  std::shared_ptr<Page> scales_;  // fitted to the first rows that were written

  std::byte* bytes_of_row(int64_t i) const;
  size_t scales_bytes() const { return scales_ ? scales_->bytes : 0; }
};

}  // namespace cutaway
