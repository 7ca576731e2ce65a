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

Taps all_taps(const Graph& graph) {
  Taps taps = default_taps(graph);
  for (Role role : {Role::Q, Role::K, Role::V, Role::Lse, Role::Context, Role::Hidden})
    for (NodeId id : graph.with(role)) taps.insert(id);
  return taps;
}

Result<Run> run(const std::shared_ptr<Backend>& backend, const ModelPtr& model, const Taps& taps,
                const std::vector<int32_t>& ids, const MaskRule& mask, int64_t piece) {
  return run(backend, model, taps, ids, std::vector<MaskRule>(model->spec.masks.size(), mask), piece);
}

Result<Run> run(const std::shared_ptr<Backend>& backend, const ModelPtr& model, const Taps& taps,
                const std::vector<int32_t>& ids, const std::vector<MaskRule>& masks, int64_t piece) {
  auto plan = backend->compile(model, taps);
  if (!plan) return plan.error();
  auto step = std::make_shared<Snapshot>();
  step->model = model;
  step->backend = backend;
  step->ids = ids;
  step->masks = masks;
  step->state = empty_state(*model->graph, backend->arena());
  step->recording = empty_recording(*model->graph, taps, backend->arena());
  Run result;
  const int64_t n = static_cast<int64_t>(ids.size());
  for (int64_t past = 0; past < n;) {
    const int64_t t = piece ? std::min(piece, n - past) : n;
    Feed feed{.ids = std::span(ids).subspan(static_cast<size_t>(past), static_cast<size_t>(t)),
              .past = past,
              .masks = step->masks};
    if (model->graph->logits != no_node) feed.logits_begin = past, feed.logits_end = past + t;
    Output out;
    if (auto ran = (*plan)->run(feed, step->state, step->recording, out); !ran) return ran.error();
    result.logits.insert(result.logits.end(), out.logits.begin(), out.logits.end());
    result.pooled = out.pooled;
    past += t;
  }
  for (NodeId id : taps) {
    const PagedRows* rows = step->rows(id);
    if (!rows || rows->rows() != n)
      return error("{} has {} rows, not {}", (*model->graph)[id].path, rows ? rows->rows() : -1, n);
    std::vector<float>& values = result.rows[(*model->graph)[id].path];
    values.resize(rows->used_bytes() / sizeof(float));
    if (auto read = backend->read(*rows, 0, n, values.data()); !read) return read.error();
  }
  result.step = step;
  return result;
}

Result<std::vector<float>> probs(const Run& run, NodeId node, int64_t head) {
  const int64_t n = run.step->positions();
  const auto tile = run.step->backend->tile(
      {.step = run.step, .probs = node, .head = head, .queries = {0, n}, .keys = {0, n}, .rows = n, .columns = n});
  if (!tile) return tile.error();
  return tile->values;
}

std::vector<double> as_rows(const Values& values) {
  const std::vector<int64_t>& shape = values.shape;
  if (shape.size() < 2) return values.at;
  const bool per_head = shape.size() == 3;  // (H, T, Dh); otherwise lse (H, T)
  const int64_t H = shape[0], T = shape[1], width = per_head ? shape[2] : 1;
  std::vector<double> rows(values.at.size());
  for (int64_t h = 0; h < H; ++h)
    for (int64_t t = 0; t < T; ++t)
      for (int64_t d = 0; d < width; ++d) rows[(t * H + h) * width + d] = values.at[(h * T + t) * width + d];
  return rows;
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
