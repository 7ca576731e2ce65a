// Two texts in one graph on the device: an encoder that runs in the first pass only, a decoder that looks at it, and
// every way of telling positions, against the interpreter in double precision and against the tiles of the host.
#include "tests/gpu/gpu_test.h"

#include "engine/builder.h"
#include "engine/session.h"
#include "tests/support/interpreter.h"
#include "tests/support/run.h"

using namespace cutaway;

namespace {

constexpr int64_t D = 24, H = 4, Hkv = 2, V = 61, T = 21;
enum Slot { encoder_slot, decoder_slot, cross_slot };

/// q, k and v of one attention, whose keys and values may come from the other text.
struct Look {
  const char* block;
  NodeId from = no_node, bias = no_node;
  float softcap = 0;
  int rope = -1, slot = 0;
  bool cached = false;
};

NodeId attention(Builder& b, NodeId x, const Look& look) {
  const auto scope = b.block(look.block);
  NodeId q = b.rotary(b.split_heads(b.linear(x, "q_proj", D, D, true), H), look.rope);
  NodeId k = b.rotary(b.split_heads(b.linear(look.from, "k_proj", D, Hkv * D / H, true), Hkv), look.rope);
  NodeId v = b.split_heads(b.linear(look.from, "v_proj", D, Hkv * D / H, true), Hkv);
  if (look.cached) k = b.cache(k, look.slot), v = b.cache(v, look.slot);
  b.mark_here(q, Role::Q, "q"), b.mark_here(k, Role::K, "k"), b.mark_here(v, Role::V, "v");
  const NodeId context = b.attend(
      {.q = q, .k = k, .v = v, .bias = look.bias, .scale = 0.4f, .softcap = look.softcap, .mask_slot = look.slot});
  return b.add(x, b.linear(b.merge_heads(context), "o_proj", D, D, true));
}

ModelPtr two_texts() {
  auto model = std::make_shared<Model>();
  ModelSpec& spec = model->spec;
  spec.name = "two texts";
  spec.vocab_size = V, spec.d_model = D, spec.n_ctx = 64;
  spec.layers.resize(1), spec.encoder_layers.resize(1);
  spec.masks = {{MaskRule::Kind::Bidirectional, 0, nullptr}, {}, {MaskRule::Kind::Bidirectional, 0, nullptr}};
  spec.ropes = {{.width = D / H}};
  spec.relative_buckets = 8, spec.relative_max_distance = 12;
  Builder b(spec);
  NodeId source = no_node;
  {
    const auto stack = b.stack(Counts::EncoderTokens);
    source = b.scale(b.embedding(b.tokens(), "embed", V, D), 1.5f);
    source = b.add(source, b.sinusoid(b.positions(), D, true));
    b.mark(source, Role::Hidden, "hidden.embed");
    const NodeId bias = b.relative_bias("relative", H, true);
    source = attention(b, source, {.block = "attn", .from = source, .bias = bias, .rope = 0, .slot = encoder_slot});
    b.mark(source = b.rms_norm(source, "norm"), Role::Hidden, "hidden.0");
  }
  const auto stack = b.stack(Counts::DecoderTokens);
  NodeId x = b.add(b.embedding(b.tokens(), "embed", V, D), b.sinusoid(b.positions(1), D, false));
  x = b.add(x, b.embedding(b.positions(2), "embed_positions", T + 2, D));
  b.mark(x, Role::Hidden, "hidden.embed");
  const NodeId bias = b.relative_bias("relative", H, false);
  x = attention(
      b, x, {.block = "self", .from = x, .bias = bias, .softcap = 3, .rope = 0, .slot = decoder_slot, .cached = true});
  x = attention(b, x, {.block = "cross", .from = source, .slot = cross_slot, .cached = true});
  b.mark(x = b.layer_norm(x, "norm"), Role::Hidden, "hidden.0");
  b.unembed(b.take_rows(x), "head", D, V);
  model->graph = std::make_shared<const Graph>(b.finish());
  model->weights = random_weights(*model->graph, 3, DType::F32, 0.2f);
  return model;
}

}  // namespace

class TestStreams : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase();
  void as_the_interpreter_data();
  void as_the_interpreter();
  void tiles_as_the_host();
  void long_positions_are_refused();
  void cleanup() { QVERIFY2(complaints().isEmpty(), complaints()); }
  void cleanupTestCase() {
    device_.reset();
    by_groups_.reset();
    test_device_slot().reset();
  }

 private:
  const ModelPtr model_ = two_texts();
  std::shared_ptr<Backend> device_, by_groups_;
};

void TestStreams::initTestCase() {
  NEED_DEVICE();
  device_ = *make_vulkan_backend(test_device());
  by_groups_ = std::make_shared<VulkanBackend>(test_device(), VulkanBackend::Attend::ByGroups);
}

void TestStreams::as_the_interpreter_data() {
  QTest::addColumn<int>("piece");
  QTest::addColumn<int>("source");
  for (int piece : {0, 1, 8})
    for (int source : {1, 17, 40}) QTest::addRow("pieces of %d after %d", piece, source) << piece << source;
}

void TestStreams::as_the_interpreter() {
  NEED_DEVICE();
  QFETCH(int, piece);
  QFETCH(int, source);
  const Graph& graph = *model_->graph;
  const auto ids = tests::random_ids(model_->spec, T), other = tests::random_ids(model_->spec, source, 2);
  const tests::Interpreter want(*model_, ids, model_->spec.masks, other);
  const auto rows = [&](NodeId id) { return want.rows[static_cast<size_t>(id)]; };
  for (const auto& backend : {device_, by_groups_}) {
    const auto got = tests::run(backend, model_, tests::all_taps(graph), ids, model_->spec.masks, piece, other);
    QVERIFY2(got, got ? "" : got.error().text.c_str());
    WITHIN(got->logits, rows(graph.logits), 1e-5);
    for (const auto& [path, values] : got->rows) WITHIN(values, rows(graph.named(path)), 1e-5);
    for (NodeId map : graph.with(Role::Probs)) {
      const std::vector<double> all = rows(map);
      const auto cells = static_cast<int64_t>(all.size()) / H;
      for (int64_t head = 0; head < H; ++head) {
        auto tile = tests::probs(*got, map, head);
        QVERIFY2(tile, tile ? "" : tile.error().text.c_str());
        for (float& p : *tile) p = p == masked_cell ? 0 : p;
        WITHIN(*tile, std::vector<double>(all.begin() + head * cells, all.begin() + (head + 1) * cells), 1e-5);
      }
    }
  }
}

/// Reduced, over heads, without the sink: softcap, bias and the other text's keys in each shader of a tile.
void TestStreams::tiles_as_the_host() {
  NEED_DEVICE();
  const Graph& graph = *model_->graph;
  const auto ids = tests::random_ids(model_->spec, T), source = tests::random_ids(model_->spec, 33, 2);
  const auto on = [&](const std::shared_ptr<Backend>& backend) {
    return tests::run(backend, model_, default_taps(graph), ids, model_->spec.masks, 0, source);
  };
  const auto there = on(device_), here = on(make_cpu_backend(1));
  QVERIFY(there && here);
  for (NodeId map : graph.with(Role::Probs))
    for (Heads heads : {Heads::One, Heads::Mean, Heads::Max})
      for (bool without_sink : {false, true})
        for (int64_t shrink : {1, 3}) {
          TileRequest request{.step = there->step, .probs = map, .head = 1, .heads = heads};
          request.queries = {0, there->step->axis(map, 0)}, request.keys = {0, there->step->axis(map, 1)};
          request.rows = request.queries.size() / shrink, request.columns = request.keys.size() / shrink;
          request.reduce = shrink > 1 ? Reduce::Mean : Reduce::Max;
          request.without_sink = without_sink;
          const auto got = device_->tile(request);
          QVERIFY2(got, got ? "" : got.error().text.c_str());
          request.step = here->step;
          const auto want = host_tile(request);
          QVERIFY(want);
          WITHIN(got->values, want->values, 1e-5);
          WITHIN(got->row_max, want->row_max, 1e-5);
        }
}

/// Positions begin at 2, so the table is full two tokens earlier than its length says.
void TestStreams::long_positions_are_refused() {
  NEED_DEVICE();
  const auto ids = tests::random_ids(model_->spec, T + 1), source = tests::random_ids(model_->spec, 5);
  const auto ran = tests::run(device_, model_, {}, ids, model_->spec.masks, 0, source);
  QVERIFY(!ran);
  QVERIFY2(ran.error().text.find("22 tokens") != std::string::npos && ran.error().text.find("21") != std::string::npos,
           ran.error().text.c_str());
}

QTEST_APPLESS_MAIN(TestStreams)
#include "test_streams.moc"
