#include "engine/tokenizers/vocabulary.h"

#include <algorithm>
#include <limits>

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

Result<Vocabulary> Vocabulary::read_scored(const std::string& file, const nlohmann::json& list,
                                           std::vector<double>& scores) {
  if (!list.is_array()) return error("{}: the model's vocab is {}; a list is needed", file, text_of(list));
  if (list.size() > max_id) return error("{}: vocab has {} tokens; at most {} are read", file, list.size(), max_id);
  Vocabulary vocabulary;
  vocabulary.tokens_.reserve(list.size());
  vocabulary.ids_.reserve(list.size());
  for (const nlohmann::json& one : list) {
    const bool pair =
        one.is_array() && one.size() == 2 && one[0].is_string() && (one[1].is_number() || one[1].is_null());
    if (!pair)
      return error("{}: vocab has {} at {}; a token and its score are needed", file, text_of(one), scores.size());
    scores.push_back(one[1].is_null() ? std::numeric_limits<double>::quiet_NaN() : one[1].get<double>());
    vocabulary.tokens_.push_back(one[0].get<std::string>());
    vocabulary.longest_ = std::max(vocabulary.longest_, vocabulary.tokens_.back().size());
  }
  for (size_t id = 0; id < vocabulary.tokens_.size(); ++id)
    vocabulary.ids_[vocabulary.tokens_[id]] = static_cast<int32_t>(id);
  return vocabulary;
}

const std::string& Vocabulary::token(int32_t id) const {
  static const std::string none;
  return id >= 0 && id < size() ? tokens_[static_cast<size_t>(id)] : none;
}

}  // namespace cutaway
