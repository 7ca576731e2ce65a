#include "engine/tokenizers/sentencepiece_normalizer.h"

#include <utf8proc.h>

#include <algorithm>

#include "engine/tokenizers/charsmap.h"
#include "engine/tokenizers/rewriter.h"

namespace cutaway {
namespace {

constexpr std::string_view mark = "\u2581";
constexpr size_t max_cluster_bytes = 6;  // longer clusters are replaced character by character (spm_precompiled 0.1)

class Precompiled : public Normalizer {
 public:
  explicit Precompiled(Charsmap map) : map_(std::move(map)) {}

  void apply(Text& text) const override {
    Rewriter out(text);
    const std::string_view bytes = text.bytes;
    for (size_t begin = 0; begin < bytes.size();) {
      const size_t end = cluster_end(bytes, begin);
      const std::string_view cluster = bytes.substr(begin, end - begin);
      const auto whole = cluster.size() < max_cluster_bytes ? map_.shortest(cluster) : std::nullopt;
      if (whole)
        out.put(whole->replacement, begin, end);
      else
        one_by_one(bytes, begin, end, out);
      begin = end;
    }
    text = out.done();
  }

 private:
  /// Where the grapheme cluster ends that begins there (UAX 29).
  static size_t cluster_end(std::string_view bytes, size_t begin) {
    size_t at = begin;
    utf8proc_int32_t state = 0;
    char32_t last = next_character(bytes, at);
    while (at < bytes.size()) {
      size_t next = at;
      const char32_t c = next_character(bytes, next);
      if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(last), static_cast<utf8proc_int32_t>(c),
                                           &state))
        break;
      last = c;
      at = next;
    }
    return at;
  }

  void one_by_one(std::string_view bytes, size_t begin, size_t end, Rewriter& out) const {
    for (size_t at = begin; at < end;) {
      const size_t from = at;
      next_character(bytes, at);
      if (const auto match = map_.shortest(bytes.substr(from, at - from)))
        out.put(match->replacement, from, at);
      else
        out.keep(from, at);
    }
  }
  Charsmap map_;
};

/// normalizer.cc: the longest replacements from left to right; then spaces.
class SentencePieceNormalizer : public Normalizer {
 public:
  Charsmap map;
  bool dummy_prefix = true, remove_extra = true;

  void apply(Text& text) const override {
    Rewriter out(text);
    bool after_space = remove_extra, begun = false;
    for (size_t at = 0; at < text.bytes.size();) {
      const size_t from = at;
      const std::string_view rest = std::string_view(text.bytes).substr(at);
      const auto match = map.longest(rest);
      at += match ? match->length : first_character_bytes(rest);
      std::string_view piece = match ? match->replacement : rest.substr(0, at - from);
      while (after_space && piece.starts_with(' ')) piece.remove_prefix(1);
      if (piece.empty()) continue;
      if (!begun && dummy_prefix && text.base == 0 && !text.inside) out.insert(mark, from);
      begun = true;
      put_escaped(piece, from, at, out);
      after_space = remove_extra && piece.ends_with(' ');
    }
    while (remove_extra && !text.inside && out.bytes().ends_with(mark)) out.cut(mark.size());
    text = out.done();
  }

 private:
  static void put_escaped(std::string_view piece, size_t from, size_t to, Rewriter& out) {
    for (size_t at = 0; at < piece.size();) {
      const size_t end = std::min(piece.find(' ', at), piece.size());
      if (at < end) out.put(piece.substr(at, end - at), from, to);
      if (end < piece.size()) out.put(mark, from, to);
      at = end + 1;
    }
  }
};

Result<Charsmap> read_map(Component& c) {
  const auto bytes = from_base64(c.text("precompiled_charsmap", ""));
  if (!bytes) c.fail("has a precompiled_charsmap that is no base64");
  if (c.why()) return *c.why();
  auto map = Charsmap::read(*bytes);
  if (!map) c.fail(fmt::format("has a {}", map.error().text));
  return c.why() ? Result<Charsmap>(*c.why()) : map;
}

}  // namespace

Result<NormalizerPtr> read_precompiled(Component& c) {
  auto map = read_map(c);
  if (!map) return map.error();
  return NormalizerPtr(std::make_shared<Precompiled>(std::move(*map)));
}

Result<NormalizerPtr> read_sentencepiece_normalizer(Component& c) {
  auto map = read_map(c);
  if (!map) return map.error();
  auto made = std::make_shared<SentencePieceNormalizer>();
  made->map = std::move(*map);
  made->dummy_prefix = c.flag("add_dummy_prefix", true);
  made->remove_extra = c.flag("remove_extra_whitespaces", true);
  return NormalizerPtr(made);
}

}  // namespace cutaway
