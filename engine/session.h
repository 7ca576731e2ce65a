// A running model: tokens so far, forward, back, sampled or edited. One thread at a time; every call that succeeds gives
// the snapshot that the eyes may read, every call that fails leaves the session as it was.
//
//   auto session = Session::start(model, backend);
//   SnapshotPtr s = *session->read("The key to the old doors");
//   s = *session->step({});      // one token more
//   s = *session->back(1);       // and back: the same bits as before
#pragma once

#include "engine/snapshot.h"

namespace cutaway {

/// temperature 0 is greedy. Cuts: the top_k best, then the smallest set with mass top_p.
struct Sampling {
  float temperature = 0;
  int64_t top_k = 0;      // 0: no cut
  float top_p = 1;
  uint64_t seed = 0;      // with the position it fixes the draw: going back and on again gives the same token

  /// "greedy" or "temperature=0.8,top_k=40,top_p=0.95,seed=1".
  static Result<Sampling> parse(std::string_view);
  bool operator==(const Sampling&) const = default;
};

class Session {
 public:
  /// record: what to keep for the views, as node paths with * ("layers.*.attn.q"); attention's q and lse always are.
  static Result<std::unique_ptr<Session>> start(ModelPtr, std::shared_ptr<Backend>);

  Result<SnapshotPtr> read(std::string_view text, Progress* = nullptr);          // with special tokens
  Result<SnapshotPtr> read_ids(std::vector<int32_t> ids, std::string text = {}, Progress* = nullptr);
  Result<SnapshotPtr> step(const Sampling&, Progress* = nullptr);                // generate one token
  Result<SnapshotPtr> append(int32_t id, Progress* = nullptr);                   // or say which
  Result<SnapshotPtr> back(int64_t tokens);      // at most to the end of the prompt
  /// To a step that was already run: 0 is the prompt's end. Steps ahead of the present one are kept until a new token
  /// takes another way.
  Result<SnapshotPtr> to(int64_t step);
  int64_t step_now() const;                      // generated tokens in the present snapshot
  int64_t steps_known() const;                   // furthest recorded step
  Result<SnapshotPtr> replace(int64_t position, int32_t id, Progress* = nullptr);  // edit; runs again from there
  Result<SnapshotPtr> mask_position(int64_t position, Progress* = nullptr);        // MLM: put the mask token there
  Result<SnapshotPtr> set_mask(int slot, MaskRule, Progress* = nullptr);           // runs again
  Result<SnapshotPtr> set_taps(Taps, Progress* = nullptr);                         // compiles and runs again
  /// Fills Snapshot::surprisal_bits; separate because it costs one head row a token.
  Result<SnapshotPtr> score(Progress* = nullptr);
  /// Logits of any position, (V).
  Result<std::vector<float>> logits_at(int64_t position);

  SnapshotPtr now() const { return now_; }
  const ModelPtr& model() const { return model_; }
  const std::shared_ptr<Backend>& backend() const { return backend_; }

 private:
  Session() = default;
  Result<SnapshotPtr> run_all(std::vector<int32_t> ids, int64_t n_prompt, std::string text, Progress*);
  Result<void> finish(Snapshot&, Output&);

  ModelPtr model_;
  std::shared_ptr<Backend> backend_;
  std::unique_ptr<Plan> plan_;
  Taps taps_;
  std::vector<MaskRule> masks_;
  SnapshotPtr now_;
  std::vector<SnapshotPtr> known_;   // by step; known_[0] is the prompt's end
};

/// log softmax of one row, in place of the caller's own: natural log, computed in double.
std::vector<TokenChoice> best_choices(std::span<const float> logits, size_t n);
/// The token that a sampler takes at that position.
TokenChoice sample(std::span<const float> logits, const Sampling&, int64_t position);

}  // namespace cutaway
