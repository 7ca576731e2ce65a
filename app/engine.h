// The engine thread: the one QObject around it. Widgets send commands, which are data; they get snapshots back. No call
// of the engine runs on the UI thread, and no lock is held while anything is drawn.
//
//   engine.send(Tag{"text"}, Read{"The key"});     // replaces a waiting one of the same tag: the latest wins
//   engine.send(StepForward{});                    // no tag: every one runs
//   connect(&engine, &Engine::snapshot_ready, ...)
#pragma once

#include <QObject>
#include <QString>
#include <QTimer>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <variant>

#include "engine/session.h"

namespace cutaway {

/// What runs, as the switch bar shows it. A change of it can be undone by sending the Setup that was there before.
struct Setup {
  std::string model;         // a bundled name, a blueprint, a folder, or a trace file
  OpenOptions options;       // dtype, attention, random seed; `mask` stays empty, see below
  DType cache = DType::F32;  // storage of keys and values
  std::string backend = "auto";
  int threads = 0;               // 0: all of the machine's
  std::optional<MaskRule> mask;  // nothing: as the checkpoint was trained

  /// Whether going from one to the other needs a new session; a mask alone does not.
  bool same_model(const Setup&) const;
  bool operator==(const Setup&) const;
};

/// Builds a session beside the running one and swaps when it has read the text. `before`: the step whose generated
/// tokens and position are to be kept; may be null.
struct Load {
  Setup setup;
  std::string text;
  SnapshotPtr before;
};
struct Read {
  std::string text;
};
struct StepForward {
  int64_t count = 1;
};
struct GoTo {
  int64_t step = 0;
};  // 0 is the prompt's end; beyond the last known step: that one
struct SetMask {
  std::optional<MaskRule> rule;
};  // for every slot; nothing: as trained
struct Replace {
  int64_t position = 0;
  int32_t id = 0;
};
struct MaskAt {
  int64_t position = 0;
};
struct Score {};  // fills the surprisal of every token
struct SetSampling {
  Sampling sampling;
};
using Command = std::variant<Load, Read, StepForward, GoTo, SetMask, Replace, MaskAt, Score, SetSampling>;

struct Tag {
  std::string name;  // empty: never replaced
};

/// What a live switch of the attention cost: the model as loaded, and as it runs now.
struct SwitchCost {
  double perplexity_before = 0, perplexity = 0;  // on assets/held-out.txt, of its first `tokens` tokens
  int64_t tokens = 0;                            // 0: nothing could be scored
  double cache_before = 0, cache = 0;            // bytes of `context` tokens, by law
  int64_t context = 0;
};

/// What the UI knows about the engine: replaced whole, never changed.
struct Ran {
  SnapshotPtr step;
  Setup setup;       // that made it
  std::string text;  // that was asked for; a model without steps may have read generated words after it
  int64_t step_now = 0, steps_known = 0;
  std::optional<SwitchCost> switch_cost;
  bool can_step = false;     // generates tokens
  bool loaded = false;       // first snapshot of a new session
  bool text_edited = false;  // a token was replaced, so `text` is not what was sent
};

class Engine : public QObject {
  Q_OBJECT

 public:
  explicit Engine(QObject* parent = nullptr);
  ~Engine() override;  // cancels what runs and waits for it

  void send(Command command) { send(Tag{}, std::move(command)); }
  void send(Tag, Command);
  /// Ends what runs now; the state before it stays.
  void cancel();
  bool busy() const;

 signals:
  void snapshot_ready(const cutaway::Ran&);
  /// One sentence; what ran before is unharmed. `setup` is what was asked for, when it was a load.
  void failed(const QString& sentence);
  void load_failed(const cutaway::Setup& setup, const QString& sentence);
  /// While something runs, ten times a second; fraction 1 ends it.
  void progress(float fraction, bool loading);

 private:
  struct Running;  // a session, or a trace, and how it was asked for
  struct Swap {
    std::shared_ptr<Running> running;
  };
  struct Job {
    std::string tag;
    std::variant<Command, Swap> what;
  };

  void work();  // engine thread
  void load();  // loader thread
  void run(Running&, const Command&, Progress&);
  Result<std::shared_ptr<Running>> build(const Load&, Progress&) const;
  static Result<SnapshotPtr> edited(Running&, Result<SnapshotPtr>);
  void tell(const Running&, bool loaded, bool text_edited = false);

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  std::optional<Load> wanted_;                   // the next load
  std::shared_ptr<Progress> working_, loading_;  // of what runs now; null: nothing
  std::string working_tag_;
  bool ending_ = false;
  Sampling sampling_;  // engine thread only
  QTimer ticker_;
  std::thread worker_, loader_;
};

}  // namespace cutaway

Q_DECLARE_METATYPE(cutaway::Ran)
Q_DECLARE_METATYPE(cutaway::Setup)
