// Text to ids and back: BPE (byte-level, SentencePiece's, byte fallback), Unigram, WordPiece. From a tokenizer.json
// here, from other files in engine/tokenizers.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/result.h"

namespace cutaway {

struct Encoding {
  std::vector<int32_t> ids;
  std::vector<std::pair<size_t, size_t>> bytes;  // [begin, end) of each token in the text; (0, 0) for added specials
};

struct SpecialIds {
  int32_t mask = -1, cls = -1, sep = -1, pad = -1, eos = -1, unk = -1;  // -1: none
};

/// Immutable; any thread may use it.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  /// Reads tokenizer.json (at most 64 MiB). An unknown component is refused by its name.
  static Result<std::shared_ptr<const Tokenizer>> read(const std::string& path);
  static Result<std::shared_ptr<const Tokenizer>> parse(const std::string& file, std::string_view json);

  /// `specials`: run the post-processor ([CLS] ... [SEP]). Special text typed in is always matched as its id.
  /// Fails on invalid UTF-8, naming the byte offset.
  virtual Result<Encoding> encode(std::string_view text, bool specials) const = 0;
  virtual std::string decode(std::span<const int32_t> ids) const = 0;  // special tokens are left in
  /// One token as a person should see it: real bytes where they are valid UTF-8, else "⟨0A⟩"; "##" stays.
  virtual std::string piece(int32_t id) const = 0;
  virtual bool is_special(int32_t id) const = 0;
  virtual int64_t size() const = 0;  // ids are < size()
  virtual SpecialIds specials() const = 0;
};

}  // namespace cutaway
