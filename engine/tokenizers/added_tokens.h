// Tokens that are matched in the text itself, before anything else happens to it: [MASK], <|endoftext|>.
#pragma once

#include <vector>

#include "engine/tokenizers/component.h"
#include "engine/tokenizers/normalizer.h"
#include "engine/tokenizers/vocabulary.h"

namespace cutaway {

struct AddedToken {
  int32_t id = -1;
  std::string content;
  bool single_word = false, left = false, right = false;  // takes the white space on that side with it
  bool normalized = false;                                // matched after the normaliser
  bool special = false;
};

/// A part of a text: a token that was found, or (id -1) what lies between.
struct TextPart {
  size_t begin = 0, end = 0;
  int32_t id = -1;
};

/// Leftmost matches, longest first, of a set of contents: a trie of bytes.
class TokenFinder {
 public:
  void add(const AddedToken& token, const std::string& content);
  std::vector<TextPart> split(std::string_view text) const;

 private:
  struct Branch {
    std::vector<std::pair<char, int32_t>> next;  // sorted by nothing: few
    int32_t token = -1;                          // index into tokens_
  };
  /// The longest token that begins at `at`: its index and where it ends.
  std::pair<int32_t, size_t> longest(std::string_view text, size_t at) const;
  int32_t step(int32_t branch, char byte) const;

  std::vector<Branch> branches_;
  std::vector<AddedToken> tokens_;
  std::vector<int32_t> first_ = std::vector<int32_t>(256, -1);  // branch by first byte; mostly none
};

class AddedTokens {
 public:
  static Result<AddedTokens> read(const std::string& file, const nlohmann::json& list, const Vocabulary&,
                                  const Normalizer*);

  const TokenFinder& raw() const { return raw_; }                // in what the user typed
  const TokenFinder& normalized() const { return normalized_; }  // in what the normaliser made of it
  const std::vector<AddedToken>& all() const { return all_; }    // by id
  const AddedToken* find(int32_t id) const;

 private:
  TokenFinder raw_, normalized_;
  std::vector<AddedToken> all_;
};

}  // namespace cutaway
