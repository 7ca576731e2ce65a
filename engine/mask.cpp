#include "engine/mask.h"

#include <algorithm>
#include <charconv>

namespace cutaway {

MaskBits::MaskBits(int64_t q, int64_t k) : queries(q), keys(k), words(static_cast<size_t>(q * ((k + 31) / 32)), 0) {}

void MaskBits::set(int64_t query, int64_t key, bool allowed) {
  uint32_t& word = words[static_cast<size_t>(query * words_per_row() + key / 32)];
  const uint32_t bit = 1u << (key % 32);
  word = allowed ? word | bit : word & ~bit;
}

bool MaskRule::allowed(int64_t query, int64_t key) const {
  switch (kind) {
    case Kind::Causal:
      return key <= query;
    case Kind::Bidirectional:
      return true;
    case Kind::Prefix:
      return key <= query || key < n;
    case Kind::Window:
      return key <= query && key > query - n;
    case Kind::Local:
      return key >= query - n && key <= query + n;
    case Kind::Custom:
      if (query < bits->queries && key < bits->keys) return bits->get(query, key);
      return key <= query;
  }
  return false;
}

bool MaskRule::may_append(int64_t past) const {
  switch (kind) {
    case Kind::Causal:
    case Kind::Window:
      return true;
    case Kind::Bidirectional:
      return false;
    case Kind::Local:
      return n == 0;
    case Kind::Prefix:
      return n <= 1 || n <= past;
    case Kind::Custom:
      for (int64_t query = 0; query < std::min(past, bits->queries); ++query)
        for (int64_t key = std::max(past, query + 1); key < bits->keys; ++key)
          if (bits->get(query, key)) return false;
      return true;
  }
  return false;
}

std::pair<int64_t, int64_t> MaskRule::span(int64_t query, int64_t keys) const {
  const int64_t causal_end = std::min(query + 1, keys);
  switch (kind) {
    case Kind::Causal:
      return {0, causal_end};
    case Kind::Bidirectional:
      return {0, keys};
    case Kind::Prefix:
      return {0, std::min(keys, std::max(causal_end, n))};
    case Kind::Window:
      return {std::min(causal_end, std::max<int64_t>(0, query + 1 - n)), causal_end};
    case Kind::Local:
      return {std::clamp<int64_t>(query - n, 0, keys), std::min(keys, query + n + 1)};
    case Kind::Custom: {
      if (query >= bits->queries) return {0, causal_end};
      int64_t first = 0, end = std::min(keys, std::max(causal_end, bits->keys));
      while (first < end && !allowed(query, first)) ++first;
      while (end > first && !allowed(query, end - 1)) --end;  // the same span as an equal rule, so the same sums
      return {first, end};
    }
  }
  return {0, 0};
}

MaskRule MaskRule::painted(int64_t positions) const { return with_cell(positions, -1, -1, false); }

MaskRule MaskRule::with_cell(int64_t positions, int64_t query, int64_t key, bool allow) const {
  auto painted = std::make_shared<MaskBits>(positions, positions);
  for (int64_t q = 0; q < positions; ++q)
    for (int64_t k = 0; k < positions; ++k)
      if (q == query && k == key ? allow : allowed(q, k)) painted->set(q, k, true);
  return {Kind::Custom, 0, std::move(painted)};
}

std::string MaskRule::text() const {
  switch (kind) {
    case Kind::Causal:
      return "causal";
    case Kind::Bidirectional:
      return "bidirectional";
    case Kind::Prefix:
      return fmt::format("prefix:{}", n);
    case Kind::Window:
      return fmt::format("window:{}", n);
    case Kind::Local:
      return fmt::format("local:{}", n);
    case Kind::Custom:
      return "custom";
  }
  return {};
}

Result<MaskRule> MaskRule::parse(std::string_view text) {
  if (text == "causal") return MaskRule{Kind::Causal, 0, nullptr};
  if (text == "bidirectional") return MaskRule{Kind::Bidirectional, 0, nullptr};
  const size_t colon = text.find(':');
  const std::string_view kind = text.substr(0, colon);
  if (kind != "prefix" && kind != "window" && kind != "local")
    return error("mask is \"{}\"; expected causal, bidirectional, prefix:N, window:N or local:N", text);
  const std::string_view digits = colon == text.npos ? std::string_view{} : text.substr(colon + 1);
  int64_t n = 0;
  const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), n);
  const int64_t least = kind == "window" ? 1 : 0;
  if (digits.empty() || status != std::errc() || end != digits.data() + digits.size() || n < least)
    return error("mask is \"{}\"; {} wants a whole number of at least {} after the colon", text, kind, least);
  return MaskRule{kind == "prefix" ? Kind::Prefix : kind == "window" ? Kind::Window : Kind::Local, n, nullptr};
}

}  // namespace cutaway
