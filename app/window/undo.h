// Undo is the list of changes, each carrying the value that it replaced.
#pragma once

#include <QString>
#include <optional>
#include <vector>

#include "app/engine.h"

namespace cutaway {

struct Change {
  Setup before, after;
  QString name;  // "Mask: bidirectional"
};

class UndoList {
 public:
  /// Adds a change and forgets what was undone.
  void push(Change change) {
    changes_.resize(done_);
    changes_.push_back(std::move(change));
    done_ = changes_.size();
  }
  const Change* undo() { return done_ == 0 ? nullptr : &changes_[--done_]; }
  const Change* redo() { return done_ == changes_.size() ? nullptr : &changes_[done_++]; }
  /// Takes back the last change without a trace: the engine refused it.
  void drop_last() {
    if (done_ == 0) return;
    changes_.erase(changes_.begin() + static_cast<std::ptrdiff_t>(--done_));
  }
  const Change* next_undo() const { return done_ == 0 ? nullptr : &changes_[done_ - 1]; }
  const Change* next_redo() const { return done_ == changes_.size() ? nullptr : &changes_[done_]; }

 private:
  std::vector<Change> changes_;
  size_t done_ = 0;  // changes before this one are in force
};

}  // namespace cutaway
