// The old files are put into the words of a tokenizer.json, so that there is one reader and one set of rules.
#include "engine/tokenizers/old_files.h"

#include <algorithm>

#include "engine/config.h"
#include "engine/files/bounded_reader.h"
#include "engine/files/json_text.h"
#include "engine/tokenizers/sentencepiece.h"

namespace cutaway {
namespace {

using nlohmann::json;
constexpr uint64_t max_file_bytes = 32 << 20;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    if (!lines.back().empty() && lines.back().back() == '\r') lines.back().pop_back();
    at = end + 1;
  }
  return lines;
}

/// tokenizer_config.json, or an empty one.
Result<Config> settings_of(const std::string& folder) {
  const std::string file = folder + "/tokenizer_config.json";
  return is_file(file) ? Config::read(file) : Config::parse("tokenizer_config.json", "{}");
}

/// A special token of a vocabulary as an entry of added_tokens.
void add_special(json& tokenizer, const json& vocab, const char* token) {
  if (!vocab.contains(token)) return;
  tokenizer["added_tokens"].push_back(
      {{"id", vocab[token]}, {"content", token}, {"special", true}, {"normalized", false}});
}

Result<std::shared_ptr<const Tokenizer>> made_from(const std::string& file, const json& tokenizer) {
  return Tokenizer::parse(file, tokenizer.dump(-1, ' ', false, json::error_handler_t::replace));
}

Result<std::shared_ptr<const Tokenizer>> read_wordpiece_text(const std::string& folder) {
  const Result<std::string> text = read_text_file(folder + "/vocab.txt", max_file_bytes);
  if (!text) return text.error();
  const Result<Config> config = settings_of(folder);
  if (!config) return config.error();
  const Result<bool> lower = config->boolean("do_lower_case", true),
                     chinese = config->boolean("tokenize_chinese_chars", true);
  if (!lower) return lower.error();
  if (!chinese) return chinese.error();
  const Result<bool> accents = config->boolean("strip_accents", *lower);
  if (!accents) return accents.error();
  json vocab = json::object();
  for (const std::string& token : lines_of(*text)) vocab.emplace(token, vocab.size());
  json tokenizer = {{"added_tokens", json::array()},
                    {"normalizer",
                     {{"type", "BertNormalizer"},
                      {"lowercase", *lower},
                      {"strip_accents", *accents},
                      {"handle_chinese_chars", *chinese}}},
                    {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
                    {"decoder", {{"type", "WordPiece"}}}};
  for (const char* token : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}) add_special(tokenizer, vocab, token);
  if (vocab.contains("[CLS]") && vocab.contains("[SEP]"))
    tokenizer["post_processor"] = {{"type", "BertProcessing"},
                                   {"cls", json::array({"[CLS]", vocab["[CLS]"]})},
                                   {"sep", json::array({"[SEP]", vocab["[SEP]"]})}};
  tokenizer["model"] = {{"type", "WordPiece"}, {"vocab", std::move(vocab)}};
  return made_from("vocab.txt", tokenizer);
}

Result<std::shared_ptr<const Tokenizer>> read_byte_pairs(const std::string& folder) {
  const Result<std::string> vocab_text = read_text_file(folder + "/vocab.json", max_file_bytes);
  if (!vocab_text) return vocab_text.error();
  const Result<std::string> merges_text = read_text_file(folder + "/merges.txt", max_file_bytes);
  if (!merges_text) return merges_text.error();
  const Result<Config> config = settings_of(folder);
  if (!config) return config.error();
  const Result<bool> space = config->boolean("add_prefix_space", false);
  if (!space) return space.error();
  Result<json> vocab = parse_json("vocab.json", *vocab_text, 2);
  if (!vocab) return vocab.error();
  json merges = json::array();
  for (std::string& line : lines_of(*merges_text))
    if (!line.empty() && !(merges.empty() && line.starts_with("#version"))) merges.push_back(std::move(line));
  json tokenizer = {{"added_tokens", json::array()},
                    {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", *space}}},
                    {"decoder", {{"type", "ByteLevel"}}}};
  if (vocab->is_object()) add_special(tokenizer, *vocab, "<|endoftext|>");
  tokenizer["model"] = {{"type", "BPE"}, {"vocab", std::move(*vocab)}, {"merges", std::move(merges)}};
  return made_from("vocab.json", tokenizer);
}

/// add_bos_token and add_eos_token stand beside the file, where they stand at all.
Result<std::shared_ptr<const Tokenizer>> read_pieces(const std::string& folder, const std::string& file) {
  const Result<Config> config = settings_of(folder);
  if (!config) return config.error();
  SentencePieceSettings settings;
  const auto read = [&](const char* key, std::optional<bool>& out) -> Result<void> {
    const Result<bool> flag = config->boolean(key, false);
    if (!flag) return flag.error();
    if (config->has(key)) out = *flag;
    return {};
  };
  if (auto ok = read("add_bos_token", settings.add_bos); !ok) return ok.error();
  if (auto ok = read("add_eos_token", settings.add_eos); !ok) return ok.error();
  return read_sentencepiece(folder + "/" + file, settings);
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> read_old_tokenizer(const std::string& folder) {
  if (is_file(folder + "/vocab.json") && is_file(folder + "/merges.txt")) return read_byte_pairs(folder);
  if (is_file(folder + "/vocab.txt")) return read_wordpiece_text(folder);
  for (const char* file : {"tokenizer.model", "spiece.model"})
    if (is_file(folder + "/" + file)) return read_pieces(folder, file);
  return std::shared_ptr<const Tokenizer>();
}

}  // namespace cutaway
