// One tile of an attention map, computed on the device from recorded q, k and log-sum-exp.
#include <algorithm>

#include "engine/position_bias.h"
#include "gpu/vulkan/backend.h"
#include "gpu/vulkan/pushes.h"

namespace cutaway {
namespace {

/// As tile.glsl declares it.
struct TileJob {
  uint64_t q = 0, k = 0, lse = 0, bits = 0, left = 0, peaks = 0, values = 0, row_max = 0, map_max = 0, bias = 0;
  MaskPush mask;
  uint32_t query_begin = 0, query_end = 0, key_begin = 0, key_end = 0, rows = 0, columns = 0, recorded = 0, keys = 0;
  uint32_t heads = 0, kv_heads = 0, head_dim = 0, head_first = 0, head_last = 0, combine = 0, mean = 0;
  uint32_t without_sink = 0, peaks_from_values = 0;
  float scale = 0, softcap = 0;
  uint32_t bias_stride = 0, bias_zero = 0;
};

uint32_t narrow(int64_t n) {
  assert(n >= 0 && n <= INT32_MAX);
  return static_cast<uint32_t>(n);
}

/// The job less its addresses.
TileJob sizes_of(const TileRequest& request, const PagedRows& q, const PagedRows& k, const PagedRows& lse) {
  const Snapshot& step = *request.step;
  const Params& p = step.graph()[request.probs].params;
  const bool one = request.heads == Heads::One;
  TileJob job;
  job.mask = mask_push(step.mask_of(request.probs));
  job.query_begin = narrow(request.queries.begin), job.query_end = narrow(request.queries.end);
  job.key_begin = narrow(request.keys.begin), job.key_end = narrow(request.keys.end);
  job.rows = narrow(request.rows), job.columns = narrow(request.columns);
  job.recorded = narrow(std::min(q.rows(), lse.rows()));
  job.keys = narrow(std::min(step.axis(request.probs, 1), k.rows()));
  job.heads = narrow(p.heads), job.kv_heads = narrow(p.kv_heads), job.head_dim = narrow(p.head_dim);
  job.head_first = one ? narrow(request.head) : 0;
  job.head_last = one ? narrow(request.head) + 1 : job.heads;
  job.combine = static_cast<uint32_t>(request.heads);
  job.mean = request.reduce == Reduce::Mean;
  job.without_sink = request.without_sink;
  job.peaks_from_values = request.rows == request.queries.size() && request.columns == request.keys.size() &&
                          job.key_begin == 0 && job.key_end >= job.keys;
  job.scale = p.scale, job.softcap = p.softcap;
  return job;
}

/// Where the tile's numbers lie in one buffer: values, row_max, map_max, then what only the passes use.
struct Layout {
  size_t values, row_max, map_max, peaks, left, end;
  explicit Layout(const TileJob& job) {
    const auto floats = [](uint64_t n) { return n * sizeof(float); };
    const uint64_t queries = job.query_end - job.query_begin;
    values = 0;
    row_max = values + floats(uint64_t{job.rows} * job.columns);
    map_max = row_max + floats(job.rows);
    peaks = map_max + floats(1);
    left = peaks + floats(queries);
    end = left + (job.without_sink ? floats(queries * job.heads) : 0);
  }
};

void dispatch(Work& work, const TileJob& job, uint64_t job_address) {
  const TilePush push{.job = job_address};
  const uint32_t fours = job.head_dim % 4 == 0;
  const uint32_t queries = job.query_end - job.query_begin, columns = job.key_end - job.key_begin;
  const double cell = 2. * job.head_dim * (job.head_last - job.head_first) + 20;
  if (job.without_sink)
    work.dispatch("tile_left.comp", {fours}, push, groups_of(uint64_t{queries} * job.heads),
                  (2. * job.head_dim + 20) * queries * job.heads);
  if (job.rows == queries && job.columns == columns) {
    const uint64_t blocks = uint64_t{(job.rows + 3) / 4} * ((job.columns + 3) / 4);
    work.dispatch("tile_exact.comp", {fours}, push, groups_of(blocks), cell * queries * columns);
  } else {
    work.dispatch("tile_cells.comp", {fours}, push, groups_of(uint64_t{job.rows} * job.columns),
                  cell * queries * columns);
  }
  work.dispatch("tile_peaks.comp", {fours}, push, queries, (job.peaks_from_values ? 1 : cell) * queries * job.keys);
  work.dispatch("tile_max.comp", {fours}, push, 1, queries);
}

}  // namespace

Result<DeviceTilePtr> compute_tile(Device& device, const TileRequest& request, Progress* progress) {
  assert(request.step && request.rows > 0 && request.columns > 0 && request.rows < 65536 && request.columns < 65536);
  const Snapshot& step = *request.step;
  const Node& probs = step.graph()[request.probs];
  const PagedRows *q = step.rows(probs.inputs[0]), *k = step.rows(probs.inputs[1]), *lse = step.rows(probs.inputs[2]);
  if (!q || !k || !lse) return error("{} was not recorded", probs.path);

  TileJob job = sizes_of(request, *q, *k, *lse);
  const Layout at(job);
  auto buffer = device.buffer(at.end, MemoryKind::Device, "an attention tile");
  if (!buffer) return buffer.error();
  Uploads uploads(device);
  const MaskRule& rule = step.mask_of(request.probs);
  job.q = uploads.table(*q), job.k = uploads.table(*k), job.lse = uploads.table(*lse);
  if (rule.bits) job.bits = uploads.put(rule.bits->words.data(), rule.bits->words.size() * sizeof(uint32_t));
  if (probs.inputs.size() > 3) {
    const int64_t queries = step.axis(request.probs, 0), distances = queries + step.axis(request.probs, 1) - 1;
    const auto bias = position_bias(*step.model, step.graph()[probs.inputs[3]], 1 - queries, distances);
    job.bias = uploads.put(bias.data(), bias.size() * sizeof(float));
    job.bias_stride = narrow(distances), job.bias_zero = narrow(queries - 1);
  }
  const uint64_t base = (*buffer)->address;
  job.values = base + at.values, job.row_max = base + at.row_max, job.map_max = base + at.map_max;
  job.peaks = base + at.peaks, job.left = base + at.left;
  const uint64_t job_address = uploads.put(&job, sizeof job);
  if (auto ok = uploads.ok(); !ok) return ok.error();

  WorkLease work(device);
  if (!work) return work.error();
  work->begin(progress);
  dispatch(*work, job, job_address);
  if (auto done = work->finish(); !done) return done.error();
  return DeviceTilePtr(
      std::make_shared<DeviceTile>(DeviceTile{request, *std::move(buffer), job.values, job.row_max, job.map_max}));
}

}  // namespace cutaway
