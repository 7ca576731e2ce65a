#include "app/window/stage.h"

#include <algorithm>

namespace cutaway {

Stage::Stage(Engine& engine, QObject* parent) : QObject(parent), engine_(engine) {
  connect(&engine_, &Engine::snapshot_ready, this, &Stage::show, Qt::QueuedConnection);
  connect(&engine_, &Engine::load_failed, this, &Stage::refuse, Qt::QueuedConnection);
  connect(
      &engine_, &Engine::failed, this,
      [this](const QString& sentence) {
        wanted_.mask = ran_.setup.mask;  // a mask that could not run is not shown as running
        emit setup_changed();
        emit notice(sentence, true);
      },
      Qt::QueuedConnection);
}

void Stage::show(const Ran& ran) {
  const bool same_text = ran_.step && ran.step && ran_.step->ids == ran.step->ids;
  const bool playhead_was_last = !at_.token || (ran_.step && *at_.token == ran_.step->positions() - 1);
  ran_ = ran;
  if (!ran.step->backend || ran.text_edited) text_ = ran.text;  // a trace brings its own words
  if (ran.text_edited) continuation_.reset();
  if (ran.can_step && ran.text == text_)
    continuation_ = ran.step->positions() > ran.step->n_prompt ? ran.step : nullptr;
  if (!same_text && playhead_was_last) at_.token.reset();
  keep_selection_valid();
  if (ran.loaded) emit setup_changed();
  emit stepped();
  emit selection_changed();
  if (ran.step->backend && ran.text != text_)
    engine_.send(Tag{"text"}, Read{text_});  // typed while it loaded
  else if (ran.step->backend && ran.can_step && ran.step->surprisal_bits.empty())
    engine_.send(Tag{"score"}, Score{});
}

void Stage::refuse(const Setup& asked, const QString& sentence) {
  if (asked == wanted_) {
    const Change* last = undo_.next_undo();
    if (last && last->after == asked) undo_.drop_last();
    wanted_ = ran_.setup;
  }
  emit setup_changed();
  emit notice(sentence, true);
}

void Stage::open(const Setup& setup, const std::string& text) {
  text_ = text;
  wanted_ = setup;
  engine_.send(Load{setup, text_, nullptr});
  emit setup_changed();
}

void Stage::change(Setup setup, const QString& name) {
  if (setup == wanted_) return;
  undo_.push({wanted_, setup, name});
  apply(setup);
}

void Stage::apply(const Setup& setup) {
  const bool reload = !setup.same_model(wanted_);
  wanted_ = setup;
  if (reload)
    engine_.send(Load{setup, text_, continuation_});
  else
    engine_.send(Tag{"mask"}, SetMask{setup.mask});
  emit setup_changed();
}

void Stage::undo() {
  if (const Change* change = undo_.undo()) apply(change->before);
}

void Stage::redo() {
  if (const Change* change = undo_.redo()) apply(change->after);
}

MaskRule Stage::mask_now() const {
  if (wanted_.mask) return *wanted_.mask;
  if (!ran_.step) return {};
  const NodeId probs = ran_.step->graph().in(at_.block, Role::Probs);
  if (probs != no_node && ran_.setup.mask == wanted_.mask) return ran_.step->mask_of(probs);
  const auto& trained = ran_.step->model->spec.masks;
  return trained.empty() ? MaskRule{} : trained.front();
}

void Stage::set_mask(const MaskRule& rule) {
  if (!ran_.step) return;
  const auto& trained = ran_.step->model->spec.masks;
  Setup setup = wanted_;
  setup.mask = rule;
  if (std::ranges::all_of(trained, [&](const MaskRule& t) { return t == rule; })) setup.mask.reset();
  change(setup, said(Word::Mask));
}

void Stage::type(const std::string& text) {
  if (text == text_) return;
  text_ = text;
  continuation_.reset();
  at_.token.reset();
  at_.pins.clear();
  engine_.send(Tag{"text"}, Read{text});
}

int64_t Stage::playhead() const {
  if (!ran_.step) return 0;
  return std::clamp<int64_t>(at_.token.value_or(ran_.step->positions() - 1), 0, ran_.step->positions() - 1);
}

bool Stage::at_end() const {
  return ran_.step && playhead() == ran_.step->positions() - 1 && ran_.step_now == ran_.steps_known;
}

void Stage::move_playhead(int tokens) {
  if (!ran_.step) return;
  const int64_t to = playhead() + tokens, last = ran_.step->positions() - 1, prompt_end = ran_.step->n_prompt - 1;
  if (to > last) {
    at_.token.reset();
    if (ran_.can_step) engine_.send(StepForward{to - last});
  } else if (to >= prompt_end && ran_.can_step && playhead() == last && ran_.step_now > 0) {
    at_.token.reset();
    engine_.send(Tag{"time"}, GoTo{to - prompt_end});
  } else {
    at_.token = std::max<int64_t>(to, 0);
  }
  emit selection_changed();
}

void Stage::go_to_first() {
  at_.token.reset();
  if (ran_.step_now > 0)
    engine_.send(Tag{"time"}, GoTo{0});
  else if (ran_.step)
    at_.token = 0;
  emit selection_changed();
}

void Stage::go_to_last() {
  at_.token.reset();
  if (ran_.step_now < ran_.steps_known) engine_.send(Tag{"time"}, GoTo{ran_.steps_known});
  emit selection_changed();
}

std::vector<std::string> Stage::blocks() const {
  return ran_.step ? ran_.step->graph().blocks_with(Role::Probs) : std::vector<std::string>{};
}

int Stage::block_index() const {
  const auto all = blocks();
  const auto found = std::ranges::find(all, at_.block);
  return found == all.end() ? 0 : static_cast<int>(found - all.begin());
}

int64_t Stage::heads() const {
  if (!ran_.step) return 0;
  const NodeId probs = ran_.step->graph().in(at_.block, Role::Probs);
  return probs == no_node ? 0 : ran_.step->graph()[probs].shape.front().at(0, 0);
}

void Stage::keep_selection_valid() {
  const auto all = blocks();
  if (!all.empty() && std::ranges::find(all, at_.block) == all.end()) at_.block = all[(all.size() - 1) / 2];
  at_.head = std::clamp<int64_t>(at_.head, 0, std::max<int64_t>(heads() - 1, 0));
  const int64_t n = ran_.step->positions();
  std::erase_if(at_.arc_heads, [this](int64_t head) { return head >= heads(); });
  std::erase_if(at_.pins, [n](Cell c) { return c.query >= n || c.key >= n; });
  if (at_.cursor && (at_.cursor->query >= n || at_.cursor->key >= n)) at_.cursor.reset();
  if (at_.token && *at_.token >= n) at_.token.reset();
}

void Stage::select_head(const std::string& block, int64_t head) {
  at_.block = block;
  at_.head = head;
  if (ran_.step) keep_selection_valid();
  emit selection_changed();
}

void Stage::next_head(int by) {
  if (const int64_t n = heads(); n > 0) select_head(at_.block, (at_.head + by + n) % n);
}

void Stage::next_block(int by) {
  const auto all = blocks();
  if (all.empty()) return;
  const int n = static_cast<int>(all.size());
  select_head(all[static_cast<size_t>((block_index() + by + n) % n)], at_.head);
}

void Stage::set_scale(ScaleMode scale) {
  at_.scale = scale;
  emit selection_changed();
}

void Stage::set_heads(Heads heads) {
  at_.heads = heads;
  emit selection_changed();
}

void Stage::set_without_sink(bool out) {
  at_.without_sink = out;
  emit selection_changed();
}

void Stage::set_threshold(float threshold) {
  at_.threshold = threshold;
  emit selection_changed();
}

void Stage::set_all_arcs(bool all) {
  at_.arc_heads.clear();
  for (int64_t head = 0; all && head < heads(); ++head) at_.arc_heads.push_back(head);
  emit selection_changed();
}

void Stage::set_sampling(const Sampling& sampling) {
  at_.sampling = sampling;
  engine_.send(Tag{"sampling"}, SetSampling{sampling});
  emit selection_changed();
}

void Stage::clear_pins() {
  at_.pins.clear();
  at_.cursor.reset();
  emit selection_changed();
}

void Stage::toggle_mask_editing() {
  at_.edit_mask = !at_.edit_mask;
  emit selection_changed();
}

void Stage::show_view(const std::string& id) {
  if (id == view_id_ || !make_view(id)) return;  // a saved session may name a view that is no more
  view_id_ = id;
  at_.cursor.reset();
  emit view_changed();
}

void Stage::hovered() { emit cursor_moved(); }

void Stage::act(const Gesture& gesture) {
  if (!ran_.step) return;
  if (const auto* pin = std::get_if<Pin>(&gesture))
    act_on(*pin);
  else if (const auto* head = std::get_if<SelectHead>(&gesture))
    act_on(*head);
  else if (const auto* token = std::get_if<SelectToken>(&gesture))
    act_on(*token);
  else if (const auto* cell = std::get_if<ToggleMaskCell>(&gesture))
    act_on(*cell);
  else if (const auto* rule = std::get_if<SetMaskRule>(&gesture))
    set_mask(rule->rule);
  else if (const auto* at = std::get_if<MaskToken>(&gesture))
    engine_.send(MaskAt{at->position});
  else if (const auto* choice = std::get_if<ChooseToken>(&gesture))
    engine_.send(Replace{choice->position, choice->id});
}

void Stage::act_on(const Pin& pin) {
  const auto found = std::ranges::find(at_.pins, pin.cell);
  if (found != at_.pins.end()) {
    at_.pins.erase(found);
  } else {
    if (at_.pins.size() == 4) at_.pins.erase(at_.pins.begin());
    at_.pins.push_back(pin.cell);
  }
  emit selection_changed();
}

void Stage::act_on(const SelectHead& pick) {
  select_head(pick.block, pick.head);
  if (pick.solo) show_view("attention");
}

void Stage::act_on(const SelectToken& pick) {
  const int64_t step = pick.position - ran_.step->n_prompt + 1;
  if (ran_.can_step && step >= 0 && step <= ran_.steps_known && ran_.steps_known > 0) {
    at_.token.reset();
    if (step != ran_.step_now) engine_.send(Tag{"time"}, GoTo{step});
  } else if (pick.position < ran_.step->positions()) {
    at_.token = pick.position;
  }
  emit selection_changed();
}

void Stage::act_on(const ToggleMaskCell& cell) {
  const MaskRule now = mask_now();
  const int64_t n = ran_.step->positions();
  auto bits = std::make_shared<MaskBits>(n, n);
  for (int64_t q = 0; q < n; ++q)
    for (int64_t k = 0; k < n; ++k) bits->set(q, k, now.allowed(q, k));
  bits->set(cell.cell.query, cell.cell.key, cell.allow);
  set_mask({MaskRule::Kind::Custom, 0, std::move(bits)});
}

void Stage::set_dark(bool dark) {
  if (dark == dark_) return;
  dark_ = dark;
  emit theme_changed();
}

void Stage::set_spoken(Language spoken) {
  set_language(spoken);
  emit language_changed();
}

}  // namespace cutaway
