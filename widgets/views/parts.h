// What the views share: which map a scene looks at, how a token is written, titles, legends, zoom.
#pragma once

#include "widgets/view.h"

namespace cutaway {

/// The attention map that a selection points at.
struct MapOf {
  NodeId probs = no_node;
  std::string block;
  int layer = 0;
  int64_t heads = 1;  // of the layer
  int64_t head = 0;   // selected, inside the range
  int64_t queries = 0, keys = 0;
  Counts query_text = Counts::DecoderTokens, key_text = Counts::DecoderTokens;  // whose tokens lie along the axes
};
/// The block that the selection names, or the first; nothing where the model has no attention weights.
std::optional<MapOf> map_of(const Scene&);
/// "Layer 5, head 3", "Layer 5, mean of 12 heads".
std::string say_head(const MapOf&, Heads);
/// The position under the cursor, else the newest pin's, else the playhead's, else the last one.
int64_t row_in_view(const Scene&, const MapOf&);

/// A request for a piece of the selected map, at most one cell per weight.
TileRequest request_of(const Scene&, const MapOf&, Range queries, Range keys, int64_t rows, int64_t columns);
/// Weights of one query over all its keys; null while they are still being computed.
std::shared_ptr<const Tile> row_of(TileSource&, const Scene&, const MapOf&, int64_t query);
struct RowFacts {
  int64_t allowed = 0;
  double sum = 0, entropy_bits = 0;
  int64_t keys_for_80 = 0;    // fewest keys that hold 80 percent of the row
  std::vector<int64_t> best;  // up to three strongest keys
};
RowFacts facts_of(const Tile& row);
int64_t rank_in(const Tile& row, int64_t key);  // 1 is the strongest

/// A token as a person reads it. On axes without the leading space; elsewhere with "·" in its place. Control
/// characters as "⟨0A⟩".
std::string token_on_axis(const Snapshot&, int64_t position, Counts text = Counts::DecoderTokens);
std::string token_in_text(const Snapshot&, int64_t position, Counts text = Counts::DecoderTokens);
std::string written(std::string_view piece, bool dot_for_space);
std::string piece_of(const Snapshot&, int32_t id);
/// The token after that one: of the text, or at its end the most likely; empty for a model that doesn't predict it.
std::string predicted_at(const Snapshot&, int64_t position, Counts text = Counts::DecoderTokens);

/// Text whose capitals stand centred on cy.
void put(Canvas&, float x, float cy, std::string_view, const TextStyle&);
/// A view's title with a dimmer line behind it; gives the height used. The second part is left out where it has no
/// room.
inline constexpr float title_height = 36;
void put_title(Canvas&, Rect area, std::string_view title, std::string_view rest = {});
/// One line of what to do, in the middle of what will be there.
void put_notice(Canvas&, Rect area, std::string_view line);
void put_grid(Canvas&, Rect area, int cells);  // the outline of an empty map
/// A square that explains a mark, and its word; gives the x behind it.
float put_mark(Canvas&, float x, float cy, bool hatched, Color outline, std::string_view word);
/// Colours of the scale from lowest to highest.
void put_palette(Canvas&, Rect);
/// The largest "1, 2, 5 × 10^n" step whose marks stand at least `apart` pixels from each other.
int64_t tick_step(float px_per_cell, float apart);
Color head_color(const Theme&, int64_t head);
std::string digits(double value);  // for files: point, shortest text that reads back the same float

/// Which part of a map is in sight, in cells.
class Zoom {
 public:
  void fit() { factor_ = 1; }
  bool fits() const { return factor_ <= 1.0001; }
  void wheel(Rect map, Point, float notches, int64_t queries, int64_t keys);
  void pan(Rect map, float dx, float dy, int64_t queries, int64_t keys);
  /// First cell in sight and how many, along keys and queries.
  double first_key(int64_t keys) const { return clamped(key_, keys); }
  double first_query(int64_t queries) const { return clamped(query_, queries); }
  double span(int64_t cells) const { return static_cast<double>(cells) / factor_; }
  std::optional<Cell> cell(Rect map, Point, int64_t queries, int64_t keys) const;
  Rect rect(Rect map, Cell, int64_t queries, int64_t keys) const;
  float y(Rect map, double query, int64_t queries) const;
  float x(Rect map, double key, int64_t keys) const;

 private:
  double clamped(double first, int64_t cells) const;
  double factor_ = 1, key_ = 0, query_ = 0;
};

}  // namespace cutaway
