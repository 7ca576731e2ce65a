// Live switches of the attention (spec dense.md 6.3), with its acceptance tests D7 and D8 by number.
#include <QtTest>
#include <cmath>
#include <cstring>

#include "engine/switch.h"
#include "tests/support/interpreter.h"
#include "tests/support/run.h"

using namespace cutaway;
using namespace cutaway::tests;

namespace {

constexpr int64_t T = 33;

ModelPtr corner(const std::string& name) {
  for (const Architecture& architecture : architectures())
    for (const ModelSpec& spec : architecture.corners())
      if (spec.name.starts_with(name)) return random_model(spec);
  qFatal("no corner is called %s", name.c_str());
}

ModelPtr made(const ModelPtr& model, const std::string& attention) {
  const auto other = switch_attention(model, attention);
  if (!other) qFatal("%s: %s", model->name.c_str(), other.error().text.c_str());
  return *other;
}

Run ran(const ModelPtr& model, int64_t piece = 0) {
  static const auto backend = make_cpu_backend(1);
  auto run = tests::run(backend, model, all_taps(*model->graph), random_ids(model->spec, T), model->spec.masks, piece);
  if (!run) qFatal("%s", run.error().text.c_str());
  return *run;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

std::vector<double> tensor(const Model& model, const std::string& name) {
  for (size_t i = 0; i < model.graph->schema.size(); ++i) {
    if (model.graph->schema[i].name != name) continue;
    const TensorView view = model.weights->tensor(static_cast<int>(i));
    std::vector<float> values(static_cast<size_t>(view.size()));
    to_float(view, values.data());
    return {values.begin(), values.end()};
  }
  qFatal("%s has no %s", model.name.c_str(), name.c_str());
}

/// Sum of squares of [Wk; Wv] - up down in layer 0.
double lost(const Model& plain, const Model& latent) {
  const AttentionSpec &was = plain.spec.layers[0].attention, &is = latent.spec.layers[0].attention;
  const int64_t r = is.latent.kv_lora_rank, D = was.d_model, m = was.n_heads * was.head_dim;
  const auto down = tensor(latent, "layers.0.attn.kv_a_proj.weight");
  double sum = 0;
  for (const auto& [heads, factor] : {std::pair("layers.0.attn.k_proj.weight", "layers.0.attn.k_b_proj.weight"),
                                      std::pair("layers.0.attn.v_proj.weight", "layers.0.attn.v_b_proj.weight")}) {
    const auto W = tensor(plain, heads), up = tensor(latent, factor);
    for (int64_t o = 0; o < m; ++o)
      for (int64_t i = 0; i < D; ++i) {
        double off = W[static_cast<size_t>(o * D + i)];
        for (int64_t k = 0; k < r; ++k)
          off -= up[static_cast<size_t>(o * r + k)] * down[static_cast<size_t>(k * D + i)];
        sum += off * off;
      }
  }
  return sum;
}

}  // namespace

class TestAcceptanceSwitch : public QObject {
  Q_OBJECT

 private slots:
  void d07_gqa_of_all_heads_is_mha_bit_for_bit() {
    for (const char* name : {"gpt2-2x64x4", "nanogpt-3x40x5", "llama-mha", "olmo2"}) {
      const ModelPtr plain = corner(name);
      const ModelPtr same = made(plain, fmt::format("gqa:kv_heads={}", plain->spec.layers[0].attention.n_heads));
      QCOMPARE(same->spec.layers[0].attention.kind, std::string("gqa"));
      QVERIFY2(same_bits(ran(plain).logits, ran(same).logits), name);
    }
  }

  void d07_repeated_heads_agree() {
    for (const char* name : {"llama-gqa", "llama-mqa", "mistral", "qwen3", "gemma2", "gpt_bigcode-2x64x4"}) {
      const ModelPtr plain = corner(name), full = made(plain, "mha");
      QCOMPARE(full->spec.layers[0].attention.n_kv_heads, plain->spec.layers[0].attention.n_heads);
      QVERIFY2(difference(ran(full).logits, ran(plain).logits) <= 1e-6, name);
    }
  }

  void d07_the_mean_is_exact_where_heads_were_equal_and_only_there() {
    for (const char* name : {"llama-gqa", "mistral", "gemma2", "gpt_bigcode-2x64x4"}) {
      const ModelPtr plain = corner(name), full = made(plain, "mha");
      const int64_t n = plain->spec.layers[0].attention.n_kv_heads;
      const ModelPtr back = made(full, fmt::format("gqa:kv_heads={}", n));
      QVERIFY2(difference(ran(back).logits, ran(plain).logits) <= 1e-6, name);
    }
    for (const char* name : {"gpt2-2x64x4", "llama-mha", "nanogpt-3x40x5", "olmo2"}) {
      const ModelPtr plain = corner(name), one = made(plain, "mqa");
      QCOMPARE(one->graph->cache_values_per_token() * plain->spec.layers[0].attention.n_heads,
               plain->graph->cache_values_per_token());
      QVERIFY2(difference(ran(one).logits, ran(plain).logits) > 1e-3, name);
    }
  }

  void d08_a_latent_of_full_rank_is_mha() {
    for (const char* name : {"gpt2-2x64x4", "gpt2-1x20x1", "nanogpt-3x40x5", "gpt_bigcode-2x64x4", "llama-mha",
                             "llama-gqa", "mistral", "gemma2", "falcon-2x40x5"}) {
      const ModelPtr plain = corner(name);
      const AttentionSpec& a = plain->spec.layers[0].attention;
      const int64_t full = std::min(a.d_model, 2 * a.n_kv_heads * a.head_dim);
      const ModelPtr latent = made(plain, fmt::format("mla:rank={}", full));
      QVERIFY2(difference(ran(latent).logits, ran(plain).logits) <= 1e-4, name);
      QCOMPARE(latent->graph->cache_values_per_token(), plain->spec.n_layers() * full);
    }
  }

  void d08_error_falls_with_the_rank_and_the_cache_with_it() {
    for (const char* name : {"gpt2-2x64x4", "llama-mha"}) {
      const ModelPtr plain = corner(name);
      const AttentionSpec& a = plain->spec.layers[0].attention;
      double before = INFINITY;
      for (int64_t rank = 8; rank <= 64; rank += 8) {
        const ModelPtr latent = made(plain, fmt::format("mla:rank={}", rank));
        const double now = lost(*plain, *latent);
        QVERIFY2(now < before, qPrintable(QString("rank %1: %2").arg(rank).arg(now)));
        before = now;
        QCOMPARE(latent->graph->cache_values_per_token() * 2 * a.n_kv_heads * a.head_dim,
                 plain->graph->cache_values_per_token() * rank);
      }
      QVERIFY(before < 1e-8);
      const double coarse = difference(ran(made(plain, "mla:rank=4")).logits, ran(plain).logits),
                   fine = difference(ran(made(plain, "mla:rank=60")).logits, ran(plain).logits);
      QVERIFY(coarse > 1e-3 && fine < coarse);
    }
  }

  void a_window_as_long_as_the_text_changes_nothing() {
    for (const char* name : {"gpt2-2x64x4", "llama-gqa", "gemma2", "mistral"}) {
      const ModelPtr plain = corner(name);
      QVERIFY2(same_bits(ran(plain).logits, ran(made(plain, "window:size=33")).logits), name);
      QVERIFY2(!same_bits(ran(plain).logits, ran(made(plain, "window:size=4")).logits), name);
    }
  }

  void what_was_made_keeps_the_laws_data() {
    QTest::addColumn<QString>("name");
    QTest::addColumn<QString>("attention");
    for (const char* name : {"gpt2-2x64x4", "llama-gqa", "mistral", "gemma2", "falcon-2x40x5"})
      for (const char* attention : {"mha", "mqa", "mla:rank=7", "window:size=6"})
        QTest::addRow("%s %s", name, attention) << name << attention;
  }
  void what_was_made_keeps_the_laws() {  // the interpreter agrees, and so do pieces
    QFETCH(QString, name);
    QFETCH(QString, attention);
    const ModelPtr model = made(corner(name.toStdString()), attention.toStdString());
    const Run whole = ran(model);
    const auto ids = random_ids(model->spec, T);
    const Interpreter want(*model, ids, model->spec.masks);
    for (const auto& [path, rows] : whole.rows) {
      const Doubles& twin = want.rows[static_cast<size_t>(model->graph->named(path))];
      QVERIFY2(difference(rows, twin) <= 2e-5, path.c_str());
    }
    for (int64_t piece : {1, 7, 16}) {
      const Run pieces = ran(model, piece);
      QVERIFY(difference(pieces.logits, whole.logits) <= 1e-5);
      for (const auto& [path, rows] : whole.rows)
        QVERIFY2(difference(pieces.rows.at(path), rows) <= 1e-5, path.c_str());
    }
  }

  void a_checkpoint_in_halves_is_switched_too() {
    const ModelSpec spec = corner("gpt2-2x64x4")->spec;
    auto half = std::make_shared<Model>(*random_model(spec));
    half->weights = random_weights(*half->graph, 1, DType::F16, 0.15f);
    QVERIFY(difference(ran(made(half, "mla:rank=64")).logits, ran(half).logits) <= 1e-4);
    const ModelPtr pooled = made(half, "gqa:kv_heads=2");
    QVERIFY(pooled->weights->bytes() < half->weights->bytes());
    QVERIFY(pooled->switched_from == half);
    QVERIFY(std::isfinite(ran(pooled).logits[0]));
  }

  void refusals_name_the_sizes_data() {
    QTest::addColumn<QString>("name");
    QTest::addColumn<QString>("attention");
    QTest::addColumn<QStringList>("words");
    const auto row = [](const char* name, const char* attention, const QStringList& words) {
      QTest::addRow("%s %s", name, attention) << name << attention << words;
    };
    row("gpt2-2x64x4", "gqa:kv_heads=3", {"4 query heads", "no multiple of 3"});
    row("gpt2-2x64x4", "gqa", {"kv_heads=N", "4 query heads"});
    row("gpt2-2x64x4", "gqa:kv_heads=0", {"kv_heads=N", "at least 1"});
    row("gpt2-2x64x4", "gqa:heads=2", {"kv_heads=N"});
    row("gpt2-2x64x4", "mla", {"rank=N of 1 to 64"});
    row("gpt2-2x64x4", "mla:rank=65", {"rank 64", "d_model 64", "2 x 4 x 16"});
    row("gpt2-2x64x4", "mla:rank=many", {"rank=N"});
    row("gpt2-2x64x4", "mqa:kv_heads=1", {"takes no settings"});
    row("gpt2-2x64x4", "window", {"size=N"});
    row("qwen3", "mla:rank=8", {"norms its keys"});
    row("llama-mqa", "mla:rank=8", {"bias", "position"});
    row("deepseek-2x64x4", "mha", {"latent of"});
    row("deepseek-2x64x4", "mla:rank=3", {"latent of"});
  }
  void refusals_name_the_sizes() {
    QFETCH(QString, name);
    QFETCH(QString, attention);
    QFETCH(QStringList, words);
    const auto refused = switch_attention(corner(name.toStdString()), attention.toStdString());
    QVERIFY(!refused);
    QCOMPARE(refused.error().fault, Fault::Given);
    for (const QString& word : words)
      QVERIFY2(refused.error().text.find(word.toStdString()) != std::string::npos, refused.error().text.c_str());
  }

  void groups_that_cross_are_refused() {
    const auto refused = switch_attention(made(corner("falcon-2x48x6"), "gqa:kv_heads=2"), "gqa:kv_heads=3");
    QVERIFY(!refused);
    QVERIFY(refused.error().text.find("2 heads of keys and values: 3 neither divides") != std::string::npos);
  }

  void choices_are_what_can_be_done() {
    for (const Architecture& architecture : architectures())
      for (const ModelSpec& spec : architecture.corners()) {
        const ModelPtr model = random_model(spec);
        for (const SwitchChoice& choice : switch_choices(model)) {
          if (choice.key.empty()) QCOMPARE(bool(switch_attention(model, choice.kind)), choice.refusal.empty());
          for (int64_t number : choice.numbers) {
            const auto other = switch_attention(model, choice.text(number));
            QVERIFY2(bool(other) == choice.refusal.empty(), (spec.name + " " + choice.text(number)).c_str());
          }
        }
      }
  }
};

QTEST_GUILESS_MAIN(TestAcceptanceSwitch)
#include "test_acceptance_switch.moc"
