#include "gpu/vulkan/backend.h"

#include <algorithm>

#include "gpu/vulkan/plan.h"
#include "gpu/vulkan/pushes.h"

namespace cutaway {
namespace {

constexpr size_t staging_bytes = size_t{16} << 20;

uint32_t storage_of(DType dtype) {
  constexpr DType types[] = {DType::F32, DType::F16, DType::BF16, DType::Q8_0, DType::Q4_0, DType::Q4_K, DType::Q6_K};
  const auto found = std::ranges::find(types, dtype);
  assert(found != std::end(types));
  return static_cast<uint32_t>(found - types);
}

}  // namespace

Result<std::shared_ptr<Backend>> make_vulkan_backend(std::shared_ptr<Device> device) {
  return std::shared_ptr<Backend>(std::make_shared<VulkanBackend>(std::move(device)));
}

Result<std::shared_ptr<const DeviceWeights>> upload_weights(Device& device, const ModelPtr& model) {
  auto staging = device.buffer(staging_bytes, MemoryKind::Upload, "sending weights");
  if (!staging) return staging.error();
  WorkLease work(device);
  if (!work) return work.error();
  work->begin(nullptr);
  auto weights = std::make_shared<DeviceWeights>();
  weights->model = model;
  size_t staged = 0;
  for (size_t i = 0; i < model->graph->schema.size(); ++i) {
    const TensorView tensor = model->weights->tensor(static_cast<int>(i));
    if (!tensor.data) return machine_error("out of memory: {} can't be made", model->graph->schema[i].name);
    if (tensor.size() > INT32_MAX)
      return machine_error("{} has {} numbers; the Vulkan backend holds tensors below 2147483648",
                           model->graph->schema[i].name, tensor.size());
    auto buffer = device.buffer(tensor.bytes(), MemoryKind::Device, "the weights");
    if (!buffer) return buffer.error();
    for (size_t done = 0; done < tensor.bytes();) {
      if (staged == staging_bytes) {
        if (auto sent = work->finish(); !sent) return sent.error();
        staged = 0;
      }
      const size_t bytes = std::min(tensor.bytes() - done, staging_bytes - staged);
      std::memcpy((*staging)->host + staged, tensor.data + done, bytes);
      work->copy(**staging, staged, **buffer, done, bytes);
      staged += bytes, done += bytes;
    }
    staged = std::min(staging_bytes, (staged + 15) / 16 * 16);
    weights->tensors.push_back({*std::move(buffer), storage_of(tensor.dtype)});
  }
  if (auto sent = work->finish(); !sent) return sent.error();
  return std::shared_ptr<const DeviceWeights>(weights);
}

Result<std::shared_ptr<const DeviceWeights>> VulkanBackend::weights_of(const ModelPtr& model) {
  std::lock_guard lock(weights_mutex_);
  std::erase_if(weights_, [](const auto& entry) { return entry.second.expired(); });
  if (const auto known = weights_.find(model.get()); known != weights_.end())
    if (auto here = known->second.lock()) return here;
  auto made = upload_weights(*device_, model);
  if (made) weights_[model.get()] = *made;
  return made;
}

Result<std::unique_ptr<Plan>> VulkanBackend::compile(ModelPtr model, const Taps& taps) {
  assert(model && model->graph && model->weights);
  if (auto ok = VulkanPlan::supports(*model->graph); !ok) return ok.error();
  auto weights = weights_of(model);
  if (!weights) return weights.error();
  return std::unique_ptr<Plan>(std::make_unique<VulkanPlan>(shared_from_this(), *std::move(weights), taps));
}

Result<void> VulkanBackend::read_back(Work& work, const Buffer& from, size_t offset, size_t bytes, void* out) {
  auto landing = device_->buffer(bytes, MemoryKind::Download, "reading back");
  if (!landing) return landing.error();
  work.copy(from, offset, **landing, 0, bytes);
  if (auto done = work.finish(); !done) return done;
  std::memcpy(out, (*landing)->host, bytes);
  bytes_read_back_ += bytes;
  return {};
}

Result<void> VulkanBackend::read(const PagedRows& rows, int64_t begin, int64_t end, float* out) {
  assert(begin >= 0 && begin <= end && end <= rows.rows());
  const size_t width = rows.row_bytes() / sizeof(float);
  if (begin == end || width == 0) return {};
  WorkLease work(*device_);
  if (!work) return work.error();
  Uploads uploads(*device_);
  const uint64_t table = uploads.table(rows);
  if (auto ok = uploads.ok(); !ok) return ok;
  const int64_t chunk = std::max<int64_t>(1, static_cast<int64_t>(staging_bytes / rows.row_bytes()));
  auto dense = device_->buffer(static_cast<size_t>(std::min(chunk, end - begin)) * rows.row_bytes(), MemoryKind::Device,
                               "reading back");
  if (!dense) return dense.error();
  for (int64_t row = begin; row < end; row += chunk) {
    const auto n = static_cast<size_t>(std::min(chunk, end - row)) * width;
    work->begin(nullptr);
    work->dispatch("gather.comp", {},
                   RowsPush{.width = static_cast<uint32_t>(width),
                            .row = static_cast<uint32_t>(row),
                            .n = static_cast<uint32_t>(n),
                            .dense = (*dense)->address,
                            .table = table},
                   groups_of(n), static_cast<double>(n));
    if (auto ok = read_back(*work, **dense, 0, n * sizeof(float), out); !ok) return ok;
    out += n;
  }
  return {};
}

Result<Tile> VulkanBackend::tile(const TileRequest& request) {
  auto made = compute_tile(*device_, request, nullptr);
  if (!made) return made.error();
  const DeviceTile& there = **made;
  Tile tile{request, std::vector<float>(static_cast<size_t>(request.rows * request.columns)),
            std::vector<float>(static_cast<size_t>(request.rows))};
  std::vector<float> both(tile.values.size() + tile.row_max.size());
  WorkLease work(*device_);
  if (!work) return work.error();
  work->begin(nullptr);
  const size_t offset = std::min(there.values, there.row_max) - there.buffer->address;
  assert(there.row_max == there.values + tile.values.size() * sizeof(float));
  if (auto ok = read_back(*work, *there.buffer, offset, both.size() * sizeof(float), both.data()); !ok)
    return ok.error();
  std::copy_n(both.begin(), tile.values.size(), tile.values.begin());
  std::copy(both.begin() + static_cast<std::ptrdiff_t>(tile.values.size()), both.end(), tile.row_max.begin());
  return tile;
}

}  // namespace cutaway
