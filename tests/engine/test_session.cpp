// Forward, back, editing, masks and sampling of a session, on random models; every failure leaves it as it was.
#include <QtTest>

#include <cmath>
#include <cstring>
#include <set>

#include "engine/session.h"
#include "tests/support/run.h"

using namespace cutaway;
using namespace cutaway::tests;

namespace {

ModelSpec corner(std::string_view architecture) { return architecture_named(architecture).corners()[0]; }

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

/// Every cached and recorded row of a step, read through the backend.
std::vector<float> rows_of(const Snapshot& step) {
  std::vector<float> all;
  for (const auto* rows : {&step.state, &step.recording})
    for (const auto& [node, paged] : *rows) {
      std::vector<float> values(paged.used_bytes() / sizeof(float));
      if (!step.backend->read(paged, 0, paged.rows(), values.data())) qFatal("rows can't be read");
      all.insert(all.end(), values.begin(), values.end());
    }
  return all;
}

}  // namespace

class TestSession : public QObject {
  Q_OBJECT

 private slots:
  void init() {
    backend_ = make_cpu_backend(2);
    auto started = Session::start(random_model(corner("gpt2")), backend_);
    QVERIFY(started);
    gpt_ = std::move(*started);
  }
  void a_prompt_is_step_zero();
  void forward_and_back_give_the_same_bits();
  void steps_ahead_are_kept_until_another_way_is_taken();
  void an_older_snapshot_never_changes();
  void a_revisited_step_equals_a_fresh_run();
  void editing_equals_reading_the_edited_text();
  void a_mask_that_looks_ahead_runs_everything_again();
  void greedy_takes_the_best();
  void a_seed_fixes_the_draw();
  void seeds_differ();
  void cuts_keep_to_the_best();
  void log_probabilities_are_those_of_the_softmax();
  void surprisal_is_of_the_token_given_those_before();
  void failures_leave_everything_as_it_was();
  void an_encoder_does_not_step();
  void bytes_are_measured();
  void a_cancelled_run_is_no_step();

 private:
  SnapshotPtr ok(Result<SnapshotPtr> result) {
    if (!result) qFatal("%s", result.error().text.c_str());
    return *result;
  }
  std::vector<int32_t> ids(int64_t n, uint32_t seed = 1) { return random_ids(gpt_->model()->spec, n, seed); }

  std::shared_ptr<Backend> backend_;
  std::unique_ptr<Session> gpt_;
};

void TestSession::a_prompt_is_step_zero() {
  QVERIFY(!gpt_->now());
  const auto step = ok(gpt_->read_ids(ids(9)));
  QCOMPARE(step->positions(), 9);
  QCOMPARE(step->n_prompt, 9);
  QCOMPARE(gpt_->step_now(), 0);
  QCOMPARE(gpt_->steps_known(), 0);
  QCOMPARE(static_cast<int64_t>(step->logits.size()), gpt_->model()->spec.vocab_size);
}

void TestSession::forward_and_back_give_the_same_bits() {
  std::vector<SnapshotPtr> way = {ok(gpt_->read_ids(ids(5)))};
  for (int i = 0; i < 30; ++i) way.push_back(ok(gpt_->step({})));
  QCOMPARE(gpt_->step_now(), 30);
  for (int64_t step : {29, 11, 16, 15, 0, 30}) {
    const auto again = ok(gpt_->to(step));
    QVERIFY(same_bits(again->logits, way[static_cast<size_t>(step)]->logits));
    QCOMPARE(again->ids, way[static_cast<size_t>(step)]->ids);
  }
  ok(gpt_->back(20));
  QCOMPARE(gpt_->step_now(), 10);
  for (size_t i = 11; i <= 30; ++i) {  // forward again by computing, not by remembering
    auto other = ok(gpt_->back(0));
    const auto on = ok(gpt_->append(way[i]->ids.back()));
    QVERIFY(same_bits(on->logits, way[i]->logits));
    QCOMPARE(rows_of(*on), rows_of(*way[i]));
  }
}

void TestSession::steps_ahead_are_kept_until_another_way_is_taken() {
  ok(gpt_->read_ids(ids(5)));
  for (int i = 0; i < 6; ++i) ok(gpt_->step({}));
  ok(gpt_->back(4));
  QCOMPARE(gpt_->steps_known(), 6);
  const auto before = gpt_->now();
  const int32_t other = (before->best[0].id + 1) % static_cast<int32_t>(gpt_->model()->spec.vocab_size);
  ok(gpt_->append(other));
  QCOMPARE(gpt_->steps_known(), 3);
  QCOMPARE(gpt_->now()->ids.back(), other);
}

void TestSession::an_older_snapshot_never_changes() {
  ok(gpt_->read_ids(ids(5)));
  for (int i = 0; i < 12; ++i) ok(gpt_->step({}));  // the last page is half full
  const auto old = gpt_->now();
  const auto rows = rows_of(*old);
  const auto logits = old->logits;
  ok(gpt_->back(5));
  for (int i = 0; i < 20; ++i) ok(gpt_->append(static_cast<int32_t>(i)));
  QCOMPARE(rows_of(*old), rows);
  QVERIFY(same_bits(old->logits, logits));
}

void TestSession::a_revisited_step_equals_a_fresh_run() {
  ok(gpt_->read_ids(ids(5)));
  for (int i = 0; i < 12; ++i) ok(gpt_->append(ids(20, 3)[static_cast<size_t>(i)]));
  const auto there = ok(gpt_->to(7));
  auto fresh = Session::start(gpt_->model(), backend_);
  QVERIFY(fresh);
  const auto whole = ok((*fresh)->read_ids(there->ids));
  QVERIFY(difference(there->logits, whole->logits) <= 1e-5);
}

void TestSession::editing_equals_reading_the_edited_text() {
  ok(gpt_->read_ids(ids(9)));
  auto edited = ids(9);
  for (int64_t position : {4, 0, 8}) {
    edited[static_cast<size_t>(position)] = 7;
    const auto step = ok(gpt_->replace(position, 7));
    QCOMPARE(step->ids, edited);
    auto fresh = Session::start(gpt_->model(), backend_);
    QVERIFY(same_bits(ok((*fresh)->read_ids(edited))->logits, step->logits));
  }
  for (int i = 0; i < 3; ++i) ok(gpt_->step({}));
  ok(gpt_->replace(10, 5));  // a generated token
  QCOMPARE(gpt_->now()->n_prompt, 9);
  QCOMPARE(gpt_->now()->ids[10], 5);
  QCOMPARE(gpt_->now()->positions(), 12);
}

void TestSession::a_mask_that_looks_ahead_runs_everything_again() {
  ok(gpt_->read_ids(ids(9)));
  const MaskRule prefix{MaskRule::Kind::Prefix, 12, nullptr};
  ok(gpt_->set_mask(0, prefix));
  for (int i = 0; i < 4; ++i) ok(gpt_->append(static_cast<int32_t>(i)));
  const auto stepped = gpt_->now();
  auto fresh = Session::start(gpt_->model(), backend_);
  ok((*fresh)->read_ids({1}));
  ok((*fresh)->set_mask(0, prefix));
  const auto whole = ok((*fresh)->read_ids(stepped->ids));
  QVERIFY(difference(stepped->logits, whole->logits) <= 1e-5);
  QCOMPARE(whole->masks[0].text(), std::string("prefix:12"));
}

void TestSession::greedy_takes_the_best() {
  ok(gpt_->read_ids(ids(9)));
  for (int i = 0; i < 10; ++i) {
    const auto before = gpt_->now();
    const auto best = std::max_element(before->logits.begin(), before->logits.end()) - before->logits.begin();
    QCOMPARE(ok(gpt_->step({}))->ids.back(), static_cast<int32_t>(best));
    QCOMPARE(before->best[0].id, static_cast<int32_t>(best));
  }
}

void TestSession::a_seed_fixes_the_draw() {
  const Sampling hot{.temperature = 1.5f, .seed = 11};
  ok(gpt_->read_ids(ids(5)));
  for (int i = 0; i < 10; ++i) ok(gpt_->step(hot));
  const auto way = gpt_->now()->ids;
  ok(gpt_->back(10));
  ok(gpt_->append((way[5] + 1) % 256));  // another way, and back
  ok(gpt_->back(1));
  for (int i = 0; i < 10; ++i) ok(gpt_->step(hot));
  QCOMPARE(gpt_->now()->ids, way);
}

void TestSession::seeds_differ() {
  std::set<std::vector<int32_t>> ways;
  for (uint64_t seed = 0; seed < 5; ++seed) {
    ok(gpt_->read_ids(ids(5)));
    for (int i = 0; i < 12; ++i) ok(gpt_->step({.temperature = 2, .seed = seed}));
    ways.insert(gpt_->now()->ids);
  }
  QCOMPARE(ways.size(), size_t{5});
}

void TestSession::cuts_keep_to_the_best() {
  ok(gpt_->read_ids(ids(5)));
  for (int i = 0; i < 20; ++i) {
    const auto before = gpt_->now();
    const int32_t taken = ok(gpt_->step({.temperature = 5, .top_k = 3, .seed = 4}))->ids.back();
    bool among = false;
    for (size_t k = 0; k < 3; ++k) among = among || before->best[k].id == taken;
    QVERIFY(among);
  }
  const auto before = gpt_->now();
  QCOMPARE(ok(gpt_->step({.temperature = 5, .top_p = 1e-6f, .seed = 4}))->ids.back(), before->best[0].id);
}

void TestSession::log_probabilities_are_those_of_the_softmax() {
  const auto step = ok(gpt_->read_ids(ids(9)));
  double sum = 0, entropy = 0;
  for (float logit : step->logits) sum += std::exp(static_cast<double>(logit));
  for (float logit : step->logits) entropy -= std::exp(logit) / sum * (logit - std::log(sum)) / std::log(2.);
  for (const TokenChoice& choice : step->best)
    QVERIFY(std::abs(choice.logprob - (step->logits[static_cast<size_t>(choice.id)] - std::log(sum))) < 1e-5);
  for (size_t i = 1; i < step->best.size(); ++i) QVERIFY(step->best[i - 1].logprob >= step->best[i].logprob);
  QVERIFY(std::abs(step->entropy_bits - entropy) < 1e-4);
}

void TestSession::surprisal_is_of_the_token_given_those_before() {
  const auto text = ids(9);
  ok(gpt_->read_ids(text));
  const auto scored = ok(gpt_->score());
  QVERIFY(std::isnan(scored->surprisal_bits[0]));
  for (size_t i = 1; i < text.size(); ++i) {
    auto fresh = Session::start(gpt_->model(), backend_);
    const auto until = ok((*fresh)->read_ids({text.begin(), text.begin() + static_cast<int64_t>(i)}));
    double sum = 0;
    for (float logit : until->logits) sum += std::exp(static_cast<double>(logit));
    const double bits = (std::log(sum) - until->logits[static_cast<size_t>(text[i])]) / std::log(2.);
    QVERIFY(std::abs(scored->surprisal_bits[i] - bits) < 1e-4);
  }
}

void TestSession::failures_leave_everything_as_it_was() {
  const int32_t V = static_cast<int32_t>(gpt_->model()->spec.vocab_size);
  const int64_t N = gpt_->model()->spec.n_ctx;
  ok(gpt_->read_ids(ids(5)));
  for (int i = 0; i < 3; ++i) ok(gpt_->step({}));
  const auto before = gpt_->now();
  const auto rows = rows_of(*before);
  const auto refused = [&](const Result<SnapshotPtr>& result, const char* says) {
    if (result) return QString("was not refused: %1").arg(says);
    if (result.error().fault != Fault::Given) return QString("has another fault: %1").arg(says);
    if (!QString(result.error().text.c_str()).contains(says)) return QString(result.error().text.c_str());
    if (gpt_->now() != before || gpt_->step_now() != 3 || gpt_->steps_known() != 3)
      return QString("changed the session");
    return QString();
  };
  QCOMPARE(refused(gpt_->read_ids({}), "empty"), QString());
  QCOMPARE(refused(gpt_->read_ids({1, V}), "vocab_size"), QString());
  QCOMPARE(refused(gpt_->read_ids({1, -1}), "-1"), QString());
  QCOMPARE(refused(gpt_->read_ids(ids(N + 1)), qPrintable(QString::number(N))), QString());
  QCOMPARE(refused(gpt_->read("a text"), "tokenizer"), QString());
  QCOMPARE(refused(gpt_->append(V), "vocab_size"), QString());
  QCOMPARE(refused(gpt_->back(4), "step"), QString());
  QCOMPARE(refused(gpt_->to(4), "step"), QString());
  QCOMPARE(refused(gpt_->to(-1), "step"), QString());
  QCOMPARE(refused(gpt_->replace(8, 1), "position"), QString());
  QCOMPARE(refused(gpt_->replace(-1, 1), "position"), QString());
  QCOMPARE(refused(gpt_->replace(2, V), "vocab_size"), QString());
  QCOMPARE(refused(gpt_->mask_position(2), "mask"), QString());
  QCOMPARE(rows_of(*before), rows);
  while (gpt_->now()->positions() < N) ok(gpt_->step({}));
  const auto full = gpt_->now();
  QVERIFY(!gpt_->step({}));
  QCOMPARE(gpt_->now(), full);
}

void TestSession::an_encoder_does_not_step() {
  auto bert = Session::start(random_model(corner("bert")), backend_);
  QVERIFY(bert);
  const auto step = ok((*bert)->read_ids({1, 2, 3}));
  QVERIFY(step->logits.empty());
  QCOMPARE(step->masks[0].text(), std::string("bidirectional"));
  QVERIFY(!(*bert)->step({}));
  QCOMPARE((*bert)->now(), step);
}

void TestSession::bytes_are_measured() {
  const ModelSpec& spec = gpt_->model()->spec;
  const size_t per_token = static_cast<size_t>(2 * spec.n_layers() * spec.d_model) * sizeof(float);  // K and V
  const auto step = ok(gpt_->read_ids(ids(20)));
  QCOMPARE(step->cache_used_bytes(), 20 * per_token);
  QCOMPARE(step->cache_allocated_bytes(), 32 * per_token);  // whole pages of 16
  QVERIFY(step->arena_bytes >= step->cache_allocated_bytes());
  for (int i = 0; i < 13; ++i) ok(gpt_->step({}));
  QCOMPARE(gpt_->now()->cache_allocated_bytes(), 48 * per_token);
}

void TestSession::a_cancelled_run_is_no_step() {
  ok(gpt_->read_ids(ids(5)));
  const auto before = gpt_->now();
  Progress progress;
  progress.cancelled = true;
  const auto stopped = gpt_->read_ids(ids(30, 2), {}, &progress);
  QVERIFY(!stopped);
  QCOMPARE(stopped.error().text, std::string("cancelled"));
  QCOMPARE(gpt_->now(), before);
}

QTEST_APPLESS_MAIN(TestSession)
#include "test_session.moc"
