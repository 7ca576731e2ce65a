// The graph is the one truth: its schema counts the parameters that the papers count, its laws the bytes of the cache.
#include <QtTest>

#include <set>

#include "engine/architecture.h"

using namespace cutaway;

namespace {

ModelSpec spec_of(const char* model_type, const char* json) {
  auto config = Config::parse("config.json", json);
  auto spec = architecture_for(model_type)->read_config(*config);
  if (!spec) qFatal("%s", spec.error().text.c_str());
  return *spec;
}

}  // namespace

class TestGraph : public QObject {
  Q_OBJECT
 private slots:
  void d1_parameters() {  // spec dense.md 3.1 and 2.1
    QCOMPARE(build_graph(spec_of("gpt2", "{}")).parameters(), 124'439'808);
    QCOMPARE(build_graph(spec_of("gpt2", R"({"n_embd":1600,"n_layer":48,"n_head":25})")).parameters(), 1'557'611'200);
    ModelSpec bert = spec_of("bert", "{}");
    bert.has_head = false;
    bert.pooling = Pooling::Cls;
    QCOMPARE(build_graph(bert).parameters(), 109'482'240);
  }

  void d14_cache_per_token() {  // GPT-2 XL: 300 KiB a token in fp16
    const Graph graph = build_graph(spec_of("gpt2", R"({"n_embd":1600,"n_layer":48,"n_head":25})"));
    QCOMPARE(graph.cache_values_per_token() * 2, 307'200);
    QCOMPARE(build_graph(spec_of("bert", "{}")).cache_values_per_token(), 0);
  }

  void names_are_the_traces() {
    const Graph graph = build_graph(spec_of("gpt2", R"({"n_embd":8,"n_layer":2,"n_head":2,"vocab_size":9})"));
    for (const char* path :
         {"hidden.embed", "hidden.0", "hidden.1", "layers.1.attn.q", "layers.1.attn.k", "layers.1.attn.v",
          "layers.1.attn.lse", "layers.1.attn.mask", "layers.1.attn.probs", "logits"})
      QVERIFY2(graph.named(path) != no_node, path);
    QCOMPARE(graph.in("layers.1.attn", Role::Probs), graph.named("layers.1.attn.probs"));
    QCOMPARE(graph.blocks_with(Role::Probs), (std::vector<std::string>{"layers.0.attn", "layers.1.attn"}));
    QCOMPARE(graph.last_hidden, graph.named("hidden.1"));
  }

  void nodes_come_after_their_inputs_and_paths_are_unique() {
    for (const Architecture& architecture : architectures())
      for (const ModelSpec& spec : architecture.corners()) {
        const Graph graph = build_graph(spec);
        std::set<std::string> paths;
        for (const Node& node : graph.nodes) {
          for (NodeId input : node.inputs) QVERIFY(input < node.id);
          QVERIFY2(paths.insert(node.path).second, node.path.c_str());
        }
        for (const TensorSchema& tensor : graph.schema)
          QVERIFY2(!architecture.source(spec, tensor.name).names.empty(), tensor.name.c_str());
      }
  }

  void gpt2_undoes_the_fused_transposed_projection() {
    const ModelSpec spec = spec_of("gpt2", R"({"n_embd":8,"n_layer":1,"n_head":2,"vocab_size":9})");
    const Architecture& gpt2 = architecture_named("gpt2");
    const TensorSource v = gpt2.source(spec, "layers.0.attn.v_proj.weight");
    QCOMPARE(v.names[0], std::string("transformer.h.0.attn.c_attn.weight"));
    QVERIFY(v.transposed);
    QCOMPARE(v.row_begin, 16);
    QCOMPARE(v.rows, 8);
    QVERIFY(!gpt2.source(spec, "layers.0.attn.v_proj.bias").transposed);
    QVERIFY(!gpt2.source(spec, "wte.weight").transposed);
    QVERIFY(!architecture_named("nanogpt").source(spec, "layers.0.mlp.c_fc.weight").transposed);
  }

  void contradictory_configs_are_refused_with_both_numbers() {
    for (const auto& [type, json] : {std::pair{"gpt2", R"({"n_embd":10,"n_head":4})"},
                                     {"gpt2", R"({"n_head":0})"},
                                     {"gpt2", R"({"activation_function":"swoosh"})"},
                                     {"nanogpt", R"({"n_embd":8})"},
                                     {"bert", R"({"position_embedding_type":"relative_key"})"},
                                     {"bert", R"({"is_decoder":true})"},
                                     {"bert", R"({"layer_norm_eps":-1e-12})"},
                                     {"gpt2", R"({"layer_norm_epsilon":-1})"},
                                     {"gpt2", R"({"add_cross_attention":true})"}}) {
      auto config = Config::parse("config.json", json);
      QVERIFY(config);
      const auto spec = architecture_for(type)->read_config(*config);
      QVERIFY2(!spec, json);
      QVERIFY(spec.error().text.starts_with("config.json"));
    }
  }
};

QTEST_APPLESS_MAIN(TestGraph)
#include "test_graph.moc"
