// A view draws roles of a snapshot on a canvas and answers the mouse. It never asks which architecture it is drawing,
// never computes a tensor itself, and never blocks. One line in views.inc makes it part of the program.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/session.h"
#include "widgets/canvas.h"
#include "widgets/words.h"

namespace cutaway {

struct Cell {
  int64_t query = 0, key = 0;
  bool operator==(const Cell&) const = default;
};

/// What is looked at: shared by every view, owned by the window, set by the command line for an export.
struct Selection {
  std::string block;  // "layers.3.attn"; empty: the first attention block
  int64_t head = 0;
  Heads heads = Heads::One;
  ScaleMode scale = ScaleMode::Row;
  bool without_sink = false;
  std::optional<Cell> cursor;      // under the mouse, or moved by the arrow keys
  std::vector<Cell> pins;          // at most four
  std::optional<int64_t> token;    // the position that the strip's playhead stands on; nothing: the last
  float threshold = 0.05f;         // arcs: weights below are hidden, their mass is said
  std::vector<int64_t> arc_heads;  // arcs: heads shown; empty: `head` alone
  bool edit_mask = false;          // mask view: a click flips a cell
  Sampling sampling;               // logits: the sampler's cut is drawn on the list
};

/// What a gesture asks for; the window turns it into selection changes and engine commands.
struct Pin {
  Cell cell;
};
struct SelectHead {
  std::string block;
  int64_t head = 0;
  bool solo = false;
};
struct SelectToken {
  int64_t position = 0;
};
struct ToggleMaskCell {
  Cell cell;
  bool allow = true;
};
struct SetMaskRule {
  MaskRule rule;
};
struct MaskToken {
  int64_t position = 0;
};  // put the mask token there
struct ChooseToken {
  int64_t position = 0;
  int32_t id = 0;
};  // take this token instead
using Gesture =
    std::variant<std::monostate, Pin, SelectHead, SelectToken, ToggleMaskCell, SetMaskRule, MaskToken, ChooseToken>;

/// One line of the inspector: a label from the words table and a value with its unit.
struct Readout {
  std::string label, value;
};

/// Numbers behind the picture, for CSV and NPZ: long form, English headers, point as decimal separator.
struct Table {
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
};
struct Array {
  std::string name;  // "probs"
  std::vector<int64_t> shape;
  std::vector<float> values;  // masked cells are NaN in NPZ
};

struct Scene {
  SnapshotPtr step;
  Selection at;
};

class View {
 public:
  virtual ~View() = default;
  virtual std::string_view id() const = 0;  // "attention": as in `cutaway list`
  virtual Word name() const = 0;
  /// Why it has nothing to show for this model, in the language of the window; empty when it has.
  virtual std::string refusal(const Snapshot&) const { return {}; }

  virtual void draw(Canvas&, const Scene&) = 0;  // remembers where it drew what, for the mouse

  virtual void hover(Point, const Scene&, Selection& at) { (void)at; }  // sets at.cursor
  virtual Gesture click(Point, const Scene&) { return {}; }
  virtual Gesture double_click(Point p, const Scene& s) { return click(p, s); }
  /// Pan. `from` is where the mouse was at the call before this one, not where the button went down.
  virtual void drag(Point from, Point to, const Scene&) { (void)from, (void)to; }
  virtual void wheel(Point, float notches, const Scene&) { (void)notches; }  // zoom at the cursor
  virtual void fit() {}                                                      // back to everything in sight
  /// Moves at.cursor by whole cells, for the keyboard.
  virtual void move_cursor(int dq, int dk, const Scene&, Selection&) { (void)dq, (void)dk; }

  /// Everything hover shows, as text, for the inspector and the screen reader.
  virtual std::vector<Readout> readout(const Scene&, TileSource&) const { return {}; }
  virtual Table table(const Scene&, TileSource&) const = 0;
  virtual std::vector<Array> arrays(const Scene&, TileSource&) const = 0;
};

struct ViewKind {
  std::string_view id;
  Word name;
  std::unique_ptr<View> (*make)();
};
std::span<const ViewKind> view_kinds();                // in the order of keys 1..9
std::unique_ptr<View> make_view(std::string_view id);  // null for a name that is not in the list

}  // namespace cutaway
