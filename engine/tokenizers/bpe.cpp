#include <algorithm>
#include <array>
#include <bit>

#include "engine/tokenizers/byte_tokens.h"
#include "engine/tokenizers/merge_word.h"
#include "engine/tokenizers/unicode.h"

namespace cutaway {
namespace {

/// Pairs of ids to merges: open addressing, a quarter of a million entries in a few milliseconds.
class MergeTable {
 public:
  explicit MergeTable(size_t merges = 0) : slots_(std::bit_ceil(2 * merges + 2)) {}

  /// The first of two equal pairs stays: it has the lower rank.
  void add(int32_t left, int32_t right, Merge merge) {
    Slot& slot = slots_[find(key(left, right))];
    if (slot.merge.rank < 0) slot = {key(left, right), merge};
  }
  Merge operator()(const Symbol& left, const Symbol& right) const {
    if (left.id < 0 || right.id < 0) return {};
    return slots_[find(key(left.id, right.id))].merge;
  }

 private:
  struct Slot {
    uint64_t key = 0;
    Merge merge;
  };
  static uint64_t key(int32_t left, int32_t right) {
    return static_cast<uint64_t>(left) << 32 | static_cast<uint32_t>(right);
  }
  size_t find(uint64_t wanted) const {
    const size_t last = slots_.size() - 1;
    size_t at = (wanted * 0x9e3779b97f4a7c15 >> 20) & last;
    while (slots_[at].merge.rank >= 0 && slots_[at].key != wanted) at = (at + 1) & last;
    return at;
  }
  std::vector<Slot> slots_;
};

class Bpe : public Subwords {
 public:
  Vocabulary vocab;
  MergeTable merges;
  bool byte_level = false, ignore_merges = false, fuse_unknown = false, byte_fallback = false;
  ByteTokens byte_tokens;  // byte_fallback
  int32_t unk = -1;
  std::array<int32_t, 256> byte_ids{};  // byte_level: the token of each byte, -1 without

  const Vocabulary& vocabulary() const override { return vocab; }
  int32_t unknown() const override { return unk; }
  std::string bytes(int32_t id) const override {
    const std::string& token = vocab.token(id);
    if (byte_fallback && !byte_level) return bytes_of_piece(token);
    if (!byte_level) return token;
    return bytes_of_alphabet(token).value_or(token);
  }

  void encode(std::string_view word, std::vector<SubToken>& out) const override {
    if (ignore_merges) {
      const int32_t whole = vocab.id(byte_level ? in_alphabet(word) : std::string(word));
      if (whole >= 0) return out.push_back({whole, 0, static_cast<uint32_t>(word.size())});
    }
    MergeWord symbols(merges);
    bool last_unknown = false;
    std::pair<size_t, size_t> pending{0, 0};
    std::vector<SubToken> spelt;
    for (size_t at = 0; at < word.size();) {
      const size_t begin = at;
      at += byte_level ? 1 : first_character_bytes(word.substr(at));
      const int32_t id =
          byte_level ? byte_ids[static_cast<uint8_t>(word[begin])] : vocab.id(word.substr(begin, at - begin));
      spelt.clear();
      const bool known = id >= 0 || (byte_fallback && byte_tokens.put(word, begin, at, spelt));
      const bool fused = last_unknown && fuse_unknown;
      if (last_unknown && (known || !fused)) symbols.add(unk, pending.first, pending.second);
      if (id >= 0) symbols.add(id, begin, at);
      for (const SubToken& byte : spelt) symbols.add(byte.id, byte.begin, byte.end);
      if (!known) pending = {last_unknown && fused ? pending.first : begin, at};
      last_unknown = !known && unk >= 0;  // without an unknown token the symbol is left out
    }
    if (last_unknown) symbols.add(unk, pending.first, pending.second);
    symbols.merge();
    symbols.each([&out](const Symbol& s) { out.push_back({s.id, s.begin, s.end}); });
  }

 private:
  static std::string in_alphabet(std::string_view bytes) {
    std::string text;
    for (char byte : bytes) append(text, character_of_byte(static_cast<uint8_t>(byte)));
    return text;
  }
};

/// "a b" or ["a", "b"].
std::optional<std::pair<std::string_view, std::string_view>> pair_of(const nlohmann::json& merge) {
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string())
    return std::pair<std::string_view, std::string_view>(merge[0].get_ref<const std::string&>(),
                                                         merge[1].get_ref<const std::string&>());
  if (!merge.is_string()) return std::nullopt;
  const std::string_view text = merge.get_ref<const std::string&>();
  const size_t space = text.find(' ');
  if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos) return std::nullopt;
  return std::pair(text.substr(0, space), text.substr(space + 1));
}

Result<MergeTable> read_merges(const std::string& file, const nlohmann::json& list, const Vocabulary& vocab) {
  if (!list.is_array()) return error("{}: the model's merges are {}; a list is needed", file, text_of(list));
  MergeTable table(list.size());
  std::string joined;
  for (size_t rank = 0; rank < list.size(); ++rank) {
    const auto pair = pair_of(list[rank]);
    if (!pair) return error("{}: merge {} is {}; two tokens are needed", file, rank, text_of(list[rank]));
    joined.assign(pair->first).append(pair->second);
    const int32_t left = vocab.id(pair->first), right = vocab.id(pair->second), id = vocab.id(joined);
    for (const auto& [token, found] :
         {std::pair(pair->first, left), {pair->second, right}, {std::string_view(joined), id}})
      if (found < 0) return error("{}: merge {} needs the token \"{}\", which is not in the vocab", file, rank, token);
    table.add(left, right, {static_cast<int32_t>(rank), id});
  }
  return table;
}

}  // namespace

Result<SubwordsPtr> read_bpe(Component c, bool byte_level) {
  auto made = std::make_shared<Bpe>();
  auto vocabulary = Vocabulary::read(c.file(), c.member("vocab"));
  if (!vocabulary) return vocabulary.error();
  made->vocab = std::move(*vocabulary);
  auto merges = read_merges(c.file(), c.member("merges"), made->vocab);
  if (!merges) return merges.error();
  made->merges = std::move(*merges);
  made->byte_level = byte_level;
  made->ignore_merges = c.flag("ignore_merges", false);
  made->fuse_unknown = c.flag("fuse_unk", false);
  if (const nlohmann::json& dropout = c.member("dropout"); dropout.is_number() && dropout.get<double>() != 0)
    c.fail(fmt::format("has dropout {}; a text must have one encoding", text_of(dropout)));
  made->byte_fallback = c.flag("byte_fallback", false) && !byte_level;
  if (made->byte_fallback) made->byte_tokens = ByteTokens(made->vocab);
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (!c.text(key, "").empty()) c.fail(fmt::format("has a {}, which is not read", key));
  if (const std::string unknown = c.text("unk_token", ""); !unknown.empty()) {
    made->unk = made->vocab.id(unknown);
    if (made->unk < 0) c.fail(fmt::format("has the unk_token \"{}\", which is not in its vocab", unknown));
  }
  if (c.why()) return *c.why();
  for (int byte = 0; byte < 256; ++byte) {
    std::string token;
    append(token, character_of_byte(static_cast<uint8_t>(byte)));
    made->byte_ids[static_cast<size_t>(byte)] = made->vocab.id(token);
  }
  return SubwordsPtr(made);
}

}  // namespace cutaway
