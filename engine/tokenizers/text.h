// A text on its way through a tokenizer, and where each of its bytes came from in what the user typed.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cutaway {

struct Text {
  std::string bytes;                                  // valid UTF-8
  size_t base = 0;                                    // where bytes[0] came from
  std::vector<std::pair<uint32_t, uint32_t>> origin;  // [begin, end) of each byte's source; empty: bytes are unchanged
  bool inside = false;                                // stands inside another text: neither its begin nor its end

  /// Where a range of bytes came from.
  std::pair<size_t, size_t> source(size_t begin, size_t end) const {
    if (begin >= end) return {base, base};
    if (origin.empty()) return {base + begin, base + end};
    return {origin[begin].first, origin[end - 1].second};
  }
};

/// A piece of a text, made by a pre-tokenizer.
struct Slice {
  const Text* text = nullptr;
  size_t begin = 0, end = 0;
  std::string_view view() const { return std::string_view(text->bytes).substr(begin, end - begin); }
};

/// Texts that pre-tokenizers make anew; they stay where they are until the encoding is done.
using Texts = std::deque<Text>;

}  // namespace cutaway
