// A tokenizer.json put together: added tokens, normaliser, pre-tokenizer, model, post-processor, decoder.
#include "engine/tokenizer.h"

#include <algorithm>
#include <new>
#include <unordered_map>

#include "engine/files/bounded_reader.h"
#include "engine/files/json_text.h"
#include "engine/tokenizers/added_tokens.h"
#include "engine/tokenizers/build.h"
#include "engine/tokenizers/decoder.h"
#include "engine/tokenizers/post_processor.h"
#include "engine/tokenizers/pre_tokenizer.h"
#include "engine/tokenizers/subwords.h"
#include "engine/tokenizers/unicode.h"

namespace cutaway {
namespace {

constexpr uint64_t max_file_bytes = 64 << 20;
constexpr size_t max_text_bytes = 256 << 20;
constexpr int max_depth = 16;

/// Names under which special tokens are known, first come first served.
constexpr std::string_view mask_names[] = {"[MASK]", "<mask>", "<|mask|>"};
constexpr std::string_view cls_names[] = {"[CLS]", "<cls>", "<|cls|>", "<s>"};
constexpr std::string_view sep_names[] = {"[SEP]", "<sep>", "<|sep|>", "</s>"};
constexpr std::string_view pad_names[] = {"[PAD]", "<pad>", "<|pad|>"};
constexpr std::string_view eos_names[] = {"<|endoftext|>", "<eos>", "[EOS]", "<|eos|>", "</s>", "<|end_of_text|>"};
constexpr std::string_view unk_names[] = {"[UNK]", "<unk>", "<|unk|>"};

class FileTokenizer : public Tokenizer {
 public:
  NormalizerPtr normalizer;       // may be null
  PreTokenizerPtr pre_tokenizer;  // may be null: the text is one word
  SubwordsPtr model;
  AddedTokens added;
  Around around;
  DecoderPtr decoder;  // may be null: tokens joined with spaces
  SpecialIds special_ids;
  int64_t ids = 0;

  Result<Encoding> encode(std::string_view text, bool specials) const override {
    if (text.size() > max_text_bytes)
      return error("the text has {} bytes; at most {} are read", text.size(), max_text_bytes);
    if (const auto bad = invalid_utf8(text)) return error("the text is not valid UTF-8 at byte {}", *bad);
    try {
      Run run(*this, text);
      return run.encode(specials);
    } catch (const std::bad_alloc&) {
      return machine_error("a text of {} bytes: not enough memory to encode it", text.size());
    }
  }

  std::string decode(std::span<const int32_t> tokens) const override {
    std::vector<std::string> pieces;
    for (int32_t id : tokens)
      if (const AddedToken* one = added.find(id))
        pieces.push_back(one->content);
      else
        pieces.push_back(decoder && decoder->byte_level() ? model->bytes(id) : model->vocabulary().token(id));
    if (decoder) decoder->apply(pieces);
    return valid_utf8(fmt::format("{}", fmt::join(pieces, decoder ? "" : " ")));
  }

  std::string piece(int32_t id) const override {
    const AddedToken* one = added.find(id);
    return shown(one ? one->content : model->bytes(id));
  }

  bool is_special(int32_t id) const override {
    const AddedToken* one = added.find(id);
    return one && one->special;
  }
  int64_t size() const override { return ids; }
  SpecialIds specials() const override { return special_ids; }

 private:
  /// Printable characters as they are, other bytes as ⟨0A⟩.
  static std::string shown(const std::string& bytes) {
    std::string out;
    for (size_t at = 0; at < bytes.size();) {
      const std::string_view rest = std::string_view(bytes).substr(at);
      const size_t length = std::min(character_bytes(rest[0]), rest.size());
      const uint8_t first = static_cast<uint8_t>(rest[0]);
      const bool control =
          first < 0x20 || first == 0x7f || (first == 0xc2 && length == 2 && static_cast<uint8_t>(rest[1]) < 0xa0);
      if (control || invalid_utf8(rest.substr(0, length))) {
        out += fmt::format("⟨{:02X}⟩", first);
        ++at;
      } else {
        out += rest.substr(0, length);
        at += length;
      }
    }
    return out;
  }

  /// One encoding: what it has made so far, and the words it has seen, so that a repeated word is not merged again.
  class Run {
   public:
    Run(const FileTokenizer& own, std::string_view text) : own_(own), text_(text) {}

    Encoding encode(bool specials) {
      if (specials) put(own_.around.before);
      for (const TextPart& part : own_.added.raw().split(text_)) {
        if (part.id >= 0)
          put(part.id, part.begin, part.end);
        else
          normalize(part);
      }
      if (specials) put(own_.around.after);
      return std::move(out_);
    }

   private:
    void normalize(const TextPart& part) {
      texts_.push_back({std::string(text_.substr(part.begin, part.end - part.begin)), part.begin, {}});
      Text& text = texts_.back();
      if (own_.normalizer) own_.normalizer->apply(text);
      for (const TextPart& inner : own_.added.normalized().split(text.bytes)) {
        const auto [begin, end] = text.source(inner.begin, inner.end);
        if (inner.id >= 0)
          put(inner.id, begin, end);
        else
          cut({&text, inner.begin, inner.end});
      }
    }

    void cut(const Slice& slice) {
      if (!own_.pre_tokenizer) return word(slice);
      for (const Slice& one : own_.pre_tokenizer->split({slice}, texts_)) word(one);
    }

    void word(const Slice& slice) {
      if (slice.begin == slice.end) return;
      const std::string_view bytes = slice.view();  // its text stays in texts_, so it may be a key
      auto [seen, fresh] = seen_.try_emplace(bytes, Known{tokens_.size(), 0});
      if (fresh) {
        own_.model->encode(bytes, tokens_);
        seen->second.count = tokens_.size() - seen->second.begin;
      }
      for (size_t i = 0; i < seen->second.count; ++i) {
        const SubToken& token = tokens_[seen->second.begin + i];
        const auto [begin, end] = slice.text->source(slice.begin + token.begin, slice.begin + token.end);
        put(token.id, begin, end);
      }
    }

    void put(int32_t id, size_t begin, size_t end) {
      out_.ids.push_back(id);
      out_.bytes.emplace_back(begin, end);
    }
    void put(const std::vector<int32_t>& specials) {
      for (int32_t id : specials) put(id, 0, 0);
    }

    struct Known {
      size_t begin, count;  // in tokens_
    };
    const FileTokenizer& own_;
    std::string_view text_;
    Texts texts_;
    std::vector<SubToken> tokens_;
    std::unordered_map<std::string_view, Known> seen_;
    Encoding out_;
  };
};

/// The special tokens by the names that models give them.
SpecialIds special_ids(const AddedTokens& added, const Subwords& model) {
  const auto named = [&](std::span<const std::string_view> names) {
    for (std::string_view name : names)
      for (const AddedToken& token : added.all())
        if (token.content == name) return token.id;
    return -1;
  };
  SpecialIds ids{named(mask_names), named(cls_names), named(sep_names),
                 named(pad_names),  named(eos_names), named(unk_names)};
  if (ids.unk < 0) ids.unk = model.unknown();
  return ids;
}

/// A member of the file that may be absent or null.
const nlohmann::json* part(const nlohmann::json& json, const char* key) {
  const auto at = json.find(key);
  return at == json.end() || at->is_null() ? nullptr : &*at;
}

Result<SubwordsPtr> read_model(const std::string& file, const nlohmann::json& value, bool byte_level) {
  Component c(file, "model", value);
  if (c.why()) return *c.why();
  std::string type = c.type();
  if (type.empty()) type = c.member("merges").is_null() ? "" : "BPE";  // files of 2019 have no type
  if (type == "BPE") return read_bpe(std::move(c), byte_level);
  if (type == "WordPiece") return read_wordpiece(std::move(c));
  if (type == "Unigram") return read_unigram(std::move(c));
  if (type == "SentencePieceBPE") return read_sentencepiece_bpe(std::move(c));
  return c.unknown();
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> build_tokenizer(const std::string& file, const nlohmann::json& json) {
  if (!json.is_object()) return error("{} holds {}; a JSON object is needed", file, json.type_name());
  auto made = std::make_shared<FileTokenizer>();
  if (const auto* value = part(json, "normalizer")) {
    auto read = read_normalizer(Component(file, "normalizer", *value));
    if (!read) return read.error();
    made->normalizer = std::move(*read);
  }
  if (const auto* value = part(json, "pre_tokenizer")) {
    auto read = read_pre_tokenizer(Component(file, "pre_tokenizer", *value));
    if (!read) return read.error();
    made->pre_tokenizer = std::move(*read);
  }
  const auto* model = part(json, "model");
  if (!model) return error("{} has no model", file);
  auto subwords = read_model(file, *model, made->pre_tokenizer && made->pre_tokenizer->byte_level());
  if (!subwords) return subwords.error();
  made->model = std::move(*subwords);
  const auto* tokens = part(json, "added_tokens");
  auto added =
      AddedTokens::read(file, tokens ? *tokens : nlohmann::json(), made->model->vocabulary(), made->normalizer.get());
  if (!added) return added.error();
  made->added = std::move(*added);
  if (const auto* value = part(json, "post_processor")) {
    auto read = read_post_processor(Component(file, "post_processor", *value));
    if (!read) return read.error();
    made->around = std::move(*read);
  }
  if (const auto* value = part(json, "decoder")) {
    auto read = read_decoder(Component(file, "decoder", *value));
    if (!read) return read.error();
    made->decoder = std::move(*read);
  }
  made->special_ids = special_ids(made->added, *made->model);
  made->ids = made->model->vocabulary().size();
  if (!made->added.all().empty()) made->ids = std::max<int64_t>(made->ids, made->added.all().back().id + 1);
  for (const std::vector<int32_t>& side : {made->around.before, made->around.after})
    for (int32_t id : side)
      if (id >= made->ids) return error("{}: post_processor puts the id {}; ids are below {}", file, id, made->ids);
  return std::shared_ptr<const Tokenizer>(made);
}

Result<std::shared_ptr<const Tokenizer>> Tokenizer::parse(const std::string& file, std::string_view text) {
  if (text.size() > max_file_bytes)
    return error("{} has {} bytes; at most {} are read", file, text.size(), max_file_bytes);
  try {
    const Result<nlohmann::json> json = parse_json(file, text, max_depth);
    if (!json) return json.error();
    return build_tokenizer(file, *json);
  } catch (const std::bad_alloc&) {
    return machine_error("{}: not enough memory to read it", file);
  }
}

Result<std::shared_ptr<const Tokenizer>> Tokenizer::read(const std::string& path) {
  const Result<std::string> text = read_text_file(path, max_file_bytes);
  if (!text) return text.error();
  return parse(file_name(path), *text);
}

}  // namespace cutaway
