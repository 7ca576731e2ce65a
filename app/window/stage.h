// What is looked at and how: the last snapshot, the selection, theme and language. Every dock and canvas reads it and
// repaints on its signals; gestures and switches come back to it and become commands. UI thread only.
#pragma once

#include <QObject>
#include <QString>
#include <memory>
#include <string>
#include <vector>

#include "app/engine.h"
#include "app/fonts.h"
#include "app/window/undo.h"
#include "widgets/view.h"

namespace cutaway {

/// A word of the table as Qt wants it.
inline QString said(std::string_view utf8) {
  return QString::fromUtf8(utf8.data(), static_cast<qsizetype>(utf8.size()));
}
inline QString said(Word word) { return said(say(word)); }

class Stage : public QObject {
  Q_OBJECT

 public:
  explicit Stage(Engine&, QObject* parent = nullptr);

  Engine& engine() { return engine_; }
  const Ran& ran() const { return ran_; }
  const SnapshotPtr& step() const { return ran_.step; }  // null before the first pass
  Selection& at() { return at_; }
  Scene scene() const { return {ran_.step, at_}; }
  const Theme& theme() const { return dark_ ? dark_theme() : light_theme(); }

  // What runs. A change is undoable; it is asked for at once and shown as running only when its snapshot came.
  const Setup& setup() const { return wanted_; }
  void change(Setup, const QString& name);
  void open(const Setup&, const std::string& text);  // at the start: nothing to undo
  UndoList& undo_list() { return undo_; }
  void undo();
  void redo();
  bool mask_changed() const { return wanted_.mask.has_value(); }
  /// The rule that the selected block runs with now; causal before the first pass.
  MaskRule mask_now() const;
  void set_mask(const MaskRule&);  // undoable; the trained rule again takes the change back

  // Text and time.
  const std::string& text() const { return text_; }
  void type(const std::string& text);  // re-runs; the latest wins
  /// Moves the playhead: over the prompt it only selects, over generated tokens it steps, at the end it generates.
  void move_playhead(int tokens);
  void go_to_first();
  void go_to_last();
  int64_t playhead() const;  // position of the selected token, the last by default
  bool at_end() const;       // one step more would generate

  // Space.
  std::vector<std::string> blocks() const;  // attention blocks in running order
  int block_index() const;
  int64_t heads() const;  // of the selected block
  void select_head(const std::string& block, int64_t head);
  void next_head(int by);
  void next_block(int by);
  void set_scale(ScaleMode);
  void set_heads(Heads);
  void set_without_sink(bool);
  void set_threshold(float);  // arcs: weights below are hidden
  void set_all_arcs(bool);    // arcs: every head of the layer
  void set_sampling(const Sampling&);
  void clear_pins();
  void toggle_mask_editing();

  const std::string& view_id() const { return view_id_; }
  void show_view(const std::string& id);
  void act(const Gesture&);
  void hovered();  // a canvas moved at().cursor

  void set_dark(bool);
  bool dark() const { return dark_; }
  void set_spoken(Language);

 signals:
  void stepped();            // a new snapshot
  void selection_changed();  // head, pins, scale, token
  void cursor_moved();
  void setup_changed();  // what is wanted or what runs
  void view_changed();
  void theme_changed();
  void language_changed();
  void notice(const QString& sentence, bool is_error);

 private:
  void show(const Ran&);
  void refuse(const Setup&, const QString& sentence);
  void apply(const Setup&);
  void keep_selection_valid();
  void act_on(const Pin&);
  void act_on(const SelectHead&);
  void act_on(const SelectToken&);
  void act_on(const ToggleMaskCell&);

  Engine& engine_;
  Ran ran_;
  Setup wanted_;
  Selection at_;
  UndoList undo_;
  std::string text_, view_id_ = "attention";
  SnapshotPtr continuation_;  // last step that belongs to text_ and holds generated tokens
  bool dark_ = true;
};

/// Gives a widget a word that follows the language: label, button, action.
template <class W>
void worded(Stage& stage, W* widget, Word word) {
  const auto set = [widget, word] { widget->setText(said(word)); };
  set();
  QObject::connect(&stage, &Stage::language_changed, widget, set);
}

}  // namespace cutaway
