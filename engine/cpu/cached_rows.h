// A cache's rows as the kernels want them.
#pragma once

#include <vector>

#include "engine/cpu/kernels.h"
#include "engine/paged.h"

namespace cutaway {

inline CacheType cache_type(DType dtype) {
  switch (dtype) {
    case DType::F16:
      return CacheType::F16;
    case DType::BF16:
      return CacheType::BF16;
    case DType::F8_E4M3:
      return CacheType::F8;
    case DType::Q8_0:
      return CacheType::Q8_0;
    case DType::Q4_0:
      return CacheType::Q4_0;
    default:
      assert(dtype == DType::F32);
      return CacheType::F32;
  }
}

/// Host pages only. `pages` holds their addresses as long as they are read; null for forgotten ones.
inline CachedRows cached_rows_of(const PagedRows& rows, std::vector<const void*>& pages) {
  static_assert(page_rows == attend_page);
  pages.clear();
  for (const auto& page : rows.pages()) pages.push_back(page ? page->host : nullptr);
  const RowFormat& format = rows.format();
  return {pages.data(),
          cache_type(format.dtype),
          static_cast<int64_t>(format.row_bytes()),
          static_cast<int64_t>(format.head_bytes()),
          format.head_dim,
          format.tail,
          rows.scales()};
}

}  // namespace cutaway
