#include "engine/tokenizers/vocabulary.h"

#include <algorithm>

namespace cutaway {
namespace {
constexpr uint64_t max_id = 1 << 24;
}

Result<Vocabulary> Vocabulary::read(const std::string& file, const nlohmann::json& object) {
  if (!object.is_object()) return error("{}: the model's vocab is {}; an object is needed", file, text_of(object));
  uint64_t size = 0;
  for (const auto& [token, id] : object.items()) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() > max_id)
      return error("{}: vocab gives \"{}\" the id {}; a whole number up to {} is needed", file, token, text_of(id),
                   max_id);
    size = std::max(size, id.get<uint64_t>() + 1);
  }
  if (size > 64 * object.size() + 1024)
    return error("{}: vocab has {} tokens and ids up to {}; so many can't be missing", file, object.size(), size - 1);
  Vocabulary vocabulary;
  vocabulary.tokens_.resize(size);
  std::vector<bool> taken(size);
  vocabulary.ids_.reserve(object.size());
  for (const auto& [token, value] : object.items()) {
    const uint64_t id = value.get<uint64_t>();
    std::string& place = vocabulary.tokens_[id];
    if (taken[id]) return error("{}: vocab gives the id {} to \"{}\" and to \"{}\"", file, id, place, token);
    taken[id] = true;
    place = token;
    vocabulary.ids_.emplace(place, static_cast<int32_t>(id));
    vocabulary.longest_ = std::max(vocabulary.longest_, token.size());
  }
  return vocabulary;
}

const std::string& Vocabulary::token(int32_t id) const {
  static const std::string none;
  return id >= 0 && id < size() ? tokens_[static_cast<size_t>(id)] : none;
}

}  // namespace cutaway
