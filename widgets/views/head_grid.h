// Layers x heads: a thumbnail of every map on one scale, hatch kept.
#pragma once

#include <map>

#include "widgets/views/parts.h"

namespace cutaway {

/// How much a head does one recognisable thing: mean over the rows of the weight on the keys in question.
struct HeadScores {
  double previous = 0;   // key = query - 1
  double first = 0;      // key 0
  double self = 0;       // key = query
  double induction = 0;  // the token after an earlier copy of this one (Olsson et al. 2022)
  double local = 0;      // the three keys before the query
};
/// From the whole map of a head, one cell a weight.
HeadScores scores_of(const Snapshot&, const Tile& whole);
/// The name of its strongest trait and the score, when that is at least 0.4.
std::optional<std::pair<Word, double>> head_type(const HeadScores&);

class HeadGrid final : public View {
 public:
  std::string_view id() const override { return "heads"; }
  Word name() const override { return Word::ViewHeads; }
  std::string refusal(const Snapshot&) const override;
  void draw(Canvas& c, const Scene& s) override { draw_in(c, c.area(), s); }
  void draw_in(Canvas&, Rect, const Scene&);
  Gesture click(Point, const Scene&) override;
  Gesture double_click(Point, const Scene&) override;
  void hover(Point, const Scene&, Selection&) override;
  std::vector<Readout> readout(const Scene&, TileSource&) const override;
  Table table(const Scene&, TileSource&) const override;
  std::vector<Array> arrays(const Scene&, TileSource&) const override;

 private:
  struct Thumb {
    Rect place;
    std::string block;
    int64_t head = 0;
  };
  const Thumb* at(Point) const;
  std::vector<Thumb> thumbs_;
  std::optional<std::pair<std::string, int64_t>> hovered_;
};

}  // namespace cutaway
