#include "gpu/vulkan/arena.h"

#include "gpu/vulkan/work.h"

namespace cutaway {

Result<std::shared_ptr<Page>> DeviceArena::take(size_t bytes) {
  auto buffer = device_->buffer(bytes, MemoryKind::Device, "a cache page");
  if (!buffer) return buffer.error();
  auto page = std::make_shared<Page>();
  page->bytes = bytes;
  page->device_address = (*buffer)->address;
  {
    std::lock_guard lock(mutex_);
    if (free_.empty()) {
      free_.push_back(static_cast<int64_t>(buffers_.size()));
      buffers_.emplace_back();
    }
    page->slot = free_.back();
    free_.pop_back();
    buffers_[static_cast<size_t>(page->slot)] = *std::move(buffer);
  }
  page->arena = shared_from_this();
  live_bytes_ += bytes;
  return page;
}

BufferPtr DeviceArena::buffer_of(const Page& page) const {
  std::lock_guard lock(mutex_);
  return buffers_[static_cast<size_t>(page.slot)];
}

Result<void> DeviceArena::copy(const Page& from, Page& to, size_t bytes) {
  WorkLease work(*device_);
  if (!work) return work.error();
  work->begin(nullptr);
  work->copy(*buffer_of(from), 0, *buffer_of(to), 0, bytes);
  return work->finish();
}

void DeviceArena::give_back(Page& page) noexcept {
  BufferPtr last;  // freed outside the lock
  std::lock_guard lock(mutex_);
  last.swap(buffers_[static_cast<size_t>(page.slot)]);
  free_.push_back(page.slot);
  live_bytes_ -= page.bytes;
}

uint64_t Uploads::put(const void* data, size_t bytes) {
  auto buffer = device_.buffer(bytes, MemoryKind::Upload, "a page table");
  if (!buffer) {
    if (error_.text.empty()) error_ = buffer.error();
    return 0;
  }
  if (bytes > 0) std::memcpy((*buffer)->host, data, bytes);
  kept_.push_back(*std::move(buffer));
  return kept_.back()->address;
}

uint64_t Uploads::table(const PagedRows& rows) {
  std::vector<uint64_t> entries;
  entries.reserve(rows.pages().size());
  for (const auto& page : rows.pages()) entries.push_back(page ? page->device_address : 0);
  return put(entries.data(), entries.size() * sizeof(uint64_t));
}

uint64_t Uploads::table(uint64_t address, int64_t rows, size_t row_bytes) {
  std::vector<uint64_t> entries;
  for (int64_t row = 0; row < rows; row += page_rows) entries.push_back(address + static_cast<size_t>(row) * row_bytes);
  return put(entries.data(), entries.size() * sizeof(uint64_t));
}

Result<void> Uploads::ok() const {
  if (!error_.text.empty()) return error_;
  return {};
}

}  // namespace cutaway
