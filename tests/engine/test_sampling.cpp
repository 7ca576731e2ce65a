// The sampler against counting by hand.
#include <QtTest>
#include <cmath>
#include <set>

#include "engine/session.h"

using namespace cutaway;

class TestSampling : public QObject {
  Q_OBJECT
 private slots:
  void greedy_takes_the_best_and_the_first_of_equals() {
    const std::vector<float> logits = {0, 3, 3, -1};
    const TokenChoice choice = sample(logits, {}, 0);
    QCOMPARE(choice.id, 1);
    const double sum = std::exp(0.) + 2 * std::exp(3.) + std::exp(-1.);
    QVERIFY(std::abs(choice.logprob - (3 - std::log(sum))) < 1e-6);
  }

  void frequencies_follow_the_cut_distribution() {
    const std::vector<float> logits = {2, 1, 0, -1, -2};
    const Sampling how{.temperature = 2, .top_k = 4, .top_p = 0.8f, .seed = 7};
    std::vector<double> p;
    for (int i = 0; i < 4; ++i) p.push_back(std::exp(logits[static_cast<size_t>(i)] / 2));
    const double total = p[0] + p[1] + p[2] + p[3];
    QVERIFY((p[0] + p[1]) / total < 0.8 && (p[0] + p[1] + p[2]) / total >= 0.8);  // so three remain
    const double kept = p[0] + p[1] + p[2];
    std::vector<int> seen(5, 0);
    const int draws = 200000;
    for (int i = 0; i < draws; ++i) ++seen[static_cast<size_t>(sample(logits, how, i).id)];
    QCOMPARE(seen[3] + seen[4], 0);
    for (size_t i = 0; i < 3; ++i) QVERIFY(std::abs(seen[i] / double(draws) - p[i] / kept) < 0.005);
  }

  void the_same_seed_and_position_draw_the_same() {
    std::vector<float> logits(100);
    for (size_t i = 0; i < 100; ++i) logits[i] = std::sin(static_cast<float>(i));
    const Sampling how{.temperature = 1, .seed = 3};
    QCOMPARE(sample(logits, how, 5).id, sample(logits, how, 5).id);
    std::set<int32_t> ids;
    for (int64_t position = 0; position < 50; ++position) ids.insert(sample(logits, how, position).id);
    QVERIFY(ids.size() > 10);
  }

  void not_a_number_is_never_chosen() {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    QCOMPARE(sample(std::vector<float>{nan, 1, 5, nan, 2}, {}, 0).id, 2);
  }

  void parse() {
    QCOMPARE(*Sampling::parse("greedy"), Sampling{});
    QCOMPARE(*Sampling::parse("temperature=0.8,top_k=40,top_p=0.95,seed=1"), (Sampling{0.8f, 40, 0.95f, 1}));
    QCOMPARE(*Sampling::parse("seed=4"), (Sampling{1, 0, 1, 4}));
    for (const char* text : {"", "hot", "temperature=", "temperature=-1", "temperature=nan", "top_k=-2", "top_p=0",
                             "top_p=1.5", "seed=x", "temperature=1,,", "temperature=1;top_k=2"})
      QVERIFY2(!Sampling::parse(text), text);
  }
};

QTEST_APPLESS_MAIN(TestSampling)
#include "test_sampling.moc"
