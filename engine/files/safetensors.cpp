// Reader and writer of safetensors (format: huggingface/safetensors README; refusals: spec/dense.md 12.1).
#include "engine/files/safetensors.h"

#include <algorithm>
#include <unordered_set>

#include "engine/files/json_text.h"

namespace cutaway {
namespace {

using nlohmann::json;

constexpr uint64_t max_header_bytes = 100'000'000;
constexpr size_t max_rank = 8;
constexpr int max_depth = 4;

/// Types that a file may hold and we don't read, with their bits.
struct ForeignType {
  std::string_view name;
  uint64_t bits;
};
constexpr ForeignType foreign_types[] = {{"F4", 4},          {"F6_E2M3", 6},     {"F6_E3M2", 6}, {"F8_E8M0", 8},
                                         {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"C64", 64}};

struct Entry {
  std::string name;
  std::optional<std::string> dtype;
  std::optional<std::vector<uint64_t>> shape, offsets;
};

/// Listens to the parser and keeps entries only, so that a header of any content costs no more than its own size.
/// Stops at the first thing that doesn't belong.
class HeaderListener : public nlohmann::json_sax<json> {
 public:
  explicit HeaderListener(const std::string& file) : file_(file) {}

  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;
  std::string why;  // one sentence, where it stopped

  bool null() override { return stray("null"); }
  bool boolean(bool) override { return stray("true or false"); }
  bool number_integer(number_integer_t n) override {
    return stop("{}: {} has the negative number {}", file_, where(), n);
  }
  bool number_float(number_float_t, const string_t& text) override {
    return stop("{}: {} has the number {}; a whole number is needed", file_, where(), text);
  }
  bool binary(binary_t&) override { return stray("binary data"); }

  bool number_unsigned(number_unsigned_t n) override {
    if (!list_) return stray("a number");
    list_->push_back(n);
    return list_->size() <= max_rank || stop("{}: {} has more than {} dimensions", file_, where(), max_rank);
  }

  bool string(string_t& text) override {
    if (depth_ == 2 && in_metadata_) {
      metadata[key_] = text;
      return true;
    }
    if (depth_ != 2 || key_ != "dtype" || list_) return stray("a text");
    entries.back().dtype = text;
    return true;
  }

  bool start_object(std::size_t) override {
    if (++depth_ > 2 || list_) return stop("{}: {} is nested too deeply", file_, where());
    if (depth_ == 2 && !in_metadata_) entries.push_back({name_, {}, {}, {}});
    return true;
  }
  bool end_object() override {
    --depth_;
    if (depth_ == 1) in_metadata_ = false;
    return true;
  }

  bool key(string_t& text) override {
    if (depth_ == 1) {
      name_ = text;
      in_metadata_ = text == "__metadata__";
      fields_.clear();
      return names_.insert(text).second || stop("{}: {} stands in the header twice", file_, text);
    }
    key_ = text;
    if (!fields_.insert(text).second) return stop("{}: {} has {} twice", file_, name_, text);
    if (in_metadata_ || text == "dtype" || text == "shape" || text == "data_offsets") return true;
    return stop("{}: {} has an unknown field {}", file_, name_, text);
  }

  bool start_array(std::size_t) override {
    if (depth_ != 2 || in_metadata_ || list_ || key_ == "dtype") return stray("a list");
    auto& list = key_ == "shape" ? entries.back().shape : entries.back().offsets;
    list.emplace();
    list_ = &*list;
    return true;
  }
  bool end_array() override {
    list_ = nullptr;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const json::exception&) override {
    return stop("{}: the header is not valid JSON at its byte {}", file_, position);
  }

 private:
  template <class... Args>
  bool stop(fmt::format_string<Args...> text, Args&&... args) {
    if (why.empty()) why = fmt::format(text, std::forward<Args>(args)...);
    return false;
  }
  bool stray(std::string_view what) { return stop("{}: {} has {} where it has no place", file_, where(), what); }
  std::string where() const { return depth_ == 0 || name_.empty() ? "the header" : name_; }

  const std::string& file_;
  std::string name_, key_;
  std::unordered_set<std::string> names_, fields_;
  std::vector<uint64_t>* list_ = nullptr;
  int depth_ = 0;
  bool in_metadata_ = false;
};

/// Bytes of a shape of a type, all steps checked.
Result<uint64_t> bytes_of(const std::string& file, const Entry& entry, uint64_t bits) {
  uint64_t n = 1;
  for (uint64_t size : *entry.shape)
    if (size > INT64_MAX || __builtin_mul_overflow(n, size, &n) || n > INT64_MAX)
      return error("{}: the shape ({}) of {} overflows", file, fmt::join(*entry.shape, ", "), entry.name);
  if (__builtin_mul_overflow(n, bits, &n))
    return error("{}: the shape ({}) of {} overflows", file, fmt::join(*entry.shape, ", "), entry.name);
  if (n % 8 != 0) return error("{}: {} has {} bits, which are no whole bytes", file, entry.name, n);
  return n / 8;
}

/// A tensor and where its data lies, in bytes from the begin of the data.
struct Placed {
  FileTensor tensor;
  uint64_t begin = 0, end = 0;
};

/// An entry with its fields checked one by one and against each other; its data is still to be found.
Result<Placed> checked(const std::string& file, const Entry& entry) {
  if (!entry.dtype) return error("{}: {} has no dtype", file, entry.name);
  if (!entry.shape) return error("{}: {} has no shape", file, entry.name);
  if (!entry.offsets || entry.offsets->size() != 2) return error("{}: {} has no two data_offsets", file, entry.name);
  const uint64_t begin = (*entry.offsets)[0], end = (*entry.offsets)[1];
  std::optional<DType> dtype = dtype_named(*entry.dtype);
  if (dtype && is_block(*dtype)) dtype.reset();  // safetensors has no such types
  uint64_t bits = dtype ? 8 * bytes_of(*dtype) : 0;
  for (const ForeignType& type : foreign_types)
    if (type.name == *entry.dtype) bits = type.bits;
  if (bits == 0) return error("{}: {} has the unknown dtype {}", file, entry.name, *entry.dtype);
  const Result<uint64_t> need = bytes_of(file, entry, bits);
  if (!need) return need.error();
  if (end < begin) return error("{}: {} ends at byte {}, before its begin {}", file, entry.name, end, begin);
  if (end - begin != *need)
    return error("{}: {} has {} bytes of data; {} ({}) needs {}", file, entry.name, end - begin, *entry.dtype,
                 fmt::join(*entry.shape, ", "), *need);
  return Placed{
      {entry.name, file, dtype, *entry.dtype, Shape(entry.shape->begin(), entry.shape->end()), {}}, begin, end};
}

/// Puts the entries in the order of their data and holds them to the file: from 0 to its end, no hole, no overlap.
Result<std::vector<FileTensor>> placed(const BoundedReader& file, uint64_t data_begin,
                                       const std::vector<Entry>& entries) {
  std::vector<Placed> sorted;
  for (const Entry& entry : entries) {
    Result<Placed> one = checked(file.name(), entry);
    if (!one) return one.error();
    sorted.push_back(std::move(*one));
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const Placed& a, const Placed& b) { return a.begin != b.begin ? a.begin < b.begin : a.end < b.end; });
  const uint64_t data_bytes = file.size() - data_begin;
  std::vector<FileTensor> tensors;
  uint64_t next = 0;
  for (Placed& at : sorted) {
    if (at.begin != next)
      return error("{}: {} begins at byte {} of the data; the tensor before it ends at {}", file.name(), at.tensor.name,
                   at.begin, next);
    if (at.end > data_bytes)
      return error("{}: {} ends at byte {} of the data, which has {}", file.name(), at.tensor.name, at.end, data_bytes);
    at.tensor.data = *file.bytes(data_begin + at.begin, at.end - at.begin);
    next = at.end;
    tensors.push_back(std::move(at.tensor));
  }
  if (next != data_bytes)
    return error("{}: the tensors end at byte {} of the data, which has {}", file.name(), next, data_bytes);
  return tensors;
}

}  // namespace

Result<SafetensorsContents> read_safetensors(const BoundedReader& file) {
  if (file.size() < 8) return error("{} has {} bytes; a safetensors file has at least 8", file.name(), file.size());
  const uint64_t length = *file.u64(0);
  if (length > max_header_bytes)
    return error("{}: the header says {} bytes; at most {} are possible", file.name(), length, max_header_bytes);
  const auto header = file.text(8, length);
  if (!header)
    return error("{}: the header says {} bytes, the file has {} after byte 8", file.name(), length, file.size() - 8);
  if (header->empty() || header->front() != '{') return error("{}: the header doesn't begin with {{", file.name());
  HeaderListener listener(file.name());
  bool ok = false;
  try {
    ok = json::sax_parse(header->begin(), header->end(), &listener);
  } catch (const std::exception&) {
    return machine_error("{}: not enough memory for its header", file.name());
  }
  if (!ok) return error("{}", listener.why);
  auto tensors = placed(file, 8 + length, listener.entries);
  if (!tensors) return tensors.error();
  return SafetensorsContents{std::move(listener.metadata), std::move(*tensors)};
}

Result<SafetensorsWriter> SafetensorsWriter::create(const std::string& path,
                                                    const std::map<std::string, std::string>& metadata,
                                                    std::vector<Entry> entries) {
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return bytes_of(a.dtype) > bytes_of(b.dtype); });
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t at = 0;
  for (const Entry& entry : entries) {
    const uint64_t end = at + bytes_of(entry.dtype, elements(entry.shape));
    header[entry.name] = {{"dtype", name_of(entry.dtype)}, {"shape", entry.shape}, {"data_offsets", {at, end}}};
    at = end;
  }
  std::string text = header.dump(-1, ' ', false, json::error_handler_t::replace);
  text.append((64 - (8 + text.size()) % 64) % 64, ' ');  // data begins on 64 bytes, so a reader may use it in place
  std::string length(8, '\0');
  for (size_t i = 0; i < 8; ++i) length[i] = static_cast<char>(text.size() >> (8 * i));

  Result<AtomicFile> file = AtomicFile::create(path);
  if (!file) return file.error();
  SafetensorsWriter writer(std::move(*file), std::move(entries));
  writer.left_ = at;
  if (auto ok = writer.file_.write(length); !ok) return ok.error();
  if (auto ok = writer.file_.write(text); !ok) return ok.error();
  return writer;
}

Result<void> SafetensorsWriter::append(std::span<const std::byte> bytes) {
  assert(bytes.size() <= left_);
  left_ -= bytes.size();
  return file_.write(bytes);
}

Result<void> SafetensorsWriter::commit() {
  assert(left_ == 0);
  return file_.commit();
}

}  // namespace cutaway
