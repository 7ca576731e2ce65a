#include <algorithm>
#include <new>

#include "engine/files/json_text.h"
#include "engine/files/safetensors.h"
#include "engine/trace.h"

namespace cutaway {
namespace {

constexpr int64_t head_block = 64;            // rows of logits made at a time
constexpr int64_t map_block_cells = 1 << 20;  // cells of a map asked for at a time

bool is_map(Role role) { return role == Role::Probs || role == Role::Mask; }
bool is_attention_row(Role role) {
  return role == Role::Q || role == Role::K || role == Role::V || role == Role::Lse || role == Role::Latent;
}
bool is_traced(const Node& node) {
  return is_map(node.role) || is_attention_row(node.role) || node.role == Role::Hidden || node.role == Role::Logits;
}

/// In the file without anybody asking.
bool is_default(Role role, int64_t positions) {
  if (role == Role::Logits || role == Role::Lse || role == Role::Latent) return true;
  return positions <= trace_map_positions ? is_map(role) : role == Role::Q || role == Role::K;
}

/// The nodes whose names the globs pick, in running order.
Result<std::vector<NodeId>> picked(const Graph& graph, const std::vector<std::string>& globs, int64_t positions) {
  std::vector<NodeId> nodes;
  std::vector<bool> used(globs.size());
  for (const Node& node : graph.nodes) {
    if (!is_traced(node)) continue;
    bool take = globs.empty() && is_default(node.role, positions);
    for (size_t i = 0; i < globs.size(); ++i)
      if (glob_matches(globs[i], node.path)) take = used[i] = true;
    if (take) nodes.push_back(node.id);
  }
  for (size_t i = 0; i < globs.size(); ++i)
    if (!used[i]) return error("--tap is \"{}\"; no tensor of this model's trace has such a name", globs[i]);
  return nodes;
}

class TraceWriter {
 public:
  TraceWriter(const SnapshotPtr& step, Progress* progress) : step_(step), progress_(progress), T_(step->positions()) {}

  Result<void> write(const std::string& path, const std::vector<std::string>& globs, std::string_view program) {
    auto nodes = picked(step_->graph(), globs, T_);
    if (!nodes) return nodes.error();
    std::vector<SafetensorsWriter::Entry> entries;
    for (NodeId id : *nodes) {
      const Node& node = step_->graph()[id];
      if (!is_map(node.role) && node.role != Role::Logits && !step_->rows(id))
        return error("{} was not recorded in this run; tap it before running", node.path);
      if (node.role == Role::Logits && !step_->backend) continue;  // a trace has no head to run
      entries.push_back({node.path, node.role == Role::Mask ? DType::U8 : DType::F32, shape_of(node)});
    }
    auto out = SafetensorsWriter::create(path, metadata(program), std::move(entries));
    if (!out) return out.error();
    size_t done = 0;
    for (const auto& entry : out->entries()) {
      if (progress_ && progress_->cancelled) return Error{"cancelled", Fault::Ours};
      if (auto ok = put(step_->graph()[step_->graph().named(entry.name)], *out); !ok) return ok;
      if (progress_) progress_->fraction = static_cast<float>(++done) / static_cast<float>(out->entries().size());
    }
    return out->commit();
  }

 private:
  int64_t vocab() const { return step_->model->spec.vocab_size; }

  /// Tokens of the text that the node's rows count.
  int64_t rows_of(const Node& node) const { return step_->positions(row_axis(node).counts); }

  Shape shape_of(const Node& node) const {
    switch (node.role) {
      case Role::Logits:
        return {T_, vocab()};
      case Role::Mask:
        return {step_->axis(node.id, 0), step_->axis(node.id, 1)};
      case Role::Probs:
        return {node.params.heads, step_->axis(node.id, 0), step_->axis(node.id, 1)};
      case Role::Hidden:
      case Role::Latent:  // one head: (S, r + p)
        return {rows_of(node), row_width(node)};
      case Role::Lse:
        return {row_width(node), rows_of(node)};
      default:
        return {node.shape[0].n, rows_of(node), node.shape[2].n};  // q, k, v: (H, T, Dh)
    }
  }

  std::map<std::string, std::string> metadata(std::string_view program) const {
    using nlohmann::json;
    json attention = json::object();
    const Graph& graph = step_->graph();
    for (NodeId id : graph.with(Role::Probs)) {
      json& entry = attention[graph[id].block];
      entry = {{"scale", graph[id].params.scale}, {"mask", step_->mask_of(id).text()}};
      if (graph[id].params.softcap != 0) entry["softcap"] = graph[id].params.softcap;
    }
    const Objective objective = step_->model->spec.objective;
    const char* name = objective == Objective::CausalLm   ? "causal-lm"
                       : objective == Objective::MaskedLm ? "masked-lm"
                                                          : "embedding";
    const auto text = [](const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); };
    std::map<std::string, std::string> said = {{"format", "cutaway-trace"},
                                               {"version", "1"},
                                               {"model", step_->model->name},
                                               {"backend", step_->backend_name},
                                               {"program", std::string(program)},
                                               {"input_ids", text(step_->ids)},
                                               {"tokens", text(step_->pieces)},
                                               {"attention", text(attention)},
                                               {"objective", name},
                                               {"text", step_->text},
                                               {"n_prompt", std::to_string(step_->n_prompt)}};
    if (!step_->source_ids.empty()) {  // the encoder's text, beside the decoder's
      said["source_ids"] = text(step_->source_ids);
      said["source_tokens"] = text(step_->source_pieces);
    }
    return said;
  }

  Result<void> put(const Node& node, SafetensorsWriter& out) {
    if (node.role == Role::Logits) return put_logits(out);
    if (node.role == Role::Mask) return put_mask(node, out);
    if (node.role == Role::Probs) return put_probs(node, out);
    const int64_t heads = node.role == Role::Hidden ? 1 : node.shape[0].n;
    return put_rows(*step_->rows(node.id), heads, rows_of(node), out);
  }

  /// Rows of n positions, (T, H * width), as (H, T, width).
  Result<void> put_rows(const PagedRows& rows, int64_t heads, int64_t n, SafetensorsWriter& out) {
    const int64_t wide = rows.width(), width = wide / heads;
    if (rows.rows() < n) return error("only {} of {} positions were recorded", rows.rows(), n);
    std::vector<float> all(static_cast<size_t>(n * wide)), one(static_cast<size_t>(n * width));
    if (!step_->backend)
      rows.gather(0, n, all.data());
    else if (auto ok = step_->backend->read(rows, 0, n, all.data()); !ok)
      return ok;
    for (int64_t h = 0; h < heads; ++h) {
      for (int64_t t = 0; t < n; ++t)
        std::copy_n(&all[static_cast<size_t>(t * wide + h * width)], width, &one[static_cast<size_t>(t * width)]);
      if (auto ok = out.append(std::span<const float>(one)); !ok) return ok;
    }
    return {};
  }

  Result<void> put_mask(const Node& node, SafetensorsWriter& out) {
    const MaskRule& rule = step_->masks[static_cast<size_t>(node.params.mask_slot)];
    std::vector<std::byte> row(static_cast<size_t>(step_->axis(node.id, 1)));
    for (int64_t q = 0; q < step_->axis(node.id, 0); ++q) {
      for (size_t k = 0; k < row.size(); ++k) row[k] = std::byte{rule.allowed(q, static_cast<int64_t>(k))};
      if (auto ok = out.append(row); !ok) return ok;
    }
    return {};
  }

  /// A map tile by tile, each cell by itself; a masked cell is written as 0.
  Result<void> put_probs(const Node& node, SafetensorsWriter& out) {
    const int64_t queries = step_->axis(node.id, 0), keys = step_->axis(node.id, 1);
    const int64_t block = std::clamp<int64_t>(map_block_cells / keys, 1, queries);
    for (int64_t head = 0; head < node.params.heads; ++head)
      for (int64_t q = 0; q < queries; q += block) {
        if (progress_ && progress_->cancelled) return Error{"cancelled", Fault::Ours};
        TileRequest request{.step = step_,
                            .probs = node.id,
                            .head = head,
                            .queries = {q, std::min(queries, q + block)},
                            .keys = {0, keys}};
        request.rows = request.queries.size(), request.columns = keys;
        auto tile = step_->backend ? step_->backend->tile(request) : host_tile(request);
        if (!tile) return tile.error();
        for (float& weight : tile->values) weight = std::max(weight, 0.f);
        if (auto ok = out.append(std::span<const float>(tile->values)); !ok) return ok;
      }
    return {};
  }

  Result<void> put_logits(SafetensorsWriter& out) {
    const NodeId hidden = step_->graph().last_hidden;
    auto plan = step_->backend->compile(step_->model, default_taps(step_->graph()));  // its weights are up already
    if (!plan) return plan.error();
    std::vector<float> rows(static_cast<size_t>(std::min(T_, head_block) * vocab()));
    for (int64_t begin = 0; begin < T_; begin += head_block) {
      const int64_t end = std::min(T_, begin + head_block);
      if (auto ok = (*plan)->head(*step_->rows(hidden), begin, end, rows.data()); !ok) return ok;
      if (auto ok = out.append(std::span<const float>(rows).first(static_cast<size_t>((end - begin) * vocab()))); !ok)
        return ok;
    }
    return {};
  }

  SnapshotPtr step_;
  Progress* progress_;
  int64_t T_;
};

}  // namespace

bool glob_matches(std::string_view glob, std::string_view name) {
  size_t g = 0, n = 0, star = std::string_view::npos, from = 0;  // after a star: try again one character later
  while (n < name.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = g++;
      from = n;
    } else if (g < glob.size() && (glob[g] == '?' || glob[g] == name[n])) {
      ++g, ++n;
    } else if (star != std::string_view::npos) {
      g = star + 1;
      n = ++from;
    } else {
      return false;
    }
  }
  return glob.find_first_not_of('*', g) == std::string_view::npos;
}

Result<Taps> trace_taps(const Graph& graph, const std::vector<std::string>& globs, int64_t positions) {
  auto nodes = picked(graph, globs, positions);
  if (!nodes) return nodes.error();
  Taps taps = default_taps(graph);
  for (NodeId id : *nodes)
    if (!is_map(graph[id].role) && graph[id].role != Role::Logits && graph[id].op != Op::cache) taps.insert(id);
  return taps;
}

Result<void> write_trace(const SnapshotPtr& step, const std::string& path, const std::vector<std::string>& globs,
                         std::string_view program, Progress* progress) {
  assert(step);
  try {
    return TraceWriter(step, progress).write(path, globs, program);
  } catch (const std::bad_alloc&) {
    return machine_error("{}: not enough memory to write a trace of {} positions", path, step->positions());
  }
}

}  // namespace cutaway
