#include "engine/paged.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

namespace cutaway {

Page::~Page() {
  if (arena) arena->give_back(*this);
}

namespace {

class HostArena final : public PageArena {
 public:
  Result<std::shared_ptr<Page>> take(size_t bytes) override {
    auto page = std::make_shared<Page>();
    page->host = static_cast<std::byte*>(::operator new (bytes, std::align_val_t{64}, std::nothrow));
    if (!page->host) return machine_error("out of memory: a cache page of {} bytes", bytes);
    page->bytes = bytes;
    page->arena = shared_from_this();
    live_bytes_ += bytes;
    return page;
  }

  Result<void> copy(const Page& from, Page& to, size_t bytes) override {
    std::memcpy(to.host, from.host, bytes);
    return {};
  }

  void give_back(Page& page) noexcept override {
    ::operator delete (page.host, std::align_val_t{64});
    live_bytes_ -= page.bytes;
  }
};

}  // namespace

std::shared_ptr<PageArena> make_host_arena() { return std::make_shared<HostArena>(); }

Result<void> PagedRows::grow(int64_t n) {
  assert(arena_ && n >= 0);
  const int64_t tail = rows_ % page_rows;
  // The tail page has room, but if an owner ahead of us wrote past our end, its rows must stay: take our own copy.
  std::shared_ptr<Page> fork;
  if (n > 0 && tail != 0 && pages_.back()->written > tail) {
    auto own = arena_->take(page_rows * row_bytes_);
    if (!own) return own.error();
    if (auto copied = arena_->copy(*pages_.back(), **own, static_cast<size_t>(tail) * row_bytes_); !copied)
      return copied;
    fork = *own;
  }
  const auto needed = static_cast<size_t>((rows_ + n + page_rows - 1) / page_rows);
  std::vector<std::shared_ptr<Page>> fresh;
  while (pages_.size() + fresh.size() < needed) {
    auto page = arena_->take(page_rows * row_bytes_);
    if (!page) return page.error();  // nothing was changed yet
    fresh.push_back(std::move(*page));
  }
  if (rows_ == 0 && n > 0 && format_.dtype == DType::F8_E4M3) {  // never those that another owner's rows have
    auto scales = arena_->take(static_cast<size_t>(format_.heads) * sizeof(float));
    if (!scales) return scales.error();
    scales_ = std::move(*scales);
  }
  if (fork) pages_.back() = std::move(fork);
  pages_.insert(pages_.end(), fresh.begin(), fresh.end());
  for (int64_t first = rows_ - tail; first < rows_ + n; first += page_rows)
    pages_[static_cast<size_t>(first / page_rows)]->written = std::min(page_rows, rows_ + n - first);
  rows_ += n;
  return {};
}

void PagedRows::truncate(int64_t rows) {
  assert(rows >= 0 && rows <= rows_);
  rows_ = rows;
  first_ = std::min(first_, rows);
  pages_.resize(static_cast<size_t>((rows + page_rows - 1) / page_rows));
  if (rows == 0) scales_.reset();
}

void PagedRows::forget_before(int64_t row) {
  assert(row <= rows_);
  for (int64_t page = first_ / page_rows; page < row / page_rows; ++page) pages_[static_cast<size_t>(page)].reset();
  first_ = std::max(first_, row);
}

size_t PagedRows::allocated_bytes() const {
  const auto held = std::ranges::count_if(pages_, [](const auto& page) { return page != nullptr; });
  return static_cast<size_t>(held) * page_rows * row_bytes_ + scales_bytes();
}

std::byte* PagedRows::bytes_of_row(int64_t i) const {
  assert(i >= first_ && i < rows_);
  return pages_[static_cast<size_t>(i / page_rows)]->host + static_cast<size_t>(i % page_rows) * row_bytes_;
}

const float* PagedRows::row(int64_t i) const {
  assert(format_.dtype == DType::F32);
  return reinterpret_cast<const float*>(bytes_of_row(i));
}

float* PagedRows::row(int64_t i) { return const_cast<float*>(static_cast<const PagedRows*>(this)->row(i)); }

void PagedRows::gather(int64_t begin, int64_t end, int64_t column, int64_t columns, float* out) const {
  assert(column >= 0 && column + columns <= width());
  std::vector<float> whole(static_cast<size_t>(columns == width() ? 0 : width()));
  for (int64_t i = begin; i < end; ++i, out += columns) {
    decode_row(format_, scales(), bytes_of_row(i), whole.empty() ? out : whole.data());
    if (!whole.empty()) std::copy_n(whole.data() + column, columns, out);
  }
}

void PagedRows::scatter(int64_t begin, int64_t end, const float* in) {
  if (begin == 0 && scales_) fit_scales(format_, in, end, reinterpret_cast<float*>(scales_->host));
  for (int64_t i = begin; i < end; ++i, in += width()) encode_row(format_, scales(), in, bytes_of_row(i));
}

}  // namespace cutaway
