#include "engine/tokenizers/normalizer.h"

#include <utf8proc.h>

#include <cstdlib>

#include "engine/tokenizers/regex.h"
#include "engine/tokenizers/rewriter.h"
#include "engine/tokenizers/sentencepiece_normalizer.h"

namespace cutaway {
namespace {

/// Changes character by character: change(c, put) calls put for each character that takes the place of c.
template <class Change>
void rewrite(Text& text, Change change) {
  Rewriter out(text);
  for (size_t at = 0; at < text.bytes.size();) {
    const size_t begin = at;
    const char32_t c = next_character(text.bytes, at);
    change(c, [&](char32_t to) { out.put(to, begin, at); });
  }
  text = out.done();
}

/// True where a normal form never looks across: the character before can't change or be changed by this one.
bool starts_segment(char32_t c) {
  if (c < 0x300) return true;
  if ((c >= 0x1160 && c <= 0x11ff) || (c >= 0x3131 && c <= 0x318e) || (c >= 0xff9e && c <= 0xffdc))
    return false;  // Hangul, kana marks
  const utf8proc_property_t* property = utf8proc_get_property(static_cast<utf8proc_int32_t>(c));
  return property->combining_class == 0 && !is_mark(c);
}

class NormalForm : public Normalizer {
 public:
  explicit NormalForm(int options) : options_(static_cast<utf8proc_option_t>(options | UTF8PROC_STABLE)) {}

  void apply(Text& text) const override {
    if (is_ascii(text.bytes)) return;
    const std::string whole = form(text.bytes);
    if (whole == text.bytes) return;
    Rewriter out(text);
    for (size_t at = 0; at < text.bytes.size();) {
      const size_t begin = at;
      next_character(text.bytes, at);
      for (size_t next = at; next < text.bytes.size(); at = next)
        if (starts_segment(next_character(text.bytes, next))) break;
      const std::string_view segment = std::string_view(text.bytes).substr(begin, at - begin);
      const std::string changed = form(segment);
      if (changed == segment)
        out.keep(begin, at);
      else
        out.put(changed, begin, at);
    }
    text = out.done();
  }

 private:
  std::string form(std::string_view text) const {
    utf8proc_uint8_t* out = nullptr;
    const utf8proc_ssize_t size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                               static_cast<utf8proc_ssize_t>(text.size()), &out, options_);
    std::string result =
        size < 0 ? std::string(text) : std::string(reinterpret_cast<char*>(out), static_cast<size_t>(size));
    std::free(out);
    return result;
  }
  utf8proc_option_t options_;
};

const NormalForm nfd(UTF8PROC_DECOMPOSE);

class Lowercase : public Normalizer {
 public:
  void apply(Text& text) const override {
    rewrite(text, [](char32_t c, auto put) {
      if (c == 0x130) return put('i'), put(0x307);  // the only one that grows: I with dot above
      put(static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
    });
  }
};

class StripAccents : public Normalizer {
 public:
  explicit StripAccents(bool (*strips)(char32_t)) : strips_(strips) {}
  void apply(Text& text) const override {
    if (is_ascii(text.bytes)) return;
    rewrite(text, [&](char32_t c, auto put) {
      if (!strips_(c)) put(c);
    });
  }

 private:
  bool (*strips_)(char32_t);
};

class BertNormalizer : public Normalizer {
 public:
  bool clean = true, chinese = true, accents = true, lowercase = true;

  void apply(Text& text) const override {
    rewrite(text, [&](char32_t c, auto put) {
      if (clean && (c == 0 || c == 0xfffd || is_bert_control(c))) return;
      if (clean && is_white(c)) return put(' ');
      if (!chinese || !is_bert_chinese(c)) return put(c);
      put(' '), put(c), put(' ');
    });
    if (accents && !is_ascii(text.bytes)) nfd.apply(text), StripAccents(is_accent).apply(text);
    if (lowercase) Lowercase().apply(text);
  }
};

class Replace : public Normalizer {
 public:
  Replace(Regex pattern, std::string content) : pattern_(std::move(pattern)), content_(std::move(content)) {}

  void apply(Text& text) const override {
    const auto matches = pattern_.all(text.bytes);
    if (matches.empty()) return;
    Rewriter out(text);
    size_t at = 0;
    for (const auto& [begin, end] : matches) {
      out.keep(at, begin);
      out.put(content_, begin, end);
      at = end;
    }
    out.keep(at, text.bytes.size());
    text = out.done();
  }

 private:
  Regex pattern_;
  std::string content_;
};

class Prepend : public Normalizer {
 public:
  explicit Prepend(std::string what) : what_(std::move(what)) {}
  void apply(Text& text) const override {
    if (text.bytes.empty()) return;
    Rewriter out(text);
    out.put(what_, 0, 0);
    out.keep(0, text.bytes.size());
    text = out.done();
  }

 private:
  std::string what_;
};

/// White space off the ends.
class Strip : public Normalizer {
 public:
  Strip(bool left, bool right) : left_(left), right_(right) {}
  void apply(Text& text) const override {
    size_t begin = 0, end = text.bytes.size();
    for (size_t at = 0; left_ && at < end && is_white(next_character(text.bytes, at));) begin = at;
    while (right_ && end > begin && is_white(last_character(text.bytes, end))) {
      --end;
      while (end > begin && (static_cast<uint8_t>(text.bytes[end]) & 0xc0) == 0x80) --end;
    }
    if (begin == 0 && end == text.bytes.size()) return;
    Rewriter out(text);
    out.keep(begin, end);
    text = out.done();
  }

 private:
  bool left_, right_;
};

class NormalizerSequence : public Normalizer {
 public:
  explicit NormalizerSequence(std::vector<NormalizerPtr> parts) : parts_(std::move(parts)) {}
  void apply(Text& text) const override {
    for (const NormalizerPtr& part : parts_) part->apply(text);
  }

 private:
  std::vector<NormalizerPtr> parts_;
};

NormalizerPtr bert_normalizer(Component& c) {
  auto made = std::make_shared<BertNormalizer>();
  made->clean = c.flag("clean_text", true);
  made->chinese = c.flag("handle_chinese_chars", true);
  made->lowercase = c.flag("lowercase", true);
  made->accents = c.flag("strip_accents", made->lowercase);  // null: as lowercase
  return made;
}

}  // namespace

Result<NormalizerPtr> read_normalizer(Component c) {
  if (c.why()) return *c.why();
  const std::string& type = c.type();
  NormalizerPtr made;
  if (type == "NFC")
    made = std::make_shared<NormalForm>(UTF8PROC_COMPOSE);
  else if (type == "NFD")
    made = std::make_shared<NormalForm>(UTF8PROC_DECOMPOSE);
  else if (type == "NFKC")
    made = std::make_shared<NormalForm>(UTF8PROC_COMPOSE | UTF8PROC_COMPAT);
  else if (type == "NFKD")
    made = std::make_shared<NormalForm>(UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT);
  else if (type == "Lowercase")
    made = std::make_shared<Lowercase>();
  else if (type == "StripAccents")
    made = std::make_shared<StripAccents>(is_mark);
  else if (type == "BertNormalizer")
    made = bert_normalizer(c);
  else if (type == "Prepend")
    made = std::make_shared<Prepend>(c.text("prepend", {}));
  else if (type == "Strip")
    made = std::make_shared<Strip>(c.flag("strip_left", true), c.flag("strip_right", true));
  else if (type == "Precompiled" || type == "SentencePiece") {
    auto read = type == "Precompiled" ? read_precompiled(c) : read_sentencepiece_normalizer(c);
    if (!read) return read;
    made = std::move(*read);
  } else if (type == "Replace") {
    auto pattern = read_pattern(c);
    if (!pattern) return pattern.error();
    made = std::make_shared<Replace>(std::move(*pattern), c.text("content", {}));
  } else if (type == "Sequence") {
    std::vector<NormalizerPtr> parts;
    for (const Component& part : c.list("normalizers")) {
      auto one = read_normalizer(part);
      if (!one) return one.error();
      parts.push_back(std::move(*one));
    }
    made = std::make_shared<NormalizerSequence>(std::move(parts));
  } else {
    return c.unknown();
  }
  if (c.why()) return *c.why();
  return made;
}

}  // namespace cutaway
