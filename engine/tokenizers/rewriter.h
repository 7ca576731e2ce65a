// Builds a changed text; every piece of it says which bytes of the old one it stands for.
#pragma once

#include <algorithm>

#include "engine/tokenizers/text.h"
#include "engine/tokenizers/unicode.h"

namespace cutaway {

class Rewriter {
 public:
  explicit Rewriter(const Text& from) : from_(from) { to_.base = from.base, to_.inside = from.inside; }

  void put(std::string_view bytes, size_t begin, size_t end) {
    const auto [first, last] = from_.source(begin, end);
    to_.bytes += bytes;
    to_.origin.insert(to_.origin.end(), bytes.size(), {static_cast<uint32_t>(first), static_cast<uint32_t>(last)});
  }
  void put(char32_t c, size_t begin, size_t end) {
    std::string bytes;
    append(bytes, c);
    put(bytes, begin, end);
  }
  void keep(size_t begin, size_t end) {
    for (size_t at = begin; at < end; ++at) put(std::string_view(from_.bytes).substr(at, 1), at, at + 1);
  }
  /// Bytes that came from nowhere, before the byte `at` of the old text.
  void insert(std::string_view bytes, size_t at) {
    const size_t end = std::min(at + 1, from_.bytes.size());
    const auto place = static_cast<uint32_t>(at < end ? from_.source(at, end).first : from_.source(0, end).second);
    to_.bytes += bytes;
    to_.origin.insert(to_.origin.end(), bytes.size(), {place, place});
  }
  /// Takes the last bytes away.
  void cut(size_t bytes) {
    to_.bytes.resize(to_.bytes.size() - bytes);
    to_.origin.resize(to_.bytes.size());
  }
  const std::string& bytes() const { return to_.bytes; }
  Text done() { return std::move(to_); }

 private:
  const Text& from_;
  Text to_;
};

}  // namespace cutaway
