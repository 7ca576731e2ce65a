#include "tests/support/variants.h"

#include <QtTest>

#include <cmath>
#include <cstring>
#include <span>

#include "tests/support/interpreter.h"

namespace cutaway::tests {
namespace {

constexpr int64_t T = 33;  // not a multiple of a page, of a vector, or of a shader's group

MaskRule rule(MaskRule::Kind kind, int64_t n = 0) { return {kind, n, nullptr}; }

/// A painted mask with everything in it: a row without a key, a lone later key, holes.
MaskRule painted(int64_t n) {
  auto bits = std::make_shared<MaskBits>(n, n);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j) bits->set(i, j, i != n / 2 && (j <= i ? (i + 2 * j) % 5 != 0 : (j == i + 3)));
  return {MaskRule::Kind::Custom, 0, bits};
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

/// The first `rows` of T.
std::span<const float> first(const std::vector<float>& all, size_t rows) {
  return std::span(all).first(all.size() / T * rows);
}

/// The residual stream after the last layer, which everything before it has led to.
std::string last_hidden(const Graph& graph) { return graph[graph.with(Role::Hidden).back()].path; }

/// Rows of the encoder's own text, which nothing in the decoder changes.
bool of_the_source(const Graph& graph, const std::string& path) {
  return stream_of(graph[graph.named(path)]) == Counts::EncoderTokens;
}

std::string text_of(const std::vector<MaskRule>& masks) {
  std::string text;
  for (const MaskRule& mask : masks) text += (text.empty() ? "" : ", ") + mask.text();
  return text;
}

/// What a run says of itself, one float after another: every recorded row, then logits and the pooled vector.
std::vector<float> everything(const Run& run) {
  std::vector<float> all;
  for (const auto& [path, rows] : run.rows) all.insert(all.end(), rows.begin(), rows.end());
  all.insert(all.end(), run.logits.begin(), run.logits.end());
  all.insert(all.end(), run.pooled.begin(), run.pooled.end());
  return all;
}

}  // namespace

// A run that must succeed; the running test ends when it does not.
#define RUN(name, ...)                                                              \
  const auto name##_result = run(__VA_ARGS__);                                      \
  QVERIFY2(name##_result, name##_result ? "" : name##_result.error().text.c_str()); \
  const Run& name = *name##_result

void TestVariants::variants() {
  QTest::addColumn<int>("architecture");
  QTest::addColumn<int>("corner");
  QTest::addColumn<int>("contender");
  for (size_t a = 0; a < architectures().size(); ++a) {
    const auto corners = architectures()[a].corners();
    for (size_t c = 0; c < corners.size(); ++c)
      for (size_t b = 0; b < contenders_.size(); ++b)
        QTest::addRow("%s on %s: %s", corners[c].name.c_str(), contenders_[b].backend->info().name.c_str(),
                      contenders_[b].backend->info().device.c_str())
            << static_cast<int>(a) << static_cast<int>(c) << static_cast<int>(b);
  }
}

void TestVariants::init() {
  QFETCH(int, architecture);
  QFETCH(int, corner);
  QFETCH(int, contender);
  const ModelSpec spec = architectures()[static_cast<size_t>(architecture)].corners()[static_cast<size_t>(corner)];
  variant_ = {random_model(spec), contenders_[static_cast<size_t>(contender)]};
  variant_.cached = variant_.model->graph->cache_values_per_token() > 0;
}

void TestVariants::hold_against_interpreter(const Variant& variant, const std::vector<MaskRule>& masks,
                                            int64_t tokens) {
  const Model& model = *variant.model;
  const Graph& graph = *model.graph;
  const auto ids = random_ids(model.spec, tokens), source = random_source(model.spec);
  const Taps taps = all_taps(graph);
  RUN(got, variant.on.backend, variant.model, taps, ids, masks);
  const Interpreter interpreter(model, ids, masks, source);
  const auto want = [&](NodeId id) -> const Doubles& { return interpreter.rows[static_cast<size_t>(id)]; };
  const auto hold = [&](const std::string& path, double found, double allowed) {
    QVERIFY2(found <= allowed, qPrintable(QString("%1 of %2 tokens under %3 is off by %4, more than %5")
                                              .arg(path.c_str())
                                              .arg(tokens)
                                              .arg(text_of(masks).c_str())
                                              .arg(found)
                                              .arg(allowed)));
  };
  for (NodeId id : taps) hold(graph[id].path, difference(got.rows.at(graph[id].path), want(id)), variant.on.hidden);
  if (graph.logits != no_node) hold("logits", difference(got.logits, want(graph.logits)), variant.on.logits);
  if (graph.pooled != no_node) hold("pooled", difference(got.pooled, want(graph.pooled)), variant.on.hidden);
  for (NodeId node : graph.with(Role::Probs)) {
    const Doubles& dense = want(node);
    const int64_t queries = got.step->axis(node, 0), keys = got.step->axis(node, 1);
    for (int64_t h = 0; h < graph[node].params.heads; ++h) {
      const auto tile = probs(got, node, h);
      QVERIFY2(tile, tile ? "" : tile.error().text.c_str());
      for (int64_t i = 0; i < queries; ++i)
        for (int64_t j = 0; j < keys; ++j) {
          const float cell = (*tile)[static_cast<size_t>(i * keys + j)];
          if (!allows(got.step->mask_of(node), i, j))
            QCOMPARE(cell, masked_cell);
          else
            hold(graph[node].path, std::abs(cell - dense[static_cast<size_t>((h * queries + i) * keys + j)]),
                 variant.on.probs);
        }
    }
  }
}

void TestVariants::agrees_with_the_interpreter() {
  const Variant& variant = fetch();
  hold_against_interpreter(variant, variant.model->spec.masks, T);
  for (const MaskRule& mask : {rule(MaskRule::Kind::Causal), rule(MaskRule::Kind::Window, 5),
                               rule(MaskRule::Kind::Prefix, 4), rule(MaskRule::Kind::Bidirectional), painted(T)}) {
    if (QTest::currentTestFailed()) return;
    hold_against_interpreter(variant, under(*variant.model, mask), T);
  }
}

void TestVariants::agrees_at_every_length() {
  const Variant& variant = fetch();
  for (int64_t tokens : {int64_t{1}, int64_t{2}, int64_t{7}, int64_t{16}, int64_t{17}, variant.model->spec.n_ctx}) {
    hold_against_interpreter(variant, variant.model->spec.masks, tokens);
    if (QTest::currentTestFailed()) return;
  }
}

void TestVariants::d02_cached_equals_uncached() {
  const Variant& variant = fetch();
  if (!variant.cached) QSKIP("this model keeps no keys and values");
  const auto ids = random_ids(variant.model->spec, T);
  const Taps taps = all_taps(*variant.model->graph);
  for (const auto& masks : {variant.model->spec.masks, under(*variant.model, rule(MaskRule::Kind::Causal)),
                            under(*variant.model, rule(MaskRule::Kind::Window, 5))}) {
    RUN(whole, variant.on.backend, variant.model, taps, ids, masks);
    for (int64_t piece : {1, 7, 16}) {
      RUN(pieces, variant.on.backend, variant.model, taps, ids, masks, piece);
      const double off = difference(everything(pieces), everything(whole));
      QVERIFY2(off <= 1e-5, qPrintable(QString("pieces of %1 are off by %2").arg(piece).arg(off)));
    }
  }
}

void TestVariants::d03_the_past_does_not_see_the_future() {
  const Variant& variant = fetch();
  const Graph& graph = *variant.model->graph;
  const ModelSpec& spec = variant.model->spec;
  const auto ids = random_ids(spec, T);
  const Taps taps = all_taps(graph);
  const auto causal = under(*variant.model, rule(MaskRule::Kind::Causal));
  RUN(before, variant.on.backend, variant.model, taps, ids, causal);
  for (size_t j : {size_t{1}, size_t{17}, size_t{T - 1}}) {
    auto changed = ids;
    changed[j] = static_cast<int32_t>((changed[j] + 1) % spec.vocab_size);
    RUN(after, variant.on.backend, variant.model, taps, changed, causal);
    for (const auto& [path, rows] : before.rows)
      if (of_the_source(graph, path))
        QVERIFY2(same_bits(rows, after.rows.at(path)), path.c_str());
      else
        QVERIFY2(same_bits(first(rows, j), first(after.rows.at(path), j)), path.c_str());
    QVERIFY(same_bits(first(before.logits, j), first(after.logits, j)));
    // ... and the change is seen from there on
    const std::string last = last_hidden(graph);
    QVERIFY(!same_bits(before.rows.at(last), after.rows.at(last)));
  }
}

void TestVariants::bidirectional_rows_see_everything() {
  const Variant& variant = fetch();
  const ModelSpec& spec = variant.model->spec;
  auto ids = random_ids(spec, T);
  const Taps taps = all_taps(*variant.model->graph);
  const auto both = under(*variant.model, rule(MaskRule::Kind::Bidirectional));
  RUN(before, variant.on.backend, variant.model, taps, ids, both);
  ids.back() = static_cast<int32_t>((ids.back() + 1) % spec.vocab_size);
  RUN(after, variant.on.backend, variant.model, taps, ids, both);
  const std::string last = last_hidden(*variant.model->graph);
  const std::vector<float>&was = before.rows.at(last), &is = after.rows.at(last);
  const size_t width = was.size() / T;
  for (size_t i = 0; i < T; ++i)
    QVERIFY2(std::memcmp(&was[i * width], &is[i * width], width * sizeof(float)) != 0,
             qPrintable(QString("row %1").arg(i)));
}

void TestVariants::d04_rows_of_probs_sum_to_one() {
  const Variant& variant = fetch();
  const Graph& graph = *variant.model->graph;
  const auto ids = random_ids(variant.model->spec, T);
  for (const auto& masks : {variant.model->spec.masks, under(*variant.model, rule(MaskRule::Kind::Window, 5)),
                            under(*variant.model, painted(T))}) {
    RUN(got, variant.on.backend, variant.model, default_taps(graph), ids, masks);
    for (NodeId node : graph.with(Role::Probs))
      for (int64_t h = 0; h < graph[node].params.heads; ++h) {
        const auto map = probs(got, node, h);
        QVERIFY(map);
        const int64_t queries = got.step->axis(node, 0), keys = got.step->axis(node, 1);
        for (int64_t i = 0; i < queries; ++i) {
          double sum = 0;
          int64_t cells = 0;
          for (int64_t j = 0; j < keys; ++j)
            if (const float p = (*map)[static_cast<size_t>(i * keys + j)]; p != masked_cell) sum += p, ++cells;
          QVERIFY2(cells ? std::abs(sum - 1) <= 1e-5 : sum == 0,
                   qPrintable(QString("row %1 sums to %2").arg(i).arg(sum, 0, 'g', 9)));
        }
      }
  }
}

void TestVariants::equal_masks_give_equal_bits() {
  const Variant& variant = fetch();
  const Taps taps = all_taps(*variant.model->graph);
  const auto ids = random_ids(variant.model->spec, T);
  const MaskRule causal = rule(MaskRule::Kind::Causal), both = rule(MaskRule::Kind::Bidirectional);
  const std::vector<std::pair<MaskRule, MaskRule>> pairs = {{causal, causal.painted(T)},
                                                            {causal, rule(MaskRule::Kind::Window, T)},
                                                            {causal, rule(MaskRule::Kind::Window, 1000)},
                                                            {causal, rule(MaskRule::Kind::Prefix, 0)},
                                                            {both, both.painted(T)},
                                                            {both, rule(MaskRule::Kind::Prefix, T)}};
  for (const auto& [one, other] : pairs) {
    RUN(a, variant.on.backend, variant.model, taps, ids, under(*variant.model, one));
    RUN(b, variant.on.backend, variant.model, taps, ids, under(*variant.model, other));
    QVERIFY2(same_bits(everything(a), everything(b)), (one.text() + " and " + other.text()).c_str());
  }
}

void TestVariants::unequal_masks_give_unequal_logits() {
  const Variant& variant = fetch();
  const auto ids = random_ids(variant.model->spec, T);
  const Model& model = *variant.model;
  RUN(a, variant.on.backend, variant.model, all_taps(*model.graph), ids, under(model, rule(MaskRule::Kind::Causal)));
  for (const MaskRule& other :
       {rule(MaskRule::Kind::Window, T - 1), rule(MaskRule::Kind::Prefix, 2), rule(MaskRule::Kind::Bidirectional)}) {
    RUN(b, variant.on.backend, variant.model, all_taps(*model.graph), ids, under(model, other));
    QVERIFY2(!same_bits(everything(a), everything(b)), other.text().c_str());
  }
}

void TestVariants::forking_the_cache_changes_nothing_behind() {
  const Variant& variant = fetch();
  if (!variant.cached) QSKIP("this model keeps no keys and values");
  const Graph& graph = *variant.model->graph;
  const auto ids = random_ids(variant.model->spec, T);
  auto other = ids;
  for (size_t i = 20; i < other.size(); ++i)
    other[i] = (other[i] + 1) % static_cast<int32_t>(variant.model->spec.vocab_size);
  const auto plan = variant.on.backend->compile(variant.model, default_taps(graph));
  QVERIFY(plan);
  const auto source = random_source(variant.model->spec);
  const auto feed = [&](Snapshot& step, const std::vector<int32_t>& from, int64_t begin, int64_t end) {
    Output out;
    Feed feed{.ids = std::span(from).subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)),
              .source_tokens = static_cast<int64_t>(source.size()),
              .past = begin,
              .masks = under(*variant.model, rule(MaskRule::Kind::Causal)),
              .logits_begin = end - 1,
              .logits_end = end};
    if (begin == 0) feed.source = source;
    const auto ran = (*plan)->run(feed, step.state, step.recording, out);
    if (!ran) qFatal("%s", ran.error().text.c_str());
    return out.logits;
  };
  Snapshot at_20{.state = empty_state(graph, variant.on.backend->arena()),
                 .recording = empty_recording(graph, default_taps(graph), variant.on.backend->arena())};
  feed(at_20, ids, 0, 20);
  Snapshot one_way = at_20, another = at_20, once_more = at_20;  // page tables are copied, rows are shared
  const auto first = feed(one_way, ids, 20, T);
  feed(another, other, 20, T);
  QVERIFY2(same_bits(feed(once_more, ids, 20, T), first), "the same way again gives other bits");
  for (const auto& [node, rows] : one_way.state) {
    std::vector<float> a(rows.used_bytes() / sizeof(float)), b(a.size());
    QVERIFY(variant.on.backend->read(rows, 0, rows.rows(), a.data()));
    QVERIFY(variant.on.backend->read(once_more.state.at(node), 0, rows.rows(), b.data()));
    QVERIFY2(same_bits(a, b), graph[node].path.c_str());
  }
}

void TestVariants::a_tap_costs_nothing_but_its_record() {
  const Variant& variant = fetch();
  const auto bare = variant.on.backend->compile(variant.model, {});
  const auto tapped = variant.on.backend->compile(variant.model, all_taps(*variant.model->graph));
  QVERIFY(bare && tapped);
  std::vector<std::string> without_records;
  for (const std::string& line : (*tapped)->steps())
    if (!line.starts_with("record")) without_records.push_back(line);
  QCOMPARE(without_records, (*bare)->steps());
  QVERIFY((*tapped)->steps().size() > (*bare)->steps().size());
}

void TestVariants::taps_change_no_bit() {
  const Variant& variant = fetch();
  const auto ids = random_ids(variant.model->spec, T);
  const auto& masks = variant.model->spec.masks;
  RUN(few, variant.on.backend, variant.model, default_taps(*variant.model->graph), ids, masks);
  RUN(many, variant.on.backend, variant.model, all_taps(*variant.model->graph), ids, masks);
  QVERIFY(same_bits(few.logits, many.logits));
  QVERIFY(same_bits(few.pooled, many.pooled));
  for (const auto& [path, rows] : few.rows) QVERIFY2(same_bits(rows, many.rows.at(path)), path.c_str());
}

}  // namespace cutaway::tests
