#include "engine/tokenizers/gguf_tokenizer.h"

#include <algorithm>
#include <cmath>
#include <new>

#include "engine/tokenizers/build.h"
#include "engine/tokenizers/charsmap.h"
#include "engine/tokenizers/pieces.h"

namespace cutaway {
namespace {

using nlohmann::json;
using TokenizerPtr = std::shared_ptr<const Tokenizer>;

// How a text is cut before byte pairs are merged, by the names of llama.cpp's llama-vocab.cpp. A list of patterns is
// applied one after the other; the names of one list are told by several models' files.
constexpr const char* gpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr const char* llama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* qwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

struct Cutting {
  std::vector<std::string_view> names;
  std::vector<const char*> patterns;
  bool ignore_merges = false, nfc = false;
};

const std::vector<Cutting>& cuttings() {
  static const std::vector<Cutting> all = {
      {{"gpt-2", "gpt2", "phi-2", "mpt", "olmo", "jais", "roberta-bpe", "trillion"}, {gpt2}},
      {{"llama-bpe", "llama3", "llama-v3", "smaug-bpe", "falcon3", "pixtral"}, {llama3}, true},
      {{"dbrx"}, {llama3}},
      {{"qwen2", "deepseek-r1-qwen"}, {qwen2}, false, true},
      {{"stablelm2"}, {qwen2}},
      {{"falcon"}, {R"([\p{P}\$\+<=>\^~\|`]+)", gpt2, "[0-9][0-9][0-9]"}},
      {{"starcoder", "refact", "command-r", "smollm", "codeshell", "exaone"}, {R"(\p{N})", gpt2}},
      {{"deepseek-coder"},
       {"[\\r\\n]", R"(\s?\p{L}+)", R"(\s?\p{P}+)", "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+", R"(\p{N})"}},
  };
  return all;
}

/// The lists of a vocabulary, held against each other.
Result<Pieces> read_pieces(const Gguf& gguf, bool scored) {
  Pieces pieces;
  const auto tokens = gguf.texts("tokenizer.ggml.tokens");
  if (!tokens) return tokens.error();
  if (!*tokens || (*tokens)->count == 0) return error("{}: tokenizer.ggml.tokens is missing", gguf.file());
  const auto types = gguf.integers("tokenizer.ggml.token_type"), scores = gguf.numbers("tokenizer.ggml.scores");
  for (const auto* list : {&types, &scores}) {
    if (!*list) return list->error();
    if (**list && (**list)->count != (*tokens)->count)
      return error("{}: tokenizer.ggml.{} has {} entries; tokenizer.ggml.tokens has {}", gguf.file(),
                   list == &types ? "token_type" : "scores", (**list)->count, (*tokens)->count);
  }
  if (scored && !*scores) return error("{}: tokenizer.ggml.scores is missing", gguf.file());
  for (uint64_t i = 0; i < (*tokens)->count; ++i) {
    pieces.tokens.emplace_back((*tokens)->texts[i]);
    const int64_t type = *types ? (*types)->integer(i) : 1;
    if (type < 0 || type > 6)
      return error("{}: tokenizer.ggml.token_type of {} is {}; types go from 1 to 6", gguf.file(), i, type);
    pieces.types.push_back(type == 0 ? PieceType::Unused : static_cast<PieceType>(type));
    pieces.scores.push_back(*scores ? (*scores)->number(i) : 0);
    if (!std::isfinite(pieces.scores.back()))
      return error("{}: tokenizer.ggml.scores of {} is {}", gguf.file(), i, pieces.scores.back());
  }
  return pieces;
}

/// An id, -1 for one that is absent or the format's "none" (all bits set).
Result<int64_t> id_at(const Gguf& gguf, const char* name, int64_t absent) {
  const std::string key = fmt::format("tokenizer.ggml.{}_token_id", name);
  const auto id = gguf.integer(key, absent);
  if (!id) return id;
  if (*id == UINT32_MAX) return int64_t{-1};
  if (*id < -1) return error("{}: {} is {}", gguf.file(), key, *id);
  return id;
}

/// The special ids, and which of them stand around an encoding when the file doesn't say.
Result<void> read_specials(const Gguf& gguf, Pieces& pieces, bool add_bos, bool add_eos) {
  const bool llama = pieces.has(PieceType::Byte);
  const auto unk = id_at(gguf, "unknown", llama ? 0 : -1), bos = id_at(gguf, "bos", llama ? 1 : -1),
             eos = id_at(gguf, "eos", llama ? 2 : -1);
  for (const auto* id : {&unk, &bos, &eos})
    if (!*id) return id->error();
  pieces.unk = *unk, pieces.bos = *bos, pieces.eos = *eos;
  const auto with_bos = gguf.boolean("tokenizer.ggml.add_bos_token", add_bos && *bos >= 0),
             with_eos = gguf.boolean("tokenizer.ggml.add_eos_token", add_eos && *eos >= 0);
  if (!with_bos) return with_bos.error();
  if (!with_eos) return with_eos.error();
  pieces.add_bos = *with_bos, pieces.add_eos = *with_eos;
  return check_pieces(gguf.file(), pieces);
}

Result<TokenizerPtr> read_llama(const Gguf& gguf) {
  auto pieces = read_pieces(gguf, true);
  if (!pieces) return pieces.error();
  if (auto ok = read_specials(gguf, *pieces, true, false); !ok) return ok.error();
  const auto prefix = gguf.boolean("tokenizer.ggml.add_space_prefix", true);
  if (!prefix) return prefix.error();
  json steps = json::array();
  if (*prefix) steps.push_back({{"type", "Prepend"}, {"prepend", "\u2581"}});
  steps.push_back({{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}});
  json tokenizer = {{"added_tokens", added_tokens_of(*pieces, false)},
                    {"normalizer", {{"type", "Sequence"}, {"normalizers", steps}}},
                    {"decoder", sentencepiece_decoder(*prefix, false)},
                    {"post_processor", template_of(*pieces)}};
  tokenizer["model"] = {
      {"type", "SentencePieceBPE"}, {"vocab", scored_vocab_of(*pieces, true)}, {"byte_fallback", true}};
  if (pieces->unk >= 0) tokenizer["model"]["unk_id"] = pieces->unk;
  return build_tokenizer(gguf.file(), tokenizer);
}

Result<TokenizerPtr> read_t5(const Gguf& gguf) {
  auto pieces = read_pieces(gguf, true);
  if (!pieces) return pieces.error();
  if (auto ok = read_specials(gguf, *pieces, false, true); !ok) return ok.error();
  const auto prefix = gguf.boolean("tokenizer.ggml.add_space_prefix", true),
             extra = gguf.boolean("tokenizer.ggml.remove_extra_whitespaces", true);
  const auto map = gguf.integers("tokenizer.ggml.precompiled_charsmap");
  if (!prefix) return prefix.error();
  if (!extra) return extra.error();
  if (!map) return map.error();
  std::string bytes;
  for (uint64_t i = 0; *map && i < (*map)->count; ++i) bytes += static_cast<char>((*map)->integer(i));
  json tokenizer = {{"added_tokens", added_tokens_of(*pieces, true)},
                    {"normalizer",
                     {{"type", "SentencePiece"},
                      {"precompiled_charsmap", to_base64(bytes)},
                      {"add_dummy_prefix", *prefix},
                      {"remove_extra_whitespaces", *extra}}},
                    {"decoder", sentencepiece_decoder(*prefix, *extra)},
                    {"post_processor", template_of(*pieces)}};
  tokenizer["model"] = {{"type", "Unigram"},
                        {"vocab", scored_vocab_of(*pieces, false)},
                        {"byte_fallback", pieces->has(PieceType::Byte)},
                        {"single_precision", true}};
  if (pieces->unk >= 0) tokenizer["model"]["unk_id"] = pieces->unk;
  return build_tokenizer(gguf.file(), tokenizer);
}

Result<TokenizerPtr> read_gpt2(const Gguf& gguf) {
  auto pieces = read_pieces(gguf, false);
  if (!pieces) return pieces.error();
  if (auto ok = read_specials(gguf, *pieces, false, false); !ok) return ok.error();
  const auto pre = gguf.text("tokenizer.ggml.pre", "gpt-2");
  if (!pre) return pre.error();
  const auto merges = gguf.texts("tokenizer.ggml.merges");
  if (!merges) return merges.error();
  if (!*merges) return error("{}: tokenizer.ggml.merges is missing", gguf.file());
  const auto at = std::ranges::find_if(
      cuttings(), [&](const Cutting& one) { return std::ranges::find(one.names, *pre) != one.names.end(); });
  if (at == cuttings().end()) {
    std::vector<std::string_view> known;
    for (const Cutting& one : cuttings()) known.insert(known.end(), one.names.begin(), one.names.end());
    return error("{}: tokenizer.ggml.pre is \"{}\"; known are {}", gguf.file(), *pre, fmt::join(known, ", "));
  }
  json cuts = json::array(), pairs = json::array();
  for (const char* pattern : at->patterns)
    cuts.push_back({{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}});
  cuts.push_back({{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}});
  for (std::string_view merge : (*merges)->texts) pairs.push_back(merge);
  json tokenizer = {{"added_tokens", added_tokens_of(*pieces, false)},
                    {"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", cuts}}},
                    {"decoder", {{"type", "ByteLevel"}}},
                    {"post_processor", template_of(*pieces)}};
  if (at->nfc) tokenizer["normalizer"] = {{"type", "NFC"}};
  tokenizer["model"] = {{"type", "BPE"},
                        {"vocab", plain_vocab_of(*pieces)},
                        {"merges", std::move(pairs)},
                        {"ignore_merges", at->ignore_merges}};
  return build_tokenizer(gguf.file(), tokenizer);
}

/// Word starts carry U+2581 there and continuations nothing; in a tokenizer.json continuations carry "##".
std::string wordpiece_of(const std::string& token) {
  constexpr std::string_view mark = "\u2581";
  if (token.starts_with('[') && token.ends_with(']')) return token;
  return token.starts_with(mark) ? token.substr(mark.size()) : fmt::format("##{}", token);
}

Result<TokenizerPtr> read_bert(const Gguf& gguf) {
  auto pieces = read_pieces(gguf, false);
  if (!pieces) return pieces.error();
  const auto unk = id_at(gguf, "unknown", 100), cls = id_at(gguf, "cls", 101), sep = id_at(gguf, "seperator", 102);
  for (const auto* id : {&unk, &cls, &sep})
    if (!*id) return id->error();
  for (std::string& token : pieces->tokens) token = wordpiece_of(token);
  pieces->unk = *unk, pieces->bos = *cls, pieces->eos = *sep;
  pieces->add_bos = *cls >= 0, pieces->add_eos = *sep >= 0;
  if (auto ok = check_pieces(gguf.file(), *pieces); !ok) return ok.error();
  if (*unk < 0) return error("{}: tokenizer.ggml.unknown_token_id is missing", gguf.file());
  json tokenizer = {{"added_tokens", added_tokens_of(*pieces, false)},
                    {"normalizer", {{"type", "BertNormalizer"}, {"lowercase", true}}},
                    {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
                    {"decoder", {{"type", "WordPiece"}}},
                    {"post_processor", template_of(*pieces)}};
  tokenizer["model"] = {{"type", "WordPiece"},
                        {"vocab", plain_vocab_of(*pieces)},
                        {"unk_token", pieces->tokens[static_cast<size_t>(*unk)]}};
  return build_tokenizer(gguf.file(), tokenizer);
}

Result<TokenizerPtr> read_by_model(const Gguf& gguf) {
  const auto model = gguf.text("tokenizer.ggml.model", "none");
  if (!model) return model.error();
  if (*model == "none" || *model == "no_vocab") return TokenizerPtr();
  if (*model == "llama") return read_llama(gguf);
  if (*model == "gpt2") return read_gpt2(gguf);
  if (*model == "bert") return read_bert(gguf);
  if (*model == "t5") return read_t5(gguf);
  return error("{}: tokenizer.ggml.model is \"{}\"; known are bert, gpt2, llama, t5", gguf.file(), *model);
}

}  // namespace

Result<TokenizerPtr> read_gguf_tokenizer(const Gguf& gguf) {
  try {
    return read_by_model(gguf);
  } catch (const std::bad_alloc&) {
    return machine_error("{}: not enough memory for its tokenizer", gguf.file());
  }
}

}  // namespace cutaway
