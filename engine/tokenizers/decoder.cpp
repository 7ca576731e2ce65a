#include "engine/tokenizers/decoder.h"

#include <algorithm>

#include "engine/tokenizers/regex.h"

namespace cutaway {
namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

class Fuse : public Decoder {
 public:
  void apply(std::vector<std::string>& pieces) const override {
    std::string all;
    for (const std::string& piece : pieces) all += piece;
    pieces = {std::move(all)};
  }
};

class ByteLevelDecoder : public Fuse {
 public:
  bool byte_level() const override { return true; }
};

class WordPieceDecoder : public Decoder {
 public:
  WordPieceDecoder(std::string prefix, bool cleanup) : prefix_(std::move(prefix)), cleanup_(cleanup) {}

  void apply(std::vector<std::string>& pieces) const override {
    for (size_t i = 0; i < pieces.size(); ++i) {
      std::string& piece = pieces[i];
      if (i > 0 && piece.starts_with(prefix_))
        piece.erase(0, prefix_.size());
      else if (i > 0)
        piece.insert(piece.begin(), ' ');
      if (cleanup_) clean(piece);
    }
  }

 private:
  /// English as it was before punctuation was split off; in this order, as Hugging Face does.
  static void clean(std::string& text) {
    static constexpr std::pair<std::string_view, std::string_view> rules[] = {
        {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
        {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
    for (const auto& [from, to] : rules) replace_all(text, from, to);
  }
  std::string prefix_;
  bool cleanup_;
};

class ReplaceDecoder : public Decoder {
 public:
  ReplaceDecoder(Regex pattern, std::string content) : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void apply(std::vector<std::string>& pieces) const override {
    for (std::string& piece : pieces) {
      const auto matches = pattern_.all(piece);
      for (auto at = matches.rbegin(); at != matches.rend(); ++at)
        piece.replace(at->first, at->second - at->first, content_);
    }
  }

 private:
  Regex pattern_;
  std::string content_;
};

class DecoderSequence : public Decoder {
 public:
  explicit DecoderSequence(std::vector<DecoderPtr> parts) : parts_(std::move(parts)) {}
  void apply(std::vector<std::string>& pieces) const override {
    for (const DecoderPtr& part : parts_) part->apply(pieces);
  }
  bool byte_level() const override {
    return std::ranges::any_of(parts_, [](const DecoderPtr& part) { return part->byte_level(); });
  }

 private:
  std::vector<DecoderPtr> parts_;
};

}  // namespace

Result<DecoderPtr> read_decoder(Component c) {
  if (c.why()) return *c.why();
  const std::string& type = c.type();
  DecoderPtr made;
  if (type == "ByteLevel")
    made = std::make_shared<ByteLevelDecoder>();
  else if (type == "Fuse")
    made = std::make_shared<Fuse>();
  else if (type == "WordPiece")
    made = std::make_shared<WordPieceDecoder>(c.text("prefix", "##"), c.flag("cleanup", true));
  else if (type == "Replace") {
    auto pattern = read_pattern(c);
    if (!pattern) return pattern.error();
    made = std::make_shared<ReplaceDecoder>(std::move(*pattern), c.text("content", {}));
  } else if (type == "Sequence") {
    std::vector<DecoderPtr> parts;
    for (const Component& part : c.list("decoders")) {
      auto one = read_decoder(part);
      if (!one) return one;
      parts.push_back(std::move(*one));
    }
    made = std::make_shared<DecoderSequence>(std::move(parts));
  } else {
    return c.unknown();
  }
  if (c.why()) return *c.why();
  return made;
}

}  // namespace cutaway
