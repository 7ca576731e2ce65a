// Caches that are stored as something else than fp32: what they weigh, to the byte; what they do to the logits; and
// that everything that reads them (attention, maps, read(), steps back) sees the same numbers.
#include <QFile>
#include <QTemporaryDir>
#include <QTest>

#include "engine/footprint.h"
#include "engine/session.h"

using namespace cutaway;

namespace {

constexpr DType cache_types[] = {DType::F32, DType::F16, DType::BF16, DType::F8_E4M3, DType::Q8_0, DType::Q4_0};

/// A folder with that config.json and weights at random.
ModelPtr model_of(const char* config) {
  QTemporaryDir dir;
  QFile file(dir.filePath("config.json"));
  if (!file.open(QIODevice::WriteOnly) || file.write(config) < 0) qFatal("not written");
  file.close();
  const auto model = open_model(dir.path().toStdString(), {.random_seed = 5});
  if (!model) qFatal("%s", model.error().text.c_str());
  return *model;
}

/// Two layers of 4 query heads over 2 heads of 64.
ModelPtr grouped(int head_dim = 64) {
  return model_of(qPrintable(QString(R"({"model_type":"llama","hidden_size":96,"intermediate_size":64,
      "num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":%1,
      "max_position_embeddings":256,"vocab_size":97})")
                                 .arg(head_dim)));
}
/// The same, seeing 24 tokens.
ModelPtr windowed() {
  return model_of(R"({"model_type":"mistral","hidden_size":96,"intermediate_size":64,"num_hidden_layers":2,
      "num_attention_heads":4,"num_key_value_heads":2,"head_dim":64,"max_position_embeddings":256,"vocab_size":97,
      "sliding_window":24})");
}
/// Two layers that keep a latent of 64 and 16 numbers that turn.
ModelPtr latent() {
  return model_of(R"({"model_type":"deepseek_v3","hidden_size":96,"intermediate_size":64,"num_hidden_layers":2,
      "num_attention_heads":4,"num_key_value_heads":4,"q_lora_rank":null,"kv_lora_rank":64,"qk_nope_head_dim":32,
      "qk_rope_head_dim":16,"v_head_dim":32,"first_k_dense_replace":2,"n_routed_experts":null,
      "max_position_embeddings":256,"vocab_size":97})");
}

std::vector<int32_t> some_ids(int64_t n, int64_t vocab) {
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < n; ++i) ids.push_back(static_cast<int32_t>((i * 7919 + i * i * 31 + 3) % vocab));
  return ids;
}

std::unique_ptr<Session> session_of(const ModelPtr& model, DType cache, std::shared_ptr<Backend> on = nullptr) {
  auto session = Session::start(model, on ? on : make_cpu_backend(2), {.cache = cache});
  if (!session) qFatal("%s", session.error().text.c_str());
  return std::move(*session);
}

/// max|a - b| / max(1, max|b|)
double difference(const std::vector<float>& got, const std::vector<float>& want) {
  double worst = 0, most = 1;
  for (size_t i = 0; i < want.size(); ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(got[i]) - want[i]));
    most = std::max(most, std::abs(static_cast<double>(want[i])));
  }
  return worst / most;
}

}  // namespace

class TestCpuCache : public QObject {
  Q_OBJECT

 private:
  void types() {
    QTest::addColumn<DType>("dtype");
    for (DType dtype : cache_types) QTest::newRow(cache_dtype_name(dtype).data()) << dtype;
  }

 private slots:
  void D14_bytes_are_the_law_data() { types(); }
  void D14_bytes_are_the_law() {  // spec 7.1, written out
    QFETCH(DType, dtype);
    const int64_t t = 37;
    const auto bytes = [&](int64_t n) {  // of n neighbours of one head
      switch (dtype) {
        case DType::F32:
          return 4 * n;
        case DType::F16:
        case DType::BF16:
          return 2 * n;
        case DType::F8_E4M3:
          return n;
        case DType::Q8_0:
          return n * 34 / 32;
        default:
          return n * 18 / 32;
      }
    };
    const bool blocks = is_block(dtype);
    const int64_t of_grouped = 2 * 2 * 2 * bytes(64), of_latent = 2 * (blocks ? bytes(64) + 2 * 16 : bytes(80));
    const int64_t scale = dtype == DType::F8_E4M3 ? 4 : 0;  // of each layer, head, and key or value
    for (const auto& [model, per_token, scales] :
         {std::tuple(grouped(), of_grouped, 2 * 2 * 2 * scale), std::tuple(latent(), of_latent, 2 * scale)}) {
      const auto backend = make_cpu_backend(1);
      const auto session = session_of(model, dtype, backend);
      const SnapshotPtr step = *session->read_ids(some_ids(t, 97));
      QCOMPARE(step->cache_used_bytes(), static_cast<size_t>(per_token * t + scales));
      QCOMPARE(step->cache_allocated_bytes(), static_cast<size_t>(per_token * 48 + scales));
      const Footprint law = footprint(*model->graph, {.tokens = t}, {.cache = storage_named(cache_dtype_name(dtype))});
      QCOMPARE(law.used, static_cast<double>(step->cache_used_bytes()));
      QCOMPARE(law.allocated, static_cast<double>(step->cache_allocated_bytes()));
      size_t recorded = 0;
      for (const auto& [id, rows] : step->recording) recorded += rows.allocated_bytes();
      QCOMPARE(backend->arena()->live_bytes(), static_cast<size_t>(per_token * 48 + scales) + recorded);
      QCOMPARE(step->arena_bytes, backend->arena()->live_bytes());
    }
  }

  /// mini-gpt on 512 tokens: q8_0 beside fp16, fp16 beside fp32, and the rest in its order.
  void D15_quantised_cache() {
    const auto opened = open_model(CUTAWAY_SOURCE_DIR "/assets/models/mini-gpt", {});
    QVERIFY2(opened, opened ? "" : opened.error().text.c_str());
    const ModelPtr model = *opened;
    std::string text;
    for (int i = 0; i < 60; ++i)
      text += fmt::format("In room {} she found the {} key, and went on. ", i, i % 3 ? "red" : "old");
    std::vector<int32_t> ids = model->tokenizer->encode(text, false)->ids;
    QVERIFY(ids.size() >= 512);
    ids.resize(512);
    const int64_t V = model->spec.vocab_size;
    std::map<DType, std::vector<float>> logits;
    for (DType dtype : cache_types) {
      const auto session = session_of(model, dtype);
      QVERIFY(session->read_ids(ids));
      logits[dtype].resize(static_cast<size_t>(512 * V));
      QVERIFY(session->logits(0, 512, logits[dtype].data()));
    }
    const auto off = [&](DType got, DType want) { return difference(logits[got], logits[want]); };
    const double q8 = off(DType::Q8_0, DType::F16), f16 = off(DType::F16, DType::F32);
    qInfo("q8_0 to fp16 %.2g; to fp32: fp16 %.2g, bf16 %.2g, fp8 %.2g, q8_0 %.2g, q4_0 %.2g", q8, f16,
          off(DType::BF16, DType::F32), off(DType::F8_E4M3, DType::F32), off(DType::Q8_0, DType::F32),
          off(DType::Q4_0, DType::F32));
    QVERIFY(q8 > 0 && q8 <= 2e-2);
    QVERIFY(f16 > 0 && f16 <= 2e-3);
    QVERIFY(off(DType::BF16, DType::F32) <= 2e-2 && off(DType::F8_E4M3, DType::F32) <= 0.2);
    QVERIFY(off(DType::Q4_0, DType::F32) > q8);
  }

  void steps_back_give_the_same_bits_data() { types(); }
  void steps_back_give_the_same_bits() {
    QFETCH(DType, dtype);
    for (const ModelPtr& model : {grouped(), windowed(), latent()}) {
      const auto session = session_of(model, dtype);
      QVERIFY(session->read_ids(some_ids(33, 97)));
      std::vector<std::vector<float>> went;
      for (int i = 0; i < 20; ++i) went.push_back((*session->append(5 + i))->logits);
      QVERIFY(session->back(12));
      for (size_t i = 8; i < 12; ++i) QVERIFY((*session->append(static_cast<int32_t>(5 + i)))->logits == went[i]);
      QVERIFY(session->append(90));  // another way: the last page forks
      QVERIFY(session->append(91));
      QVERIFY(session->back(2));
      QVERIFY((*session->append(17))->logits == went[12]);
      QVERIFY((*session->append(18))->logits == went[13]);
    }
  }

  /// What one pass of all tokens says, passes of one token say as well: the cache is read, not what was put into it.
  void at_once_and_step_by_step_data() { types(); }
  void at_once_and_step_by_step() {
    QFETCH(DType, dtype);
    for (const ModelPtr& model : {grouped(), windowed(), latent()}) {
      const std::vector<int32_t> ids = some_ids(60, 97);
      const auto slow = session_of(model, dtype), fast = session_of(model, dtype);
      QVERIFY(slow->read_ids({ids.begin(), ids.begin() + 20}));
      for (size_t i = 20; i < ids.size(); ++i) QVERIFY(slow->append(ids[i]));
      const double off = difference(slow->now()->logits, (*fast->read_ids(ids))->logits);
      // A value on the edge of two steps of the type may fall either way after other sums.
      QVERIFY2(off <= (dtype == DType::F32 ? 1e-5 : 2e-3), qPrintable(QString::number(off)));
    }
  }

  void maps_and_reads_data() { types(); }
  void maps_and_reads() {
    QFETCH(DType, dtype);
    const int64_t T = 40;
    for (const ModelPtr& model : {grouped(), windowed(), latent()}) {
      const auto session = session_of(model, dtype);
      const SnapshotPtr step = *session->read_ids(some_ids(T, 97));
      for (const NodeId probs : model->graph->with(Role::Probs))
        for (int64_t head = 0; head < model->graph->nodes[static_cast<size_t>(probs)].params.heads; ++head) {
          const auto tile = step->backend->tile(
              {.step = step, .probs = probs, .head = head, .queries = {0, T}, .keys = {0, T}, .rows = T, .columns = T});
          QVERIFY(tile);
          for (int64_t q = 0; q < T; ++q) {
            double sum = 0;
            for (int64_t k = 0; k < T; ++k) sum += std::max(0.f, tile->values[static_cast<size_t>(q * T + k)]);
            QVERIFY2(std::abs(sum - 1) < 1e-5, qPrintable(QString("row %1 sums to %2").arg(q).arg(sum)));
          }
        }
      for (const auto& [id, rows] : step->state) {
        std::vector<float> got(static_cast<size_t>(rows.width()), NAN);
        QVERIFY(step->backend->read(rows, T - 1, T, got.data()));
        std::vector<std::byte> again(rows.row_bytes());
        std::vector<float> twice(got.size());
        encode_row(rows.format(), rows.scales(), got.data(), again.data());
        decode_row(rows.format(), rows.scales(), again.data(), twice.data());
        QVERIFY(difference(twice, got) <= (dtype == DType::F32 ? 0 : 2e-3));
        QVERIFY(std::ranges::any_of(got, [](float value) { return value != 0; }));
      }
    }
  }

  void formats_round_to_nearest() {
    const float x[] = {0, -0.f, 448, -448, 1, 1.0625f, 1.1875f, 0.001f, -300, 3e-6f};
    const RowFormat f8{DType::F8_E4M3, 1, 10};
    const float one = 1, half = 0.5f;
    std::byte row[10];
    float y[10];
    encode_row(f8, &one, x, row);
    decode_row(f8, &one, row, y);
    const float want[] = {0, 0,     448,          -448, 1,
                          1, 1.25f, 0.001953125f, -288, 0};  // ties to even; steps of 2^-9 below 2^-6
    for (int i = 0; i < 10; ++i) QCOMPARE(y[i], want[i]);
    encode_row(f8, &half, x, row);
    decode_row(f8, &half, row, y);
    QCOMPARE(y[2], 224.f);  // as far as it goes
    QCOMPARE(y[7], 0.0009765625f);
    float scale = 0;
    fit_scales({DType::F8_E4M3, 1, 5}, x, 2, &scale);  // 448 and less: of 2^9, less the seven powers that are left
    QCOMPARE(scale, 4.f);
    for (const RowFormat& format : {RowFormat{DType::F8_E4M3, 1, 32}, RowFormat{DType::Q8_0, 1, 32},
                                    RowFormat{DType::Q4_0, 1, 32}, RowFormat{DType::F16, 1, 32}})
      for (const float bad : {NAN, INFINITY}) {  // it has to reach the logits, where it is refused
        std::vector<float> in(32, 0.5f), out(32);
        in[7] = bad;
        std::vector<std::byte> bytes(format.row_bytes());
        encode_row(format, &one, in.data(), bytes.data());
        decode_row(format, &one, bytes.data(), out.data());
        QVERIFY(!std::isfinite(out[7]));
      }
  }

  void refused() {
    const auto narrow = Session::start(grouped(80), make_cpu_backend(1), {.cache = DType::Q8_0});
    QVERIFY(!narrow);
    const QString why = QString::fromStdString(narrow.error().text);
    QVERIFY2(why.endsWith("a head is 80 numbers wide; a q8_0 cache stores blocks of 32, so a multiple of 32 is needed"),
             qPrintable(why));
    QVERIFY2(why.startsWith("layers.0.attn."), qPrintable(why));
    QVERIFY(Session::start(grouped(80), make_cpu_backend(1), {.cache = DType::F8_E4M3}));
  }
};

QTEST_APPLESS_MAIN(TestCpuCache)
#include "test_cpu_cache.moc"
