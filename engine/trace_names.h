// The names of a trace's attention tensors, taken apart.
#pragma once

#include <charconv>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "engine/files/tensor_files.h"

namespace cutaway {

inline constexpr int max_layers = 4096;  // of a name that is believed

/// What a name says: "decoder.layers.3.cross.probs" is the "probs" of layer 3's block "decoder.layers.3.cross".
struct Place {
  std::string stack;  // "", "encoder." or "decoder."
  std::string block, part;
  int layer = -1;
};

inline std::optional<int> layer_number(std::string_view digits) {
  int layer = 0;
  const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), layer);
  if (status != std::errc() || end != digits.data() + digits.size() || layer < 0 || layer >= max_layers)
    return std::nullopt;
  return layer;
}

/// The parts of a name of an attention tensor; nothing for any other name.
inline std::optional<Place> place_of(std::string_view name) {
  Place place;
  std::string_view rest = name;
  for (std::string_view stack : {"encoder.", "decoder."})
    if (rest.starts_with(stack)) place.stack = stack, rest.remove_prefix(stack.size());
  if (!rest.starts_with("layers.")) return std::nullopt;
  rest.remove_prefix(7);
  const size_t dot = rest.find('.'), next = rest.find('.', dot + 1);
  if (dot == rest.npos || next == rest.npos || rest.find('.', next + 1) != rest.npos) return std::nullopt;
  const auto layer = layer_number(rest.substr(0, dot));
  if (!layer) return std::nullopt;
  place.layer = *layer;
  place.part = rest.substr(next + 1);
  place.block = name.substr(0, name.size() - place.part.size() - 1);
  return place;
}

/// The tensors of one block that views read.
struct Block {
  Place place;
  std::map<std::string, const FileTensor*> parts;
  const FileTensor* part(const char* name) const {
    const auto at = parts.find(name);
    return at == parts.end() ? nullptr : at->second;
  }
  bool crosses() const { return place.block.ends_with(".cross"); }
};

}  // namespace cutaway
