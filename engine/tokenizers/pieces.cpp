#include "engine/tokenizers/pieces.h"

#include <algorithm>

#include "engine/tokenizers/unicode.h"

namespace cutaway {

using nlohmann::json;

bool Pieces::has(PieceType type) const { return std::ranges::find(types, type) != types.end(); }

Result<void> check_pieces(const std::string& file, const Pieces& pieces) {
  const auto size = static_cast<int64_t>(pieces.tokens.size());
  for (int64_t id = 0; id < size; ++id)
    if (invalid_utf8(pieces.tokens[static_cast<size_t>(id)])) return error("{}: token {} is not valid UTF-8", file, id);
  for (const auto& [name, id] :
       {std::pair("unknown", pieces.unk), {"begin-of-text", pieces.bos}, {"end-of-text", pieces.eos}})
    if (id >= size) return error("{}: the {} token is {}; the vocabulary has {}", file, name, id, size);
  if (pieces.add_bos && pieces.bos < 0)
    return error("{}: a begin-of-text token is to be added, and none is named", file);
  if (pieces.add_eos && pieces.eos < 0)
    return error("{}: an end-of-text token is to be added, and none is named", file);
  return {};
}

json added_tokens_of(const Pieces& pieces, bool normalized) {
  json list = json::array();
  for (size_t id = 0; id < pieces.tokens.size(); ++id) {
    const PieceType type = pieces.types[id];
    const bool special = type == PieceType::Control || type == PieceType::Unknown;
    if ((!special && type != PieceType::UserDefined) || pieces.tokens[id].empty()) continue;
    list.push_back(
        {{"id", id}, {"content", pieces.tokens[id]}, {"special", special}, {"normalized", !special && normalized}});
  }
  return list;
}

json scored_vocab_of(const Pieces& pieces, bool with_user_defined) {
  json list = json::array();
  for (size_t id = 0; id < pieces.tokens.size(); ++id) {
    const PieceType type = pieces.types[id];
    const bool used = type == PieceType::Normal || (type == PieceType::UserDefined && with_user_defined);
    list.push_back(json::array({pieces.tokens[id], used ? json(pieces.scores[id]) : json()}));
  }
  return list;
}

json plain_vocab_of(const Pieces& pieces) {
  json vocab = json::object();
  for (size_t id = 0; id < pieces.tokens.size(); ++id) vocab.emplace(pieces.tokens[id], id);
  return vocab;
}

json template_of(const Pieces& pieces) {
  if (!pieces.add_bos && !pieces.add_eos) return {};
  json single = json::array(), tokens = json::object();
  const auto put = [&](const char* name, int64_t id) {
    single.push_back({{"SpecialToken", {{"id", name}, {"type_id", 0}}}});
    tokens[name] = {{"ids", json::array({static_cast<uint64_t>(id)})}};
  };
  if (pieces.add_bos) put("begin", pieces.bos);
  single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  if (pieces.add_eos) put("end", pieces.eos);
  return {{"type", "TemplateProcessing"}, {"single", single}, {"special_tokens", tokens}};
}

json sentencepiece_decoder(bool prefixed, bool remove_extra) {
  json parts = json::array({{{"type", "Replace"}, {"pattern", {{"String", "\u2581"}}}, {"content", " "}},
                            {{"type", "ByteFallback"}},
                            {{"type", "Fuse"}}});
  if (prefixed || remove_extra)
    parts.push_back({{"type", "Strip"}, {"content", " "}, {"start", remove_extra ? 1 << 20 : 1}, {"stop", 0}});
  return {{"type", "Sequence"}, {"decoders", parts}};
}

}  // namespace cutaway
