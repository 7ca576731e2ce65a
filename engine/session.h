// A running model: tokens so far, forward, back, sampled or edited. One thread at a time; every call that succeeds
// gives the snapshot that the eyes may read, every call that fails leaves the session as it was.
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
  int64_t top_k = 0;  // 0: no cut
  float top_p = 1;
  uint64_t seed = 0;  // with the position it fixes the draw: going back and on again gives the same token

  /// "greedy" or "temperature=0.8,top_k=40,top_p=0.95,seed=1".
  static Result<Sampling> parse(std::string_view);
  bool operator==(const Sampling&) const = default;
};

struct SessionOptions {
  DType cache = DType::F32;  // what keys and values are stored as: F32, F16, BF16, F8_E4M3, Q8_0 or Q4_0
};

class Session {
 public:
  /// Records default_taps(); set_taps adds to them. Refuses a cache that the backend or the heads' widths don't allow.
  static Result<std::unique_ptr<Session>> start(ModelPtr, std::shared_ptr<Backend>, const SessionOptions& = {});

  /// With special tokens. An encoder-decoder's encoder reads it; its decoder begins with the start token.
  Result<SnapshotPtr> read(std::string_view text, Progress* = nullptr);
  Result<SnapshotPtr> read_ids(std::vector<int32_t> ids, std::string text = {}, Progress* = nullptr);
  /// Encoder-decoder: both texts. The decoder's ids begin with its start token.
  Result<SnapshotPtr> read_pair(std::vector<int32_t> source, std::vector<int32_t> ids, std::string text = {},
                                Progress* = nullptr);
  Result<SnapshotPtr> step(const Sampling&, Progress* = nullptr);  // generate one token
  Result<SnapshotPtr> append(int32_t id, Progress* = nullptr);     // or say which
  Result<SnapshotPtr> back(int64_t tokens);                        // at most to the end of the prompt
  /// To a step that was already run: 0 is the prompt's end. Steps ahead of the present one are kept until a new token
  /// takes another way.
  Result<SnapshotPtr> to(int64_t step);
  int64_t step_now() const { return static_cast<int64_t>(at_); }  // generated tokens in the present snapshot
  int64_t steps_known() const { return static_cast<int64_t>(known_.size()) - 1; }  // furthest; -1 before a text
  Result<SnapshotPtr> replace(int64_t position, int32_t id, Progress* = nullptr);  // edit; runs again from there
  Result<SnapshotPtr> mask_position(int64_t position, Progress* = nullptr);        // MLM: put the mask token there
  Result<SnapshotPtr> set_mask(int slot, MaskRule, Progress* = nullptr);           // runs again
  Result<SnapshotPtr> set_taps(Taps, Progress* = nullptr);                         // compiles and runs again
  /// Fills Snapshot::surprisal_bits; separate because it costs one head row a token.
  Result<SnapshotPtr> score(Progress* = nullptr);
  /// Logits of positions [begin, end), (end - begin, V), into out. Fails for a model without a head.
  Result<void> logits(int64_t begin, int64_t end, float* out);
  /// Ids below this can be sampled: rows of the embedding that pad it have no token.
  int64_t usable_vocab() const;

  SnapshotPtr now() const { return known_.empty() ? nullptr : known_[at_]; }
  const ModelPtr& model() const { return model_; }
  const std::shared_ptr<Backend>& backend() const { return backend_; }
  const SessionOptions& options() const { return options_; }

 private:
  using Steps = std::vector<SnapshotPtr>;
  struct Texts {
    std::vector<int32_t> source, ids;
    int64_t n_prompt = 0;
    std::string text;
  };

  Session() = default;
  /// The prompt in one pass, then each later id in one of its own, so that every step can be gone back to.
  Result<Steps> replay(const Texts&, const std::vector<MaskRule>& masks, Plan&, const Taps&, Progress*) const;
  /// Runs ids[begin.past ..) on top of what `begin` holds.
  Result<SnapshotPtr> pass(Snapshot begin, int64_t past, Plan&, Progress*) const;
  Result<void> describe(Snapshot&, Output&, Plan&) const;
  Result<void> check(const std::vector<int32_t>& ids) const;
  SnapshotPtr become(Steps);
  Texts texts_now() const;
  void empty(Snapshot&, const Taps&) const;  // nothing cached, nothing recorded
  bool may_append(const std::vector<MaskRule>& masks, int64_t past) const;

  ModelPtr model_;
  std::shared_ptr<Backend> backend_;
  SessionOptions options_;
  std::unique_ptr<Plan> plan_;
  Taps taps_;
  std::vector<MaskRule> masks_;
  Steps known_;    // by step; known_[0] is the prompt's end
  size_t at_ = 0;  // the present one
};

/// The n best of a row with their log-softmax (natural log, summed in double), best first, lower ids first on ties.
std::vector<TokenChoice> best_choices(std::span<const float> logits, size_t n);
/// Log-softmax of one id of a row: natural log, summed in double.
float log_probability(std::span<const float> logits, int32_t id);
/// Entropy of the softmax of a row.
float entropy_bits(std::span<const float> logits);
/// The token that a sampler takes for that position; its log-probability is the model's own, before temperature and
/// cuts.
TokenChoice sample(std::span<const float> logits, const Sampling&, int64_t position);

}  // namespace cutaway
