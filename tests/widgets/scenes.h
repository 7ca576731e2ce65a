// Steps for views to draw: a GPT and a BERT with random weights that really ran over words, and a canvas that
// remembers.
#pragma once

#include <map>

#include "engine/session.h"
#include "tests/support/run.h"
#include "widgets/fonts.h"
#include "widgets/view.h"

namespace cutaway::tests {

/// One id a word; enough of a tokenizer for labels.
class WordTokenizer final : public Tokenizer {
 public:
  explicit WordTokenizer(std::vector<std::string> words) : words_(std::move(words)) {}
  Result<Encoding> encode(std::string_view, bool) const override { return error("words are given by id"); }
  std::string decode(std::span<const int32_t> ids) const override {
    std::string text;
    for (const int32_t id : ids) text += piece(id);
    return text;
  }
  std::string piece(int32_t id) const override { return words_[static_cast<size_t>(id) % words_.size()]; }
  bool is_special(int32_t id) const override { return id == mask; }
  int64_t size() const override { return static_cast<int64_t>(words_.size()); }
  SpecialIds specials() const override { return {.mask = mask}; }
  static constexpr int32_t mask = 31;

 private:
  std::vector<std::string> words_;
};

inline std::vector<std::string> words() {
  std::vector<std::string> list{"The",
                                " robot",
                                " picked",
                                " up",
                                " the",
                                " red",
                                " key",
                                " because",
                                " it",
                                " needed",
                                " to",
                                " open",
                                " old",
                                " door",
                                ",",
                                " and",
                                " then",
                                " walked",
                                " next",
                                " room",
                                ".",
                                "\n",
                                " <b>&",
                                " where",
                                " with",
                                " was",
                                " кот",
                                " a",
                                " very long name indeed",
                                "⟨0A⟩",
                                " ",
                                "[MASK]"};
  while (list.size() < 96) list.push_back(" w" + std::to_string(list.size()));
  return list;
}

/// "The robot picked up the red key because it needed to open the old door, and then it walked to the next room"
inline std::vector<int32_t> sentence() {
  return {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 4, 12, 13, 14, 15, 16, 8, 17, 10, 4, 18, 19};
}

inline ModelPtr words_model(bool masked_model, int layers = 6, int64_t heads = 6) {
  const std::string_view name = masked_model ? "bert" : "gpt2";
  ModelSpec spec = architecture_named(name).corners().front();
  const LayerSpec layer = spec.layers.front();
  spec.name = masked_model ? "words-bert" : "words-gpt";
  spec.d_model = heads * 16, spec.vocab_size = 96, spec.n_ctx = 512;
  spec.layers.assign(static_cast<size_t>(layers), layer);
  for (LayerSpec& l : spec.layers) {
    l.attention.d_model = spec.d_model, l.attention.n_heads = l.attention.n_kv_heads = heads, l.attention.head_dim = 16;
    l.attention.scale = 0.25f, l.ffn.d_ff = 2 * spec.d_model;
  }
  auto model = std::make_shared<Model>(*random_model(spec, 3));
  model->tokenizer = std::make_shared<WordTokenizer>(words());
  return model;
}

/// The sentence's first ten words read, the rest generated as it says; a masked model reads it with two gaps.
inline SnapshotPtr words_step(bool masked_model, int layers = 6, int64_t heads = 6) {
  auto session = Session::start(words_model(masked_model, layers, heads), make_cpu_backend(1));
  if (!session) return nullptr;
  std::vector<int32_t> ids = sentence();
  if (masked_model) ids[6] = ids[13] = WordTokenizer::mask;
  const size_t prompt = masked_model ? ids.size() : 10;
  auto step = (*session)->read_ids({ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(prompt)});
  for (size_t i = prompt; step && i < ids.size(); ++i) step = (*session)->append(ids[i]);
  if (step && !masked_model) step = (*session)->score();
  return step ? *step : nullptr;
}

/// Remembers what was drawn where.
class RememberingCanvas final : public Canvas {
 public:
  struct Text {
    Point at;
    std::string text;
    TextStyle style;
  };
  struct Map {
    Rect place;
    TileRequest request;
  };

  RememberingCanvas(Rect area, const Theme& theme, TileSource& tiles) : area_(area), theme_(theme), tiles_(tiles) {}
  Rect area() const override { return area_; }
  const Theme& theme() const override { return theme_; }
  TileSource& tiles() override { return tiles_; }
  void fill(Rect r, Color) override { ++count, fills.push_back(r); }
  void outline(Rect r, Color c, float) override { ++count, outlines.emplace_back(r, c); }
  void line(Point, Point, Color, float, bool) override { ++count; }
  void polygon(std::span<const Point>, Color) override { ++count; }
  void polyline(std::span<const Point>, Color, float, bool) override { ++count; }
  void curve(Point, Point, Point, Point, Color, float) override { ++count; }
  void text(Point p, std::string_view t, const TextStyle& s) override {
    ++count, texts.push_back({p, std::string(t), s});
  }
  float text_width(std::string_view t, Face f, float px) override { return cutaway::text_width(t, f, px); }
  void hatch(Rect, Hatch, float) override { ++count; }
  void heat_map(Rect r, const TileRequest& q, ScaleMode) override { ++count, maps.push_back({r, q}); }
  void push_clip(Rect) override { ++clips; }
  void pop_clip() override { --clips; }

  std::vector<Text> texts;
  std::vector<Map> maps;
  std::vector<Rect> fills;
  std::vector<std::pair<Rect, Color>> outlines;
  size_t count = 0;
  int clips = 0;

 private:
  Rect area_;
  const Theme& theme_;
  TileSource& tiles_;
};

/// Has nothing yet, as the screen's source at its first frame.
class NoTiles final : public TileSource {
 public:
  std::shared_ptr<const Tile> best(const TileRequest&) override { return nullptr; }
};

}  // namespace cutaway::tests
