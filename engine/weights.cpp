#include "engine/weights.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <set>
#include <utility>

#include "engine/blocks.h"
#include "engine/files/aligned.h"
#include "engine/files/tensor_files.h"
#include "engine/gguf_model.h"

namespace cutaway {
namespace {

constexpr size_t max_mismatches = 8;  // in one message; the rest is counted

bool is_vector(const Shape& shape) { return shape.size() == 1; }

/// Vectors are small and norms want the precision: always F32.
DType dtype_of(const Shape& shape, DType storage) { return is_vector(shape) ? DType::F32 : storage; }

/// Writes n floats as F32, F16 or BF16 to element `at`.
void store(const float* in, int64_t n, DType dtype, std::byte* out, int64_t at) {
  assert(dtype == DType::F32 || dtype == DType::F16 || dtype == DType::BF16);
  if (dtype == DType::F32) {
    std::memcpy(out + at * 4, in, static_cast<size_t>(n) * 4);
    return;
  }
  uint16_t* halves = reinterpret_cast<uint16_t*>(out) + at;
  if (dtype == DType::F16)
    std::transform(in, in + n, halves, float_to_half);
  else
    std::transform(in, in + n, halves, float_to_bf16);
}

std::vector<DType> dtypes_in(const std::vector<TensorSchema>& schema, DType storage) {
  std::vector<DType> dtypes;
  for (const TensorSchema& tensor : schema) dtypes.push_back(dtype_of(tensor.shape, storage));
  return dtypes;
}

int64_t count_not_finite(const float* values, int64_t n) {
  return std::count_if(values, values + n, [](float v) { return !std::isfinite(v); });
}

/// Tensors that are made once each, at the first call, on whatever thread asks.
class LazyWeights : public Weights {
 public:
  /// dtypes: of each tensor. storage: of the matrices, where there are none.
  LazyWeights(std::vector<TensorSchema> schema, std::vector<DType> dtypes, DType storage)
      : schema_(std::move(schema)),
        dtypes_(std::move(dtypes)),
        storage_(storage),
        once_(schema_.size()),
        memory_(schema_.size()),
        views_(schema_.size()) {
    std::map<DType, size_t> shares;
    for (size_t i = 0; i < schema_.size(); ++i) {
      const size_t bytes = bytes_of(dtypes_[i], elements(schema_[i].shape));
      bytes_ += bytes;
      if (!is_vector(schema_[i].shape)) shares[dtypes_[i]] += bytes;
    }
    const auto most = std::ranges::max_element(shares, {}, [](const auto& share) { return share.second; });
    if (most != shares.end()) storage_ = most->first;
  }

  TensorView tensor(int i) const override {
    const size_t at = static_cast<size_t>(i);
    assert(at < schema_.size());
    std::call_once(once_[at], [&] { views_[at] = make(at); });
    return views_[at];
  }
  DType storage_dtype() const override { return storage_; }
  size_t bytes() const override { return bytes_; }

 protected:
  virtual TensorView make(size_t i) const = 0;

  /// Uninitialised room for tensor i, which this object keeps.
  TensorView room_for(size_t i) const {
    TensorView view{nullptr, dtypes_[i], schema_[i].shape};
    memory_[i] = aligned_bytes(view.bytes());
    view.data = memory_[i].get();
    return view;
  }
  std::byte* memory(size_t i) const { return memory_[i].get(); }
  const TensorSchema& schema(size_t i) const { return schema_[i]; }
  DType dtype(size_t i) const { return dtypes_[i]; }
  size_t size() const { return schema_.size(); }

 private:
  std::vector<TensorSchema> schema_;
  std::vector<DType> dtypes_;
  DType storage_;
  size_t bytes_ = 0;
  mutable std::vector<std::once_flag> once_;
  mutable std::vector<AlignedBytes> memory_;
  mutable std::vector<TensorView> views_;
};

/// Where tensor i of the schema lies in the files.
struct Part {
  const FileTensor* from = nullptr;
  TensorSource source;  // transposed: the file has [in, out_total]; rows is never -1

  /// Calls each(r, n, at): our rows [r, r + n) are the file's [at, at + n).
  template <class Each>
  void each_run(Each each) const {
    const int64_t run = source.block_rows > 0 ? source.block_rows : source.rows;
    for (int64_t r = 0; r < source.rows; r += run) each(r, std::min(run, source.rows - r), source.file_row(r));
  }
};

class FileWeights : public LazyWeights {
 public:
  FileWeights(std::shared_ptr<const TensorFiles> files, std::vector<TensorSchema> schema, std::vector<DType> dtypes,
              std::vector<Part> parts, DType storage)
      : LazyWeights(std::move(schema), std::move(dtypes), storage),
        files_(std::move(files)),
        parts_(std::move(parts)) {}

  std::string warning() const override {
    if (not_finite_ == 0) return {};
    return fmt::format("{}: {} weights are no finite numbers, the first in {}", files_->name(), not_finite_.load(),
                       parts_[first_not_finite_].from->name);
  }

 protected:
  TensorView make(size_t i) const override {
    const Part& part = parts_[i];
    if (!part.source.transposed) return slice(i, part);
    const TensorView view = room_for(i);
    if (view.data) transpose(i, part, view);
    if (view.data) files_->forget(*part.from);
    return view;
  }

 private:
  /// The part's rows of the file's tensor, in place where type and address allow.
  TensorView slice(size_t i, const Part& part) const {
    const FileTensor& from = *part.from;
    const int64_t n = elements(schema(i).shape), row = part.source.rows == 0 ? 0 : n / part.source.rows;
    const std::byte* first = from.data.data() + bytes_of(*from.dtype, part.source.row_begin * row);
    const bool aligned = is_block(dtype(i)) || reinterpret_cast<uintptr_t>(first) % 64 == 0;
    const bool in_place = *from.dtype == dtype(i) && part.source.block_rows == 0 && aligned;
    const TensorView view = in_place ? TensorView{first, dtype(i), schema(i).shape} : room_for(i);
    if (!view.data) return view;
    part.each_run([&](int64_t r, int64_t rows, int64_t at) {
      std::byte* out = in_place ? nullptr : memory(i) + bytes_of(dtype(i), r * row);
      is_block(dtype(i)) ? copy_blocks(i, at * row, rows * row, out) : convert(i, at * row, rows * row, out);
    });
    if (!in_place) files_->forget(from);
    return view;
  }

  /// n elements of tensor i's file tensor, from element `begin`, undecoded: looked at, and copied to out if any.
  void copy_blocks(size_t i, int64_t begin, int64_t n, std::byte* out) const {
    const std::byte* data = parts_[i].from->data.data() + bytes_of(dtype(i), begin);
    note_bad(i, count_not_finite_in_blocks(dtype(i), data, n));
    if (out) std::memcpy(out, data, bytes_of(dtype(i), n));
  }

  /// n elements of tensor i's file tensor, from element `begin`: looked at, and stored to out if any.
  void convert(size_t i, int64_t begin, int64_t n, std::byte* out) const {
    const FileTensor& from = *parts_[i].from;
    std::vector<float> piece(static_cast<size_t>(std::min<int64_t>(n, 1 << 16)));
    for (int64_t at = 0; at < n; at += static_cast<int64_t>(piece.size())) {
      const int64_t count = std::min<int64_t>(n - at, static_cast<int64_t>(piece.size()));
      const std::byte* data = from.data.data() + bytes_of(*from.dtype, begin + at);
      to_float({data, *from.dtype, {count}}, piece.data());
      note_bad(i, count_not_finite(piece.data(), count));
      if (out) store(piece.data(), count, dtype(i), out, at);
    }
  }

  /// file: [in, out_total]; ours: [rows, in]. Blocks of 64 inputs, so that both sides stay in the cache.
  void transpose(size_t i, const Part& part, const TensorView& view) const {
    const FileTensor& from = *part.from;
    const int64_t in = from.shape[0], total = from.shape[1], rows = part.source.rows;
    const size_t width = bytes_of(*from.dtype);
    std::vector<float> block(static_cast<size_t>(64 * rows)), line(64);
    for (int64_t begin = 0; begin < in; begin += 64) {
      const int64_t n = std::min<int64_t>(64, in - begin);
      for (int64_t k = 0; k < n; ++k) {
        const std::byte* line_of_k = from.data.data() + static_cast<size_t>((begin + k) * total) * width;
        part.each_run([&](int64_t r, int64_t run, int64_t at) {
          to_float({line_of_k + static_cast<size_t>(at) * width, *from.dtype, {run}},
                   &block[static_cast<size_t>(k * rows + r)]);
        });
      }
      note_bad(i, count_not_finite(block.data(), n * rows));
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t k = 0; k < n; ++k) line[static_cast<size_t>(k)] = block[static_cast<size_t>(k * rows + r)];
        store(line.data(), n, view.dtype, memory(i), r * in + begin);
      }
    }
  }

  void note_bad(size_t i, int64_t bad) const {
    if (bad > 0 && not_finite_.fetch_add(bad) == 0) first_not_finite_ = i;
  }

  std::shared_ptr<const TensorFiles> files_;
  std::vector<Part> parts_;
  mutable std::atomic<int64_t> not_finite_{0};
  mutable std::atomic<size_t> first_not_finite_{0};
};

/// What the checkpoint must hold of one file tensor: the whole, put together from the parts that we want of it.
struct Whole {
  bool transposed = false;
  Shape shape;  // of all parts, [out, in]
  std::string said_by;
};

/// One schema check: collects every mismatch, and the parts of those that match.
class Binding {
 public:
  Binding(const TensorFiles& files, const Architecture& architecture, const ModelSpec& spec, const Graph& graph)
      : files_(files) {
    for (const TensorSchema& need : graph.schema) place(need, source_in(files, architecture, spec, need.name));
    std::vector<std::string> missing = std::exchange(mismatches_, {});
    for (const auto& [from, whole] : wholes_) compare(*from, whole);
    std::move(missing.begin(), missing.end(), std::back_inserter(mismatches_));  // wrong ones say more: first
    for (const FileTensor& tensor : files.tensors())
      if (!wholes_.contains(&tensor) && !spare_.contains(tensor.name) && !architecture.ignored(tensor.name))
        add("{}: {} {} has no place in {}", tensor.file, tensor.name, text_of(tensor.shape), architecture.name);
  }

  std::vector<Part> parts;  // by schema index

  Result<void> result() const {
    if (mismatches_.empty()) return {};
    const size_t shown = std::min(mismatches_.size(), max_mismatches);
    std::string text = fmt::format("{}", fmt::join(mismatches_.begin(), mismatches_.begin() + shown, "; and "));
    if (mismatches_.size() > shown) text += fmt::format("; and {} more", mismatches_.size() - shown);
    return error("{}", text);
  }

 private:
  void place(const TensorSchema& need, const TensorSource& source) {
    assert(!source.names.empty());
    const FileTensor* from = nullptr;
    for (const std::string& name : source.names) {
      const FileTensor* found = files_.find(name);
      if (found && !from)
        from = found;
      else if (found)
        spare_.insert(name);  // the same tensor under a second name
    }
    parts.push_back({from, source});
    if (source.rows < 0) parts.back().source.rows = need.shape[0];
    if (!from)
      return add("{}: {} is missing; {} makes it {}", files_.name(), best_name(source), said(need.said_by),
                 text_of(in_file(need.shape, source.transposed)));
    Whole& whole = wholes_[from];
    if (whole.shape.empty()) whole.shape = need.shape, whole.shape[0] = 0;
    whole.transposed = source.transposed;
    whole.shape[0] = std::max(whole.shape[0], source.file_row(need.shape[0] - 1) + 1);
    if (whole.said_by.find(need.said_by) == std::string::npos)
      whole.said_by += (whole.said_by.empty() ? "" : ", ") + need.said_by;
  }

  void compare(const FileTensor& from, const Whole& whole) {
    const Shape want = in_file(whole.shape, whole.transposed);
    const bool row = want.size() == 1 && from.shape == Shape{1, want[0]};  // BART keeps a vector as one row
    if (from.shape != want && !row)
      return add("{}: {} is {}; {} makes it {}", from.file, from.name, text_of(from.shape), said(whole.said_by),
                 text_of(want));
    const bool real = from.dtype && (*from.dtype <= DType::F8_E5M2 || is_block(*from.dtype));
    if (!real)
      add("{}: {} has the type {}, which is not read as weights", from.file, from.name, from.dtype_name);
    else if (is_block(*from.dtype) && (whole.transposed || is_vector(from.shape)))
      add("{}: {} {} has the type {}; only matrices, row by row, are read in blocks", from.file, from.name,
          text_of(from.shape), from.dtype_name);
  }

  /// The name that this checkpoint would use: with the prefix that most of its tensors carry.
  std::string best_name(const TensorSource& source) const {
    for (const std::string& name : source.names) {
      const std::string prefix = name.substr(0, name.find('.') + 1);
      if (std::ranges::any_of(files_.tensors(), [&](const FileTensor& t) { return t.name.starts_with(prefix); }))
        return name;
    }
    return source.names.front();
  }

  static Shape in_file(Shape shape, bool transposed) {
    if (transposed) std::reverse(shape.begin(), shape.end());
    return shape;
  }
  std::string said(const std::string& by) const {
    const std::string where = files_.gguf() ? "its header" : "config.json";
    return by.empty() ? where : where + " " + by;
  }

  template <class... Args>
  void add(fmt::format_string<Args...> text, Args&&... args) {
    mismatches_.push_back(fmt::format(text, std::forward<Args>(args)...));
  }

  const TensorFiles& files_;
  std::map<const FileTensor*, Whole> wholes_;  // in the order of the names: tensors lie sorted
  std::set<std::string> spare_;
  std::vector<std::string> mismatches_;
};

/// The type that every matrix has, or F32 for a mixture; those that stay in blocks aside.
DType own_storage(const std::vector<Part>& parts, bool blocks) {
  std::optional<DType> common;
  for (const Part& part : parts) {
    if (is_vector(part.from->shape) || (blocks && is_block(*part.from->dtype))) continue;
    if (common && *common != *part.from->dtype) return DType::F32;
    common = part.from->dtype;
  }
  if (common == DType::F8_E4M3 || common == DType::F8_E5M2) return DType::F16;  // holds both exactly
  return common == DType::F16 || common == DType::BF16 ? *common : DType::F32;
}

/// splitmix64 (Steele, Lea, Flood 2014): a bijection with good avalanche, here of a counter.
uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}

/// Near normal with deviation 1, |z| < 3.5: the sum of four 16-bit uniforms (Irwin-Hall). Whole numbers up to the last
/// product, so the bits are the same on every machine.
float near_normal(uint64_t bits) {
  const int32_t sum =
      static_cast<int32_t>((bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48));
  constexpr float deviation = 37836.9f;  // of the sum: sqrt(4 (2^32 - 1) / 12)
  return static_cast<float>(sum - 131070) * (1.f / deviation);
}

class RandomWeights : public LazyWeights {
 public:
  RandomWeights(const Graph& graph, uint64_t seed, DType storage, float deviation)
      : LazyWeights(graph.schema, dtypes_in(graph.schema, storage), storage),
        seed_(seed),
        deviation_(deviation),
        centre_(graph.schema.size(), 0.f) {
    for (const Node& node : graph.nodes)
      if (node.op == Op::layer_norm || node.op == Op::rms_norm)  // a gain, or what it lacks
        centre_[static_cast<size_t>(node.weights[0])] = 1 - node.params.offset;
  }
  bool random() const override { return true; }

 protected:
  TensorView make(size_t i) const override {
    const TensorView view = room_for(i);
    if (!view.data) return view;
    const int64_t n = view.size();
    const uint64_t stream = mix(mix(seed_) + i);
    std::vector<float> piece(static_cast<size_t>(std::min<int64_t>(n, 4096)));
    for (int64_t at = 0; at < n; at += static_cast<int64_t>(piece.size())) {
      const int64_t count = std::min<int64_t>(n - at, static_cast<int64_t>(piece.size()));
      for (int64_t k = 0; k < count; ++k)
        piece[static_cast<size_t>(k)] =
            centre_[i] + deviation_ * near_normal(mix(stream + static_cast<uint64_t>(at + k)));
      store(piece.data(), count, view.dtype, memory(i), at);
    }
    return view;
  }

 private:
  uint64_t seed_;
  float deviation_;
  std::vector<float> centre_;
};

}  // namespace

TensorSource source_in(const TensorFiles& files, const Architecture& architecture, const ModelSpec& spec,
                       const std::string& name) {
  TensorSource source = architecture.source(spec, name);
  return files.gguf() ? gguf_source(*files.gguf(), std::move(source)) : source;
}

Result<std::shared_ptr<const Weights>> bind_weights(std::shared_ptr<const TensorFiles> files,
                                                    const Architecture& architecture, const ModelSpec& spec,
                                                    const Graph& graph, std::optional<DType> storage, bool blocks) {
  if (storage && *storage != DType::F32 && *storage != DType::F16 && *storage != DType::BF16)
    return error("weights can't be kept as {}; F32, F16 and BF16 are possible", name_of(*storage));
  Binding binding(*files, architecture, spec, graph);
  if (auto ok = binding.result(); !ok) return ok.error();
  const bool undecoded = blocks && !storage;
  const DType kept = storage ? *storage : own_storage(binding.parts, undecoded);
  std::vector<DType> dtypes = dtypes_in(graph.schema, kept);
  for (size_t i = 0; i < dtypes.size() && undecoded; ++i)
    if (is_block(*binding.parts[i].from->dtype)) dtypes[i] = *binding.parts[i].from->dtype;
  return std::shared_ptr<const Weights>(
      std::make_shared<FileWeights>(std::move(files), graph.schema, std::move(dtypes), std::move(binding.parts), kept));
}

std::shared_ptr<const Weights> random_weights(const Graph& graph, uint64_t seed, DType storage, float deviation) {
  return std::make_shared<RandomWeights>(graph, seed, storage, deviation);
}

}  // namespace cutaway
