#include "engine/session.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <limits>

namespace cutaway {
namespace {

constexpr size_t n_best = 40;       // kept for the view of the distribution
constexpr size_t n_fills = 10;      // kept per masked position
constexpr int64_t head_block = 64;  // rows of logits made at a time when every position is scored

std::string shown(const Model& model, int32_t id) {
  return model.tokenizer && id < model.tokenizer->size() ? model.tokenizer->piece(id) : std::to_string(id);
}

/// What the model thought of the token that comes next.
void note_choice(Snapshot& step, int32_t id) {
  if (!step.logits.empty()) step.chosen.push_back({id, log_probability(step.logits, id)});
}

uint64_t next_serial() {
  static std::atomic<uint64_t> serial{0};
  return ++serial;
}

}  // namespace

Result<std::unique_ptr<Session>> Session::start(ModelPtr model, std::shared_ptr<Backend> backend,
                                                const SessionOptions& options) {
  if (!backend->caches_as(options.cache))
    return machine_error("{} keeps no {} cache; fp32 is possible", backend->info().name,
                         cache_dtype_name(options.cache));
  if (auto fits = check_cache(*model->graph, options.cache); !fits) return fits.error();
  std::unique_ptr<Session> session(new Session);
  session->options_ = options;
  session->taps_ = default_taps(*model->graph);
  session->masks_ = model->spec.masks;
  auto plan = backend->compile(model, session->taps_);
  if (!plan) return plan.error();
  session->plan_ = std::move(*plan);
  session->model_ = std::move(model);
  session->backend_ = std::move(backend);
  return session;
}

int64_t Session::usable_vocab() const {
  const int64_t rows = model_->spec.vocab_size;
  return model_->tokenizer ? std::min(rows, model_->tokenizer->size()) : rows;
}

Result<void> Session::check(const std::vector<int32_t>& ids) const {
  const ModelSpec& spec = model_->spec;
  if (ids.empty()) return error("{}: the text is empty; it needs at least one token", model_->name);
  if (static_cast<int64_t>(ids.size()) > spec.n_ctx)
    return error("{}: the text has {} tokens; the model reads at most {}", model_->name, ids.size(), spec.n_ctx);
  for (size_t i = 0; i < ids.size(); ++i)
    if (ids[i] < 0 || ids[i] >= spec.vocab_size)
      return error("{}: id {} at position {} is out of range; vocab_size is {}", model_->name, ids[i], i,
                   spec.vocab_size);
  return {};
}

Result<SnapshotPtr> Session::pass(Snapshot next, int64_t past, Plan& plan, Progress* progress) const {
  const auto started = std::chrono::steady_clock::now();
  const int64_t end = next.positions();
  Feed feed{.ids = std::span(next.ids).subspan(static_cast<size_t>(past)),
            .source = past == 0 ? std::span<const int32_t>(next.source_ids) : std::span<const int32_t>(),
            .source_tokens = static_cast<int64_t>(next.source_ids.size()),
            .past = past,
            .masks = next.masks,
            .progress = progress};
  if (model_->graph->logits != no_node && model_->spec.objective == Objective::CausalLm)
    feed.logits_begin = end - 1, feed.logits_end = end;
  Output out;
  if (auto ran = plan.run(feed, next.state, next.recording, out); !ran) return ran.error();
  next.pass_tokens = end - past;
  if (auto described = describe(next, out, plan); !described) return described.error();
  next.pass_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - started).count();
  return std::make_shared<const Snapshot>(std::move(next));
}

Result<void> Session::describe(Snapshot& step, Output& out, Plan& plan) const {
  const auto not_finite = [&](std::span<const float> values) {
    return std::ranges::any_of(values, [](float value) { return !std::isfinite(value); });
  };
  const auto refusal = [&](std::string_view what, int64_t position) {
    return error("{}: {} at position {} holds NaN or infinite values; expected finite ones from its weights",
                 model_->name, what, position);
  };
  if (not_finite(out.logits)) return refusal("the logits row", step.positions() - 1);
  if (not_finite(out.pooled)) return refusal("the embedding", 0);
  step.logits = std::move(out.logits);
  step.pooled = std::move(out.pooled);
  step.node_ms = std::move(out.node_ms);
  step.best.clear();
  step.fills.clear();
  step.surprisal_bits.clear();
  while (step.source_pieces.size() < step.source_ids.size())
    step.source_pieces.push_back(shown(*model_, step.source_ids[step.source_pieces.size()]));
  while (step.pieces.size() < step.ids.size()) step.pieces.push_back(shown(*model_, step.ids[step.pieces.size()]));
  const auto usable = static_cast<size_t>(usable_vocab());
  if (!step.logits.empty()) {
    const auto logits = std::span<const float>(step.logits).first(usable);
    step.best = best_choices(logits, n_best);
    step.entropy_bits = entropy_bits(logits);
  }
  if (model_->spec.objective == Objective::MaskedLm && model_->tokenizer && model_->graph->logits != no_node) {
    const int32_t mask = model_->tokenizer->specials().mask;
    std::vector<float> logits(static_cast<size_t>(model_->spec.vocab_size));
    for (int64_t i = 0; i < step.positions(); ++i) {
      if (step.ids[static_cast<size_t>(i)] != mask) continue;
      if (auto made = plan.head(step.recording.at(model_->graph->last_hidden), i, i + 1, logits.data()); !made)
        return made;
      if (not_finite(logits)) return refusal("the logits row", i);
      step.fills.push_back({i, best_choices(std::span<const float>(logits).first(usable), n_fills)});
    }
  }
  step.arena_bytes = backend_->arena()->live_bytes();
  step.serial = next_serial();
  return {};
}

bool Session::may_append(const std::vector<MaskRule>& masks, int64_t past) const {
  return std::ranges::all_of(model_->graph->own_mask_slots(),
                             [&](int slot) { return masks[static_cast<size_t>(slot)].may_append(past); });
}

void Session::empty(Snapshot& step, const Taps& taps) const {
  step.state = empty_state(*model_->graph, backend_->arena(), options_.cache);
  step.recording = empty_recording(*model_->graph, taps, backend_->arena(), options_.cache);
}

Session::Texts Session::texts_now() const { return {now()->source_ids, now()->ids, now()->n_prompt, now()->text}; }

Result<Session::Steps> Session::replay(const Texts& texts, const std::vector<MaskRule>& masks, Plan& plan,
                                       const Taps& taps, Progress* progress) const {
  if (auto checked = check(texts.ids); !checked) return checked.error();
  if (model_->spec.encoder_decoder())
    if (auto checked = check(texts.source); !checked) return checked.error();
  Snapshot first;
  first.model = model_;
  first.backend = backend_;
  first.backend_name = backend_->info().name;
  first.text = texts.text;
  first.n_prompt = texts.n_prompt;
  first.masks = masks;
  first.source_ids = texts.source;
  first.ids.assign(texts.ids.begin(), texts.ids.begin() + texts.n_prompt);
  empty(first, taps);
  auto step = pass(std::move(first), 0, plan, progress);
  if (!step) return step.error();
  Steps steps{*step};
  for (int64_t i = texts.n_prompt; i < static_cast<int64_t>(texts.ids.size()); ++i) {
    Snapshot next = *steps.back();
    note_choice(next, texts.ids[static_cast<size_t>(i)]);
    next.ids.push_back(texts.ids[static_cast<size_t>(i)]);
    const bool appends = may_append(masks, i);
    if (!appends) empty(next, taps);
    step = pass(std::move(next), appends ? i : 0, plan, progress);
    if (!step) return step.error();
    steps.push_back(*step);
  }
  return steps;
}

SnapshotPtr Session::become(Steps steps) {
  known_ = std::move(steps);
  at_ = known_.size() - 1;
  return now();
}

Result<SnapshotPtr> Session::read(std::string_view text, Progress* progress) {
  if (!model_->tokenizer)
    return error("{}: there is no tokenizer.json to read text with; ids can be given", model_->name);
  auto encoded = model_->tokenizer->encode(text, true);
  if (!encoded) return encoded.error();
  if (text.empty()) return check({}).error();
  return read_ids(std::move(encoded->ids), std::string(text), progress);
}

Result<SnapshotPtr> Session::read_ids(std::vector<int32_t> ids, std::string text, Progress* progress) {
  if (model_->spec.encoder_decoder())
    return read_pair(std::move(ids), {static_cast<int32_t>(model_->spec.decoder_start_id)}, std::move(text), progress);
  return read_pair({}, std::move(ids), std::move(text), progress);
}

Result<SnapshotPtr> Session::read_pair(std::vector<int32_t> source, std::vector<int32_t> ids, std::string text,
                                       Progress* progress) {
  assert(source.empty() || model_->spec.encoder_decoder());
  const auto n_prompt = static_cast<int64_t>(ids.size());
  auto steps = replay({std::move(source), std::move(ids), n_prompt, std::move(text)}, masks_, *plan_, taps_, progress);
  if (!steps) return steps.error();
  return become(std::move(*steps));
}

Result<SnapshotPtr> Session::step(const Sampling& how, Progress* progress) {
  assert(now());
  if (now()->logits.empty())
    return error("{}: this model predicts no next token; only a causal language model steps forward", model_->name);
  const auto logits = std::span<const float>(now()->logits).first(static_cast<size_t>(usable_vocab()));
  return append(sample(logits, how, now()->positions()).id, progress);
}

Result<SnapshotPtr> Session::append(int32_t id, Progress* progress) {
  assert(now());
  if (at_ + 1 < known_.size() && known_[at_ + 1]->ids.back() == id) return known_[++at_];  // the way taken before
  const Snapshot& from = *now();
  std::vector<int32_t> ids = from.ids;
  ids.push_back(id);
  if (auto checked = check(ids); !checked) return checked.error();
  Snapshot next = from;
  note_choice(next, id);
  next.ids = std::move(ids);
  const bool appends = may_append(masks_, from.positions());
  if (!appends) empty(next, taps_);  // old rows would see the new token: everything runs again
  auto made = pass(std::move(next), appends ? from.positions() : 0, *plan_, progress);
  if (!made) return made;
  known_.resize(at_ + 1);
  known_.push_back(*made);
  ++at_;
  return now();
}

Result<SnapshotPtr> Session::back(int64_t tokens) { return to(step_now() - tokens); }

Result<SnapshotPtr> Session::to(int64_t step) {
  if (step < 0 || step > steps_known()) return error("step is {}; the recorded steps are 0 to {}", step, steps_known());
  at_ = static_cast<size_t>(step);
  return now();
}

Result<SnapshotPtr> Session::replace(int64_t position, int32_t id, Progress* progress) {
  assert(now());
  Texts texts = texts_now();
  std::vector<int32_t>& ids = texts.ids;
  if (position < 0 || position >= static_cast<int64_t>(ids.size()))
    return error("position is {}; the text has {} tokens", position, ids.size());
  ids[static_cast<size_t>(position)] = id;
  if (model_->tokenizer && texts.source.empty()) texts.text = model_->tokenizer->decode(ids);
  auto steps = replay(texts, masks_, *plan_, taps_, progress);
  if (!steps) return steps.error();
  return become(std::move(*steps));
}

Result<SnapshotPtr> Session::mask_position(int64_t position, Progress* progress) {
  const int32_t mask = model_->tokenizer ? model_->tokenizer->specials().mask : -1;
  if (mask < 0) return error("{}: its tokenizer has no mask token", model_->name);
  return replace(position, mask, progress);
}

Result<SnapshotPtr> Session::set_mask(int slot, MaskRule rule, Progress* progress) {
  assert(slot >= 0 && slot < static_cast<int>(masks_.size()));
  std::vector<MaskRule> masks = masks_;
  masks[static_cast<size_t>(slot)] = std::move(rule);
  if (now()) {
    auto steps = replay(texts_now(), masks, *plan_, taps_, progress);
    if (!steps) return steps.error();
    become(std::move(*steps));
  }
  masks_ = std::move(masks);
  return now();
}

Result<SnapshotPtr> Session::set_taps(Taps taps, Progress* progress) {
  const Taps always = default_taps(*model_->graph);
  taps.insert(always.begin(), always.end());
  auto plan = backend_->compile(model_, taps);
  if (!plan) return plan.error();
  if (now()) {
    auto steps = replay(texts_now(), masks_, **plan, taps, progress);
    if (!steps) return steps.error();
    become(std::move(*steps));
  }
  plan_ = std::move(*plan);
  taps_ = std::move(taps);
  return now();
}

Result<void> Session::logits(int64_t begin, int64_t end, float* out) {
  assert(now() && begin >= 0 && begin <= end && end <= now()->positions());
  if (model_->graph->logits == no_node) return error("{}: the model has no output head", model_->name);
  return plan_->head(now()->recording.at(model_->graph->last_hidden), begin, end, out);
}

Result<SnapshotPtr> Session::score(Progress* progress) {
  assert(now());
  const auto V = static_cast<size_t>(model_->spec.vocab_size);
  Snapshot scored = *now();
  scored.surprisal_bits.assign(scored.ids.size(), std::numeric_limits<float>::quiet_NaN());
  if (model_->graph->logits != no_node && model_->spec.objective == Objective::CausalLm) {
    std::vector<float> rows(V * head_block);
    for (int64_t begin = 0; begin + 1 < scored.positions(); begin += head_block) {
      if (progress && progress->cancelled) return Error{"cancelled", Fault::Ours};
      const int64_t end = std::min(begin + head_block, scored.positions() - 1);
      if (auto made = logits(begin, end, rows.data()); !made) return made.error();
      for (int64_t i = begin; i < end; ++i) {
        const auto row = std::span<const float>(rows).subspan(static_cast<size_t>(i - begin) * V, V);
        const int32_t next = scored.ids[static_cast<size_t>(i) + 1];
        scored.surprisal_bits[static_cast<size_t>(i) + 1] = -log_probability(row, next) / std::log(2.f);
      }
    }
  }
  known_[at_] = std::make_shared<const Snapshot>(std::move(scored));
  return now();
}

}  // namespace cutaway
