#include "engine/tokenizers/pre_tokenizer.h"

#include <algorithm>
#include <array>

#include "engine/tokenizers/regex.h"
#include "engine/tokenizers/rewriter.h"

namespace cutaway {
namespace {

// GPT-2 (Radford et al. 2019), encoder.py.
constexpr const char* gpt2_pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

enum class Behavior { Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous };

struct Cut {
  size_t begin, end;
  bool matched;
};

/// A text as an unbroken row of matches and of what lies between them.
std::vector<Cut> cuts_of(size_t size, const std::vector<std::pair<size_t, size_t>>& matches, bool invert) {
  std::vector<Cut> cuts;
  size_t at = 0;
  for (const auto& [begin, end] : matches) {
    if (at < begin) cuts.push_back({at, begin, invert});
    cuts.push_back({begin, end, !invert});
    at = end;
  }
  if (at < size) cuts.push_back({at, size, invert});
  return cuts;
}

/// Joins cuts as the behavior says. (As Hugging Face tokenizers 0.20 does: two matches in a row are never joined by
/// MergedWith….)
std::vector<Cut> joined(std::vector<Cut> cuts, Behavior behavior) {
  if (behavior == Behavior::Isolated) return cuts;
  if (behavior == Behavior::Removed) {
    std::erase_if(cuts, [](const Cut& cut) { return cut.matched; });
    return cuts;
  }
  const bool backwards = behavior == Behavior::MergedWithNext;
  if (backwards) std::reverse(cuts.begin(), cuts.end());
  std::vector<Cut> out;
  bool last_matched = false;
  for (const Cut& cut : cuts) {
    const bool join = behavior == Behavior::Contiguous ? cut.matched == last_matched : cut.matched && !last_matched;
    if (join && !out.empty()) {
      out.back() = {std::min(out.back().begin, cut.begin), std::max(out.back().end, cut.end), false};
    } else {
      out.push_back(cut);
    }
    last_matched = cut.matched;
  }
  if (backwards) std::reverse(out.begin(), out.end());
  return out;
}

void cut_slice(const Slice& slice, const std::vector<Cut>& cuts, std::vector<Slice>& out) {
  for (const Cut& cut : cuts) out.push_back({slice.text, slice.begin + cut.begin, slice.begin + cut.end});
}

class Split : public PreTokenizer {
 public:
  Split(Regex pattern, Behavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}

  std::vector<Slice> split(const std::vector<Slice>& slices, Texts&) const override {
    std::vector<Slice> out;
    for (const Slice& slice : slices)
      cut_slice(slice, joined(cuts_of(slice.end - slice.begin, pattern_.all(slice.view()), invert_), behavior_), out);
    return out;
  }

 private:
  Regex pattern_;
  Behavior behavior_;
  bool invert_;
};

/// Cuts by a class of single characters; `runs` takes neighbours together.
class CharacterSplit : public PreTokenizer {
 public:
  CharacterSplit(bool (*matches)(char32_t), Behavior behavior, bool runs)
      : matches_(matches), behavior_(behavior), runs_(runs) {}

  std::vector<Slice> split(const std::vector<Slice>& slices, Texts&) const override {
    std::vector<Slice> out;
    for (const Slice& slice : slices) {
      std::vector<std::pair<size_t, size_t>> matches;
      const std::string_view text = slice.view();
      for (size_t at = 0; at < text.size();) {
        const size_t begin = at;
        if (!matches_(next_character(text, at))) continue;
        if (runs_ && !matches.empty() && matches.back().second == begin)
          matches.back().second = at;
        else
          matches.emplace_back(begin, at);
      }
      cut_slice(slice, joined(cuts_of(text.size(), matches, false), behavior_), out);
    }
    return out;
  }

 private:
  bool (*matches_)(char32_t);
  Behavior behavior_;
  bool runs_;
};

class ByteLevel : public PreTokenizer {
 public:
  ByteLevel(bool add_prefix_space, std::optional<Regex> pattern)
      : add_prefix_space_(add_prefix_space), pattern_(std::move(pattern)) {}

  bool byte_level() const override { return true; }

  std::vector<Slice> split(const std::vector<Slice>& slices, Texts& texts) const override {
    std::vector<Slice> out;
    for (Slice slice : slices) {
      if (add_prefix_space_ && !slice.view().starts_with(' ')) slice = with_space(slice, texts);
      if (!pattern_)
        out.push_back(slice);
      else
        cut_slice(slice, cuts_of(slice.end - slice.begin, pattern_->all(slice.view()), false), out);
    }
    return out;
  }

 private:
  /// A copy with a space before it, which came from nowhere in what the user typed.
  static Slice with_space(const Slice& slice, Texts& texts) {
    Text text;
    const auto at = static_cast<uint32_t>(slice.text->source(slice.begin, slice.end).first);
    text.base = at;
    text.bytes = " ";
    text.bytes += slice.view();
    text.origin.reserve(text.bytes.size());
    text.origin.emplace_back(at, at);
    for (size_t i = slice.begin; i < slice.end; ++i) {
      const auto [begin, end] = slice.text->source(i, i + 1);
      text.origin.emplace_back(static_cast<uint32_t>(begin), static_cast<uint32_t>(end));
    }
    texts.push_back(std::move(text));
    return {&texts.back(), 0, texts.back().bytes.size()};
  }

  bool add_prefix_space_;
  std::optional<Regex> pattern_;
};

/// Spaces become a mark, which words begin with.
class Metaspace : public PreTokenizer {
 public:
  enum class Prefix { Always, First, Never };
  Metaspace(std::string mark, Prefix prefix, bool split) : mark_(std::move(mark)), prefix_(prefix), split_(split) {}

  std::vector<Slice> split(const std::vector<Slice>& slices, Texts& texts) const override {
    std::vector<Slice> out;
    for (const Slice& slice : slices) {
      const Text& text = marked(slice, texts);
      const Slice whole{&text, 0, text.bytes.size()};
      if (!split_) {
        out.push_back(whole);
        continue;
      }
      std::vector<std::pair<size_t, size_t>> marks;
      for (size_t at = 0; (at = text.bytes.find(mark_, at)) != std::string::npos; at += mark_.size())
        marks.emplace_back(at, at + mark_.size());
      cut_slice(whole, joined(cuts_of(text.bytes.size(), marks, false), Behavior::MergedWithNext), out);
    }
    return out;
  }

 private:
  const Text& marked(const Slice& slice, Texts& texts) const {
    Rewriter out(*slice.text);
    const std::string_view view = slice.view();
    const bool wanted = prefix_ == Prefix::Always ||
                        (prefix_ == Prefix::First && slice.text->source(slice.begin, slice.end).first == 0);
    if (wanted && !view.empty() && !view.starts_with(mark_) && !view.starts_with(' ')) out.insert(mark_, slice.begin);
    for (size_t at = slice.begin; at < slice.end; ++at)
      if (slice.text->bytes[at] == ' ')
        out.put(mark_, at, at + 1);
      else
        out.keep(at, at + 1);
    texts.push_back(out.done());
    return texts.back();
  }

  std::string mark_;
  Prefix prefix_;
  bool split_;
};

class PreTokenizerSequence : public PreTokenizer {
 public:
  explicit PreTokenizerSequence(std::vector<PreTokenizerPtr> parts) : parts_(std::move(parts)) {}

  std::vector<Slice> split(const std::vector<Slice>& slices, Texts& texts) const override {
    std::vector<Slice> now = slices;
    for (const PreTokenizerPtr& part : parts_) now = part->split(now, texts);
    return now;
  }
  bool byte_level() const override {
    return std::ranges::any_of(parts_, [](const PreTokenizerPtr& part) { return part->byte_level(); });
  }

 private:
  std::vector<PreTokenizerPtr> parts_;
};

Behavior behavior_of(Component& c, const char* absent) {
  static constexpr std::array names = {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"};
  const std::string name = c.text("behavior", absent ? std::optional<std::string>(absent) : std::nullopt);
  for (size_t i = 0; i < names.size(); ++i)
    if (name == names[i]) return static_cast<Behavior>(i);
  c.fail(fmt::format("has the behavior \"{}\"; known are {}", name, fmt::join(names, ", ")));
  return Behavior::Isolated;
}

PreTokenizerPtr sequence_of(std::vector<PreTokenizerPtr> parts) {
  return std::make_shared<PreTokenizerSequence>(std::move(parts));
}

Result<PreTokenizerPtr> read_sequence(Component& c) {
  std::vector<PreTokenizerPtr> parts;
  for (const Component& part : c.list("pretokenizers")) {
    auto one = read_pre_tokenizer(part);
    if (!one) return one.error();
    parts.push_back(std::move(*one));
  }
  if (c.why()) return *c.why();
  return sequence_of(std::move(parts));
}

Result<PreTokenizerPtr> read_regex(const char* pattern, Behavior behavior, bool invert) {
  auto regex = Regex::compile(pattern);
  if (!regex) return regex.error();
  return PreTokenizerPtr(std::make_shared<Split>(std::move(*regex), behavior, invert));
}

Result<PreTokenizerPtr> read_byte_level(Component& c) {
  const bool space = c.flag("add_prefix_space", true);
  c.flag("trim_offsets", true);  // ours always hold the space: a token strip shows it
  if (!c.flag("use_regex", true)) return PreTokenizerPtr(std::make_shared<ByteLevel>(space, std::nullopt));
  auto pattern = Regex::compile(gpt2_pattern);
  if (!pattern) return pattern.error();
  return PreTokenizerPtr(std::make_shared<ByteLevel>(space, std::move(*pattern)));
}

Result<PreTokenizerPtr> read_split(Component& c) {
  auto pattern = read_pattern(c);
  if (!pattern) return pattern.error();
  const Behavior behavior = behavior_of(c, nullptr);
  return PreTokenizerPtr(std::make_shared<Split>(std::move(*pattern), behavior, c.flag("invert", false)));
}

Result<PreTokenizerPtr> read_metaspace(Component& c) {
  const std::string mark = c.text("replacement", "\u2581");
  size_t end = 0;
  if (mark.empty() || (next_character(mark, end), end != mark.size()))
    c.fail(fmt::format("has the replacement \"{}\"; one character is needed", mark));
  const std::string said = c.text("prepend_scheme", c.flag("add_prefix_space", true) ? "always" : "never");
  auto prefix = Metaspace::Prefix::Always;
  if (said == "first")
    prefix = Metaspace::Prefix::First;
  else if (said == "never")
    prefix = Metaspace::Prefix::Never;
  else if (said != "always")
    c.fail(fmt::format("has the prepend_scheme \"{}\"; known are always, first, never", said));
  return PreTokenizerPtr(std::make_shared<Metaspace>(mark, prefix, c.flag("split", true)));
}

PreTokenizerPtr by_character(bool (*matches)(char32_t), Behavior behavior, bool runs) {
  return std::make_shared<CharacterSplit>(matches, behavior, runs);
}

}  // namespace

Result<PreTokenizerPtr> read_pre_tokenizer(Component c) {
  if (c.why()) return *c.why();
  const std::string& type = c.type();
  const PreTokenizerPtr at_white = by_character(is_white, Behavior::Removed, true);
  Result<PreTokenizerPtr> made = at_white;  // WhitespaceSplit
  if (type == "ByteLevel")
    made = read_byte_level(c);
  else if (type == "Split")
    made = read_split(c);
  else if (type == "Sequence")
    made = read_sequence(c);
  else if (type == "Metaspace")
    made = read_metaspace(c);
  else if (type == "Whitespace")
    made = read_regex(R"(\w+|[^\w\s]+)", Behavior::Removed, true);
  else if (type == "Punctuation")
    made = by_character(is_bert_punctuation, behavior_of(c, "Isolated"), false);
  else if (type == "Digits")
    made = by_character(is_digit, Behavior::Isolated, !c.flag("individual_digits", false));
  else if (type == "BertPreTokenizer")
    made = sequence_of({at_white, by_character(is_bert_punctuation, Behavior::Isolated, false)});
  else if (type != "WhitespaceSplit")
    return c.unknown();
  if (c.why()) return *c.why();
  return made;
}

}  // namespace cutaway
