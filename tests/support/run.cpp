#include "tests/support/run.h"

#include <cmath>
#include <limits>
#include <random>

namespace cutaway::tests {

ModelPtr random_model(const ModelSpec& spec, uint64_t seed) {
  auto model = std::make_shared<Model>();
  model->name = spec.name;
  model->spec = spec;
  model->graph = std::make_shared<const Graph>(build_graph(spec));
  model->weights = random_weights(*model->graph, seed, DType::F32, 0.15f);
  model->random_weights = true;
  return model;
}

std::vector<int32_t> random_ids(const ModelSpec& spec, int64_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<int32_t> id(0, static_cast<int32_t>(spec.vocab_size) - 1);
  std::vector<int32_t> ids(static_cast<size_t>(n));
  for (int32_t& i : ids) i = id(random);
  return ids;
}

std::vector<int32_t> random_source(const ModelSpec& spec) {
  return spec.encoder_decoder() ? random_ids(spec, 21, 2) : std::vector<int32_t>{};
}

std::vector<MaskRule> under(const Model& model, const MaskRule& mask) {
  std::vector<MaskRule> masks = model.spec.masks;
  for (int slot : model.graph->own_mask_slots()) masks[static_cast<size_t>(slot)] = mask;
  return masks;
}

Taps all_taps(const Graph& graph) {
  Taps taps = default_taps(graph);
  for (Role role : {Role::Q, Role::K, Role::V, Role::Latent, Role::Lse, Role::Context, Role::Hidden})
    for (NodeId id : graph.with(role)) taps.insert(id);
  return taps;
}

Result<Run> run(const std::shared_ptr<Backend>& backend, const ModelPtr& model, const Taps& taps,
                const std::vector<int32_t>& ids, const std::vector<MaskRule>& masks, int64_t piece,
                std::vector<int32_t> source) {
  auto plan = backend->compile(model, taps);
  if (!plan) return plan.error();
  if (source.empty()) source = random_source(model->spec);
  auto step = std::make_shared<Snapshot>();
  step->model = model;
  step->backend = backend;
  step->ids = ids;
  step->source_ids = std::move(source);
  step->masks = masks;
  step->state = empty_state(*model->graph, backend->arena());
  step->recording = empty_recording(*model->graph, taps, backend->arena());
  Run result;
  const int64_t n = static_cast<int64_t>(ids.size());
  for (int64_t past = 0; past < n;) {
    const int64_t t = piece ? std::min(piece, n - past) : n;
    Feed feed{.ids = std::span(ids).subspan(static_cast<size_t>(past), static_cast<size_t>(t)),
              .source_tokens = static_cast<int64_t>(step->source_ids.size()),
              .past = past,
              .masks = step->masks};
    if (past == 0) feed.source = step->source_ids;
    if (model->graph->logits != no_node) feed.logits_begin = past, feed.logits_end = past + t;
    Output out;
    if (auto ran = (*plan)->run(feed, step->state, step->recording, out); !ran) return ran.error();
    result.logits.insert(result.logits.end(), out.logits.begin(), out.logits.end());
    result.pooled = out.pooled;
    past += t;
  }
  for (NodeId id : taps) {
    const Node& node = (*model->graph)[id];
    const PagedRows* rows = step->rows(id);
    const int64_t want = step->positions(stream_of(node));
    if (!rows || rows->rows() != want)
      return error("{} has {} rows, not {}", node.path, rows ? rows->rows() : -1, want);
    std::vector<float>& values = result.rows[node.path];
    values.resize(rows->used_bytes() / sizeof(float));
    if (auto read = backend->read(*rows, 0, want, values.data()); !read) return read.error();
  }
  result.step = step;
  return result;
}

Result<std::vector<float>> probs(const Run& run, NodeId node, int64_t head) {
  const int64_t queries = run.step->axis(node, 0), keys = run.step->axis(node, 1);
  const auto tile = run.step->backend->tile({.step = run.step,
                                             .probs = node,
                                             .head = head,
                                             .queries = {0, queries},
                                             .keys = {0, keys},
                                             .rows = queries,
                                             .columns = keys});
  if (!tile) return tile.error();
  return tile->values;
}

template <class A, class B>
double difference(const std::vector<A>& got, const std::vector<B>& want) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (got.size() != want.size()) return infinity;
  double worst = 0, largest = 1;
  for (size_t i = 0; i < want.size(); ++i) {
    const double a = got[i], b = want[i];
    if (std::isinf(a) && a == b) continue;
    if (!std::isfinite(a) || !std::isfinite(b)) return infinity;
    worst = std::max(worst, std::abs(a - b));
    largest = std::max(largest, std::abs(b));
  }
  return worst / largest;
}

template double difference(const std::vector<float>&, const std::vector<float>&);
template double difference(const std::vector<float>&, const std::vector<double>&);

}  // namespace cutaway::tests
