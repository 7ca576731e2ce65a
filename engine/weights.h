// Named tensors of a checkpoint, mapped from its files and put into our names, our orientation ([out, in]) on demand.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "engine/architecture.h"
#include "engine/graph.h"

namespace cutaway {

class TensorFiles;  // engine/files: the tensors of a safetensors file or of all its shards

/// Weights by index into Graph::schema. Thread-safe; data stays valid as long as the object.
class Weights {
 public:
  virtual ~Weights() = default;
  /// Tensor i of the schema, dense, row-major, 64-byte aligned, in F32, F16 or BF16; vectors, that is biases and norms,
  /// are always F32. Where blocks were asked for, a matrix may have a block type: then its rows are runs of blocks,
  /// aligned to nothing. Made at the first call, kept after it. data is null when memory is out.
  virtual TensorView tensor(int i) const = 0;
  /// The type that most bytes of the matrices have.
  virtual DType storage_dtype() const = 0;
  /// Bytes that all tensors take in their types, made or not.
  virtual size_t bytes() const = 0;
  virtual bool random() const { return false; }
  /// One sentence about values that are no finite numbers, in the tensors made so far; empty when there are none.
  virtual std::string warning() const { return {}; }
};

/// Where the files keep one of our tensors: as the architecture says for a folder, or by GGUF's names.
TensorSource source_in(const TensorFiles& files, const Architecture&, const ModelSpec&, const std::string& name);

/// Compares what the graph needs with what the files have; every mismatch at once in one message, as
/// "model.safetensors: h.3.attn.c_attn.weight is (768, 768); config.json n_embd 768 makes it (768, 2304)".
/// A tensor that nothing needs and the architecture doesn't ignore is a mismatch too.
/// storage: nothing keeps the file's own type (F64, block types and a mixture become F32, eight bits F16).
/// blocks: without a storage, matrices of a block type are handed out undecoded.
Result<std::shared_ptr<const Weights>> bind_weights(std::shared_ptr<const TensorFiles> files, const Architecture&,
                                                    const ModelSpec&, const Graph&, std::optional<DType> storage,
                                                    bool blocks = false);

/// Normal(0, 0.02-like) weights from a counter-based generator: the same seed gives the same bits everywhere.
std::shared_ptr<const Weights> random_weights(const Graph&, uint64_t seed, DType storage = DType::F32,
                                              float deviation = 0.02f);

}  // namespace cutaway
