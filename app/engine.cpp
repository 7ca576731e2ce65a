#include "app/engine.h"

#include <algorithm>
#include <cmath>
#include <exception>

#include "app/assets.h"
#include "app/cli/library.h"
#include "engine/files/bounded_reader.h"
#include "engine/trace.h"

namespace cutaway {
namespace {

template <class... F>
struct overloaded : F... {
  using F::operator()...;
};

QString text_of(const Error& why) { return QString::fromStdString(why.text); }

/// Runs something that may throw (memory, a library's surprise) and turns that into a sentence: nothing leaves a
/// thread.
template <class F>
auto guarded(F work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return machine_error("there is not enough memory for this");
  } catch (const std::exception& why) {
    return Error{why.what(), Fault::Ours};
  }
}

constexpr int64_t scored_tokens = 256;  // enough to tell kinds apart, little enough for a large model

/// 2 to the mean surprisal in bits of those ids but the first.
Result<double> perplexity(const ModelPtr& model, const std::shared_ptr<Backend>& backend,
                          const std::vector<int32_t>& ids, Progress& progress) {
  auto session = Session::start(model, backend);
  if (!session) return session.error();
  if (auto read = (*session)->read_ids(ids, {}, &progress); !read) return read.error();
  const auto scored = (*session)->score(&progress);
  if (!scored) return scored.error();
  double bits = 0;
  for (size_t i = 1; i < ids.size(); ++i) bits += (*scored)->surprisal_bits[i];
  return std::exp2(bits / static_cast<double>(ids.size() - 1));
}

double cache_bytes(const Graph& graph, int64_t tokens) {
  double bytes = 0;
  for (const Node& node : graph.nodes)
    if (node.op == Op::cache)
      bytes += static_cast<double>(row_width(node) * row_axis(node).at(0, tokens)) * sizeof(float);
  return bytes;
}

/// Both models on the same text. What can't be scored (no tokenizer, no text) leaves the figures of the cache.
SwitchCost cost_of_switch(const ModelPtr& model, const std::shared_ptr<Backend>& backend, Progress& progress) {
  const ModelPtr& before = model->switched_from;
  SwitchCost cost{.context = model->spec.n_ctx};
  cost.cache_before = cache_bytes(*before->graph, cost.context);
  cost.cache = cache_bytes(*model->graph, cost.context);
  const std::string file = asset("held-out.txt");
  if (file.empty() || !model->tokenizer || model->spec.objective != Objective::CausalLm) return cost;
  const auto text = read_text_file(file, 1 << 20);
  if (!text) return cost;
  auto ids = model->tokenizer->encode(*text, true);
  if (!ids || ids->ids.size() < 2) return cost;
  ids->ids.resize(std::min<size_t>(ids->ids.size(), static_cast<size_t>(std::min(scored_tokens, cost.context))));
  const auto was = perplexity(before, backend, ids->ids, progress), is = perplexity(model, backend, ids->ids, progress);
  if (!was || !is) return cost;
  cost.perplexity_before = *was;
  cost.perplexity = *is;
  cost.tokens = static_cast<int64_t>(ids->ids.size());
  return cost;
}

}  // namespace

bool Setup::same_model(const Setup& o) const {
  return model == o.model && options.dtype == o.options.dtype && options.random_seed == o.options.random_seed &&
         options.attention == o.options.attention && cache == o.cache && backend == o.backend && threads == o.threads;
}

bool Setup::operator==(const Setup& o) const { return same_model(o) && mask == o.mask; }

struct Engine::Running {
  Setup setup;
  std::string text;
  std::unique_ptr<Session> session;  // null: a trace
  SnapshotPtr trace;
  std::vector<MaskRule> trained;  // the checkpoint's masks, by slot
  std::optional<SwitchCost> switch_cost;

  SnapshotPtr now() const { return session ? session->now() : trace; }
};

/// The prompt as a person would type it: without the special tokens that a tokenizer puts around it.
std::string typed_text(const Snapshot& step) {
  const Tokenizer* words = step.model->tokenizer.get();
  if (!words) return step.text;
  std::span<const int32_t> ids(step.ids.data(), static_cast<size_t>(step.n_prompt));
  const SpecialIds special = words->specials();
  if (!ids.empty() && ids.front() == special.cls) ids = ids.subspan(1);
  if (!ids.empty() && ids.back() == special.sep) ids = ids.first(ids.size() - 1);
  return words->decode(ids);
}

Engine::Engine(QObject* parent) : QObject(parent) {
  qRegisterMetaType<Ran>();
  qRegisterMetaType<Setup>();
  ticker_.setInterval(100);
  connect(&ticker_, &QTimer::timeout, this, [this] {
    float fraction = 1;
    bool loading = false, active = false;
    {
      const std::lock_guard lock(mutex_);
      loading = loading_ != nullptr || wanted_.has_value();
      active = loading || working_ || !jobs_.empty();
      if (loading_)
        fraction = loading_->fraction;
      else if (active)
        fraction = working_ ? working_->fraction.load() : 0;
    }
    if (!active) ticker_.stop();
    emit progress(active ? std::min(fraction, 0.99f) : 1, loading);
  });
  worker_ = std::thread([this] { work(); });
  loader_ = std::thread([this] { load(); });
}

Engine::~Engine() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    if (working_) working_->cancelled = true;
    if (loading_) loading_->cancelled = true;
  }
  wake_.notify_all();
  worker_.join();
  loader_.join();
}

void Engine::send(Tag tag, Command command) {
  {
    const std::lock_guard lock(mutex_);
    if (auto* asked = std::get_if<Load>(&command)) {
      wanted_ = std::move(*asked);
      if (loading_) loading_->cancelled = true;
    } else {
      // Scores are a luxury: anything else goes first. A newer text makes the running one worthless.
      const bool outdated = !tag.name.empty() && working_tag_ == tag.name;
      if (working_ && (working_tag_ == "score" || outdated)) working_->cancelled = true;
      std::erase_if(jobs_,
                    [&](const Job& job) { return !job.tag.empty() && (job.tag == tag.name || job.tag == "score"); });
      jobs_.push_back({std::move(tag.name), std::move(command)});
    }
  }
  wake_.notify_all();
  if (!ticker_.isActive()) ticker_.start();
}

void Engine::cancel() {
  const std::lock_guard lock(mutex_);
  wanted_.reset();
  if (loading_) loading_->cancelled = true;
  if (working_) working_->cancelled = true;
}

bool Engine::busy() const {
  const std::lock_guard lock(mutex_);
  return working_ || loading_ || wanted_ || !jobs_.empty();
}

void Engine::work() {
  std::shared_ptr<Running> running;
  for (;;) {
    Job job;
    auto progress = std::make_shared<Progress>();
    {
      std::unique_lock lock(mutex_);
      working_.reset();
      working_tag_.clear();
      wake_.wait(lock, [&] { return ending_ || !jobs_.empty(); });
      if (ending_) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
      working_ = progress;
      working_tag_ = job.tag;
    }
    if (auto* swap = std::get_if<Swap>(&job.what)) {
      running = std::move(swap->running);
      tell(*running, true);
    } else if (running) {
      run(*running, std::get<Command>(job.what), *progress);
    } else if (const auto* sampling = std::get_if<SetSampling>(&std::get<Command>(job.what))) {
      sampling_ = sampling->sampling;
    }
  }
}

void Engine::load() {
  for (;;) {
    Load asked;
    auto progress = std::make_shared<Progress>();
    {
      std::unique_lock lock(mutex_);
      loading_.reset();
      wake_.wait(lock, [&] { return ending_ || wanted_; });
      if (ending_) return;
      asked = std::move(*wanted_);
      wanted_.reset();
      loading_ = progress;
    }
    auto made = guarded([&] { return build(asked, *progress); });
    if (progress->cancelled) continue;  // somebody wanted another one meanwhile
    if (!made) {
      emit load_failed(asked.setup, text_of(made.error()));
      continue;
    }
    {
      const std::lock_guard lock(mutex_);
      jobs_.push_back({{}, Swap{std::move(*made)}});
    }
    wake_.notify_all();
  }
}

Result<std::shared_ptr<Engine::Running>> Engine::build(const Load& asked, Progress& progress) const {
  auto running = std::make_shared<Running>();
  running->setup = asked.setup;
  running->text = asked.text;
  if (asked.setup.model.ends_with(".safetensors")) {  // a recorded trace: a step without weights
    auto trace = read_trace(asked.setup.model);
    if (!trace) return trace.error();
    running->trace = *trace;
    running->text = (*trace)->text;
    return running;
  }
  auto backend = choose_backend(asked.setup.backend, asked.setup.threads);
  if (!backend) return backend.error();
  OpenOptions options = asked.setup.options;
  options.blocks = (*backend)->runs_blocks();
  auto model = open_named(asked.setup.model, options, &progress);
  if (!model) return model.error();
  auto session = Session::start(*model, *backend, {.cache = asked.setup.cache});
  if (!session) return session.error();
  running->session = std::move(*session);
  running->trained = (*model)->spec.masks;
  Session& s = *running->session;

  const Snapshot* before = asked.before.get();
  const int64_t generated = before ? before->positions() - before->n_prompt : 0;
  const bool steps = (*model)->spec.objective == Objective::CausalLm;
  std::string text = asked.text;
  const std::span<const int32_t> more =
      generated > 0 ? std::span(before->ids).last(static_cast<size_t>(generated)) : std::span<const int32_t>{};
  const auto words = [&](const Model& m) { return m.tokenizer ? m.tokenizer->decode(more) : std::string(); };
  if (generated > 0 && !steps) text += words(*before->model);  // the same words, read at once
  Result<SnapshotPtr> done = (*model)->tokenizer ? s.read(text, &progress) : s.read_ids({0}, text, &progress);
  if (!done) return done.error();
  if (generated > 0 && steps && words(*before->model) == words(**model))
    for (size_t i = 0; i < more.size() && done; ++i) done = s.append(more[i], &progress);
  if (!done) return done.error();
  if (asked.setup.mask)
    for (const int slot : (*model)->graph->own_mask_slots())
      if (done = s.set_mask(slot, *asked.setup.mask, &progress); !done) return done.error();
  if ((*model)->switched_from) running->switch_cost = cost_of_switch(*model, *backend, progress);
  return running;
}

Result<SnapshotPtr> Engine::edited(Running& running, Result<SnapshotPtr> done) {
  if (done) running.text = typed_text(**done);
  return done;
}

void Engine::run(Running& running, const Command& command, Progress& progress) {
  if (const auto* set = std::get_if<SetSampling>(&command)) {
    sampling_ = set->sampling;
    return;
  }
  if (!running.session) return;  // a trace has no weights; the window doesn't offer what needs them
  Session& s = *running.session;
  using Answer = Result<SnapshotPtr>;
  const Answer answer = guarded([&] {
    return std::visit(
        overloaded{
            [&](const Load&) -> Answer { return s.now(); },
            [&](const SetSampling&) -> Answer { return s.now(); },
            [&](const Read& read) -> Answer {
              Answer done = s.read(read.text, &progress);
              if (done) running.text = read.text;
              return done;
            },
            [&](const StepForward& step) -> Answer {
              Answer done = s.now();
              for (int64_t i = 0; i < step.count && done; ++i) {
                if (i > 0) tell(running, false);
                done = s.step_now() < s.steps_known() ? s.to(s.step_now() + 1) : s.step(sampling_, &progress);
              }
              return done;
            },
            [&](const GoTo& to) -> Answer { return s.to(std::clamp<int64_t>(to.step, 0, s.steps_known())); },
            [&](const SetMask& set) -> Answer {
              Answer done = s.now();
              for (size_t slot = 0; slot < running.trained.size() && done; ++slot)
                done = s.set_mask(static_cast<int>(slot), set.rule.value_or(running.trained[slot]), &progress);
              if (done) running.setup.mask = set.rule;
              return done;
            },
            [&](const Replace& edit) -> Answer {
              return edited(running, s.replace(edit.position, edit.id, &progress));
            },
            [&](const MaskAt& at) -> Answer { return edited(running, s.mask_position(at.position, &progress)); },
            [&](const Score&) -> Answer { return s.score(&progress); },
        },
        command);
  });
  if (answer)
    return tell(running, false, std::holds_alternative<Replace>(command) || std::holds_alternative<MaskAt>(command));
  if (!progress.cancelled && !std::holds_alternative<Score>(command)) emit failed(text_of(answer.error()));
}

void Engine::tell(const Running& running, bool loaded, bool text_edited) {
  Ran ran{running.now(), running.setup, running.text};
  if (running.session) {
    ran.step_now = running.session->step_now();
    ran.steps_known = running.session->steps_known();
    ran.can_step = running.session->model()->spec.objective == Objective::CausalLm;
  }
  ran.switch_cost = running.switch_cost;
  ran.loaded = loaded;
  ran.text_edited = text_edited;
  emit snapshot_ready(ran);
}

}  // namespace cutaway
