#include "engine/tokenizers/decoder.h"

#include <algorithm>

#include "engine/tokenizers/byte_tokens.h"
#include "engine/tokenizers/regex.h"
#include "engine/tokenizers/unicode.h"

namespace cutaway {
namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t found = std::min(text.find(from, at), text.size());
    out.append(text, at, found - at);
    if (found < text.size()) out += to;
    at = found + from.size();
  }
  text = std::move(out);
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

/// Marks become spaces again; those of the first piece, which the tokenizer may have put there, go.
class MetaspaceDecoder : public Decoder {
 public:
  MetaspaceDecoder(std::string mark, bool prefixed) : mark_(std::move(mark)), prefixed_(prefixed) {}
  void apply(std::vector<std::string>& pieces) const override {
    for (size_t i = 0; i < pieces.size(); ++i) replace_all(pieces[i], mark_, i == 0 && prefixed_ ? "" : " ");
  }

 private:
  std::string mark_;
  bool prefixed_;
};

/// Runs of "<0x..>" become the characters that their bytes spell, or as many U+FFFD.
class ByteFallbackDecoder : public Decoder {
 public:
  void apply(std::vector<std::string>& pieces) const override {
    std::vector<std::string> out;
    std::string bytes;
    const auto flush = [&] {
      if (!invalid_utf8(bytes))
        out.push_back(bytes);
      else
        for (size_t i = 0; i < bytes.size(); ++i) out.emplace_back("\ufffd");
      bytes.clear();
    };
    for (std::string& piece : pieces) {
      if (const auto byte = byte_of_token(piece)) {
        bytes += *byte;
        continue;
      }
      if (!bytes.empty()) flush();
      out.push_back(std::move(piece));
    }
    if (!bytes.empty()) flush();
    pieces = std::move(out);
  }
};

/// Up to so many of a character off the ends of each piece.
class StripDecoder : public Decoder {
 public:
  StripDecoder(std::string content, int64_t left, int64_t right)
      : content_(std::move(content)), left_(left), right_(right) {}
  void apply(std::vector<std::string>& pieces) const override {
    for (std::string& piece : pieces) {
      size_t begin = 0, end = piece.size();
      for (int64_t i = 0; i < left_ && piece.compare(begin, content_.size(), content_) == 0; ++i)
        begin += content_.size();
      for (int64_t i = 0; i < right_ && end >= begin + content_.size() &&
                          piece.compare(end - content_.size(), content_.size(), content_) == 0;
           ++i)
        end -= content_.size();
      piece = piece.substr(begin, end - begin);
    }
  }

 private:
  std::string content_;
  int64_t left_, right_;
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
  else if (type == "ByteFallback")
    made = std::make_shared<ByteFallbackDecoder>();
  else if (type == "Metaspace") {
    const std::string mark = c.text("replacement", "\u2581");
    if (mark.empty()) c.fail("has an empty replacement");
    const std::string prefix = c.text("prepend_scheme", c.flag("add_prefix_space", true) ? "always" : "never");
    made = std::make_shared<MetaspaceDecoder>(mark, prefix != "never");
  } else if (type == "Strip") {
    const std::string content = c.text("content", " ");
    if (content.empty()) c.fail("has an empty content");
    const int64_t left = c.integer("start", 0, 0, 1 << 20), right = c.integer("stop", 0, 0, 1 << 20);
    made = std::make_shared<StripDecoder>(content, left, right);
  } else if (type == "Replace") {
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
