#include "engine/cpu/cpu_plan.h"
#include "engine/cpu/levels.h"

namespace cutaway {
namespace {

class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(int threads)
      : machine_{&best_kernels(), std::make_shared<ThreadPool>(threads), make_host_arena()} {}

  BackendInfo info() const override {
    const int n = machine_.pool->threads();
    return {"cpu", fmt::format("{}, {} {}", machine_.kernels->name, n, n == 1 ? "thread" : "threads")};
  }

  std::shared_ptr<PageArena> arena() override { return machine_.arena; }
  bool runs_blocks() const override { return true; }
  bool caches_as(DType dtype) const override {
    return dtype == DType::F32 || dtype == DType::F16 || dtype == DType::BF16 || dtype == DType::F8_E4M3 ||
           dtype == DType::Q8_0 || dtype == DType::Q4_0;
  }

  Result<std::unique_ptr<Plan>> compile(ModelPtr model, const Taps& taps) override {
    assert(model && model->graph && model->weights);
    for (size_t i = 0; i < model->graph->schema.size(); ++i)
      if (!model->weights->tensor(static_cast<int>(i)).data)
        return machine_error("out of memory at {}: the weights of {} take {} bytes", model->graph->schema[i].name,
                             model->name, model->weights->bytes());
    return std::unique_ptr<Plan>(std::make_unique<CpuPlan>(std::move(model), taps, machine_));
  }

  Result<Tile> tile(const TileRequest& request) override { return host_tile(request); }

  // Rows are host memory already; this is a copy, not a transfer.
  Result<void> read(const PagedRows& rows, int64_t begin, int64_t end, float* out) override {
    rows.gather(begin, end, out);
    return {};
  }
  size_t bytes_read_back() const override { return 0; }

 private:
  CpuMachine machine_;
};

}  // namespace

std::shared_ptr<Backend> make_cpu_backend(int threads) { return std::make_shared<CpuBackend>(threads); }

}  // namespace cutaway
