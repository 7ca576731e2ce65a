#include "engine/files/gguf.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <new>
#include <set>

namespace cutaway {
namespace {

constexpr uint64_t max_entries = 100'000;  // keys and tensors: real files have some thousands
constexpr size_t max_name_bytes = 63, max_key_bytes = 65535;
constexpr uint32_t max_rank = 4;
constexpr uint64_t least_key_bytes = 13, least_info_bytes = 24;

constexpr std::array<std::string_view, 13> type_names = {"U8",   "I8",     "U16",   "I16", "U32", "I32", "F32",
                                                         "BOOL", "STRING", "ARRAY", "U64", "I64", "F64"};
constexpr std::array<uint64_t, 13> type_bytes = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

/// The types of tensors by their numbers in a file. Those without a DType are listed and refused on use.
struct TensorType {
  uint32_t id;
  std::string_view name;
  uint64_t elements, bytes;  // of a block
  std::optional<DType> dtype = {};
};
constexpr TensorType tensor_types[] = {{0, "F32", 1, 4, DType::F32},
                                       {1, "F16", 1, 2, DType::F16},
                                       {2, "Q4_0", 32, 18, DType::Q4_0},
                                       {3, "Q4_1", 32, 20},
                                       {6, "Q5_0", 32, 22},
                                       {7, "Q5_1", 32, 24},
                                       {8, "Q8_0", 32, 34, DType::Q8_0},
                                       {9, "Q8_1", 32, 36},
                                       {10, "Q2_K", 256, 84},
                                       {11, "Q3_K", 256, 110},
                                       {12, "Q4_K", 256, 144, DType::Q4_K},
                                       {13, "Q5_K", 256, 176},
                                       {14, "Q6_K", 256, 210, DType::Q6_K},
                                       {15, "Q8_K", 256, 292},
                                       {24, "I8", 1, 1, DType::I8},
                                       {25, "I16", 1, 2, DType::I16},
                                       {26, "I32", 1, 4, DType::I32},
                                       {27, "I64", 1, 8, DType::I64},
                                       {28, "F64", 1, 8, DType::F64},
                                       {30, "BF16", 1, 2, DType::BF16}};

bool is_whole(GgufType type) {
  return type != GgufType::F32 && type != GgufType::F64 && type != GgufType::STRING && type != GgufType::ARRAY;
}
bool is_number(GgufType type) { return type != GgufType::STRING && type != GgufType::ARRAY; }

template <class T>
T scalar(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

/// Calls take with a scalar of that type; `at` need not be aligned.
template <class Take>
auto with_scalar(GgufType type, const std::byte* at, Take take) {
  switch (type) {
    case GgufType::I8:
      return take(scalar<int8_t>(at));
    case GgufType::U16:
      return take(scalar<uint16_t>(at));
    case GgufType::I16:
      return take(scalar<int16_t>(at));
    case GgufType::U32:
      return take(scalar<uint32_t>(at));
    case GgufType::I32:
      return take(scalar<int32_t>(at));
    case GgufType::F32:
      return take(scalar<float>(at));
    case GgufType::U64:
      return take(scalar<uint64_t>(at));
    case GgufType::I64:
      return take(scalar<int64_t>(at));
    case GgufType::F64:
      return take(scalar<double>(at));
    default:
      return take(scalar<uint8_t>(at));  // U8, BOOL
  }
}

/// Names stand in messages and on the screen: letters, digits and marks, no bytes that do something.
bool is_plain(std::string_view name) {
  return std::ranges::all_of(name, [](char c) { return c > 0x20 && c < 0x7f; });
}

}  // namespace

std::string_view name_of(GgufType type) { return type_names[static_cast<size_t>(type)]; }

int64_t GgufList::integer(uint64_t i) const {
  assert(i < count && is_whole(of));
  return with_scalar(of, &bytes[i * type_bytes[static_cast<size_t>(of)]],
                     [](auto v) { return static_cast<int64_t>(v); });
}

double GgufList::number(uint64_t i) const {
  assert(i < count && is_number(of));
  return with_scalar(of, &bytes[i * type_bytes[static_cast<size_t>(of)]],
                     [](auto v) { return static_cast<double>(v); });
}

std::string text_of(const GgufValue& value) {
  if (const auto* list = std::get_if<GgufList>(&value.value))
    return fmt::format("a list of {} {}", list->count, name_of(list->of));
  if (const auto* text = std::get_if<std::string_view>(&value.value))
    return is_plain(*text) && text->size() <= 60 ? fmt::format("\"{}\"", *text)
                                                 : fmt::format("a text of {} bytes", text->size());
  if (const auto* number = std::get_if<double>(&value.value)) return fmt::format("{}", *number);
  if (const auto* number = std::get_if<uint64_t>(&value.value)) return fmt::format("{}", *number);
  if (const auto* flag = std::get_if<bool>(&value.value)) return *flag ? "true" : "false";
  return fmt::format("{}", std::get<int64_t>(value.value));
}

/// Reads from the begin of the file to the end of the infos. The first thing that is wrong is kept; what is read after
/// it is 0, and nothing.
class GgufParser {
 public:
  GgufParser(Gguf& out, const BoundedReader& file) : out_(out), file_(file) {}

  Result<void> parse() {
    const uint64_t tensors = head();
    for (uint64_t i = 0; i < keys_ && !why_; ++i) key(i);
    check_count(tensors, least_info_bytes, "tensors");
    const uint64_t alignment = read_alignment();
    for (uint64_t i = 0; i < tensors && !why_; ++i) info(i, alignment);
    if (!why_ && tensors > 0) place(alignment);
    return why_ ? Result<void>(*why_) : Result<void>();
  }

 private:
  template <class... Args>
  void fail(fmt::format_string<Args...> text, Args&&... args) {
    if (!why_) why_ = error("{}: {}", file_.name(), fmt::format(text, std::forward<Args>(args)...));
  }

  std::span<const std::byte> take(uint64_t count) {
    if (why_) return {};
    const auto bytes = file_.bytes(at_, count);
    if (!bytes) {
      fail("{} needs {} bytes at byte {}; the file has {}", where_, count, at_, file_.size());
      return {};
    }
    at_ += count;
    return *bytes;
  }
  template <class T>
  T number() {
    const auto bytes = take(sizeof(T));
    return bytes.empty() ? T{} : scalar<T>(bytes.data());
  }
  std::string_view text() {
    const uint64_t length = number<uint64_t>();
    const auto bytes = take(length);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  /// A count is believed only where so many entries fit into what is left.
  void check_count(uint64_t count, uint64_t least, const char* what) {
    const uint64_t left = file_.size() - at_;
    if (count > max_entries || count > left / least)
      fail("the file says {} {}; at most {} are possible in its {} bytes", count, what,
           std::min(max_entries, left / least), file_.size());
  }

  /// Returns the number of tensors.
  uint64_t head() {
    where_ = "the header";
    const auto magic = take(4);
    if (!why_ && std::memcmp(magic.data(), "GGUF", 4) != 0) fail("it doesn't begin with \"GGUF\"");
    const uint32_t version = number<uint32_t>();
    if ((version & 0xffff) == 0 && version != 0)
      fail("it is a big-endian file (version {:#x}); little-endian ones are read", version);
    if (!why_ && version != 2 && version != 3) fail("it has the version {}; 2 and 3 are read", version);
    const uint64_t tensors = number<uint64_t>();
    keys_ = number<uint64_t>();
    check_count(keys_, least_key_bytes, "keys");
    return tensors;
  }

  void key(uint64_t i) {
    where_ = fmt::format("key {}", i);
    const std::string_view name = text();
    if (name.empty() || name.size() > max_key_bytes || !is_plain(name))
      return fail("key {} has a name of {} bytes that is no name", i, name.size());
    where_ = name.substr(0, 200);
    GgufValue value;
    value.type = type();
    if (why_) return;
    if (value.type == GgufType::ARRAY)
      value.value = list();
    else if (value.type == GgufType::STRING)
      value.value = text();
    else
      scalar_into(value);
    if (!why_ && !out_.values_.emplace(name, std::move(value)).second) fail("the key {} stands in it twice", where_);
  }

  GgufType type() {
    const uint32_t number_of_type = number<uint32_t>();
    if (number_of_type >= type_names.size()) fail("{} has the type {}; types go to 12", where_, number_of_type);
    return why_ ? GgufType::U8 : static_cast<GgufType>(number_of_type);
  }

  void scalar_into(GgufValue& out) {
    const auto bytes = take(type_bytes[static_cast<size_t>(out.type)]);
    if (why_) return;
    if (out.type == GgufType::BOOL) {
      check_flag(bytes[0]);
      out.value = bytes[0] == std::byte{1};
    } else if (out.type == GgufType::U64) {
      out.value = scalar<uint64_t>(bytes.data());
    } else if (!is_whole(out.type)) {
      out.value = with_scalar(out.type, bytes.data(), [](auto v) { return static_cast<double>(v); });
    } else {
      out.value = with_scalar(out.type, bytes.data(), [](auto v) { return static_cast<int64_t>(v); });
    }
  }

  void check_flag(std::byte flag) {
    if (std::to_integer<int>(flag) > 1) fail("{} is the BOOL {}; 0 or 1 is needed", where_, std::to_integer<int>(flag));
  }

  GgufList list() {
    GgufList made;
    made.of = type();
    made.count = number<uint64_t>();
    if (made.of == GgufType::ARRAY) fail("{} is a list of lists; such are not read", where_);
    const uint64_t width = made.of == GgufType::STRING ? 8 : type_bytes[static_cast<size_t>(made.of)];
    const uint64_t left = file_.size() - at_;
    if (!why_ && made.count > left / width)
      fail("{} is a list of {} {}; the file has {} bytes left", where_, made.count, name_of(made.of), left);
    if (why_) return {};
    if (made.of != GgufType::STRING) {
      made.bytes = take(made.count * width);
      if (made.of == GgufType::BOOL) std::ranges::for_each(made.bytes, [this](std::byte flag) { check_flag(flag); });
      return made;
    }
    made.texts.reserve(made.count);
    for (uint64_t i = 0; i < made.count && !why_; ++i) made.texts.push_back(text());
    return made;
  }

  uint64_t read_alignment() {
    const GgufValue* said = out_.find("general.alignment");
    if (!said) return 32;
    const auto* value = std::get_if<int64_t>(&said->value);
    if (!value || said->type != GgufType::U32 || !std::has_single_bit(static_cast<uint64_t>(*value)))
      fail("general.alignment is {} ({}); a power of two (U32) is needed", text_of(*said), name_of(said->type));
    return why_ ? 32 : static_cast<uint64_t>(*value);
  }

  /// Name, shape, type and place of one tensor; its data is still to be found.
  void info(uint64_t i, uint64_t alignment) {
    where_ = fmt::format("tensor {}", i);
    const std::string_view name = text();
    if (name.empty() || name.size() > max_name_bytes || !is_plain(name))
      return fail("tensor {} has a name of {} bytes; 1 to {} plain ones are possible", i, name.size(), max_name_bytes);
    where_ = name;
    if (!names_.insert(where_).second) return fail("the tensor {} stands in it twice", where_);
    const uint32_t rank = number<uint32_t>();
    if (rank > max_rank) return fail("{} has {} dimensions; at most {} are possible", where_, rank, max_rank);
    std::array<uint64_t, max_rank> sides{1, 1, 1, 1};
    for (uint32_t side = 0; side < rank; ++side) sides[side] = number<uint64_t>();
    const uint32_t id = number<uint32_t>();
    const uint64_t offset = number<uint64_t>();
    if (why_) return;
    const auto* type = std::ranges::find(tensor_types, id, &TensorType::id);
    if (type == std::end(tensor_types)) return fail("{} has the unknown type {}", where_, id);
    const uint64_t bytes = bytes_of_sides({sides.data(), rank}, *type);
    if (offset != next_)
      fail("{} begins at byte {} of the data; the tensor before it ends at {}", where_, offset, next_);
    if (why_) return;
    sizes_.push_back(bytes);
    next_ = offset + (bytes + alignment - 1) / alignment * alignment;  // both below 2^63
    FileTensor made{where_, file_.name(), type->dtype, std::string(type->name), {}, {}};
    for (uint32_t side = rank; side-- > 0;) made.shape.push_back(static_cast<int64_t>(sides[side]));
    out_.tensors_.push_back(std::move(made));
  }

  /// All steps checked. Sides come as the file has them, the fastest first.
  uint64_t bytes_of_sides(std::span<const uint64_t> sides, const TensorType& type) {
    uint64_t n = 1, bytes = 0;
    bool fits = true;
    for (uint64_t side : sides)  // an empty side may come first or last: the others must fit without it
      fits = fits && side <= INT64_MAX && !__builtin_mul_overflow(n, std::max<uint64_t>(1, side), &n) && n <= INT64_MAX;
    if (std::ranges::find(sides, uint64_t{0}) != sides.end()) n = 0;
    fits = fits && !__builtin_mul_overflow(n / type.elements, type.bytes, &bytes) &&
           bytes <= INT64_MAX - next_ - (1ull << 32);
    if (!fits) fail("the dimensions ({}) of {} overflow", fmt::join(sides, ", "), where_);
    const uint64_t row = sides.empty() ? 1 : sides[0];
    if (row % type.elements != 0)
      fail("{} has rows of {} elements; a block of {} has {}", where_, row, type.name, type.elements);
    return bytes;
  }

  /// Finds the data of every tensor behind the infos.
  void place(uint64_t alignment) {
    // A file may end before the boundary when all its tensors are empty.
    const uint64_t begin = std::min(file_.size(), (at_ + alignment - 1) / alignment * alignment);
    const uint64_t have = file_.size() - begin;
    uint64_t at = 0;
    for (size_t i = 0; i < sizes_.size(); ++i) {
      FileTensor& tensor = out_.tensors_[i];
      if (at > have || sizes_[i] > have - at)
        return fail("{} ends at byte {} of the data, which has {}", tensor.name, at + sizes_[i], have);
      tensor.data = *file_.bytes(begin + at, sizes_[i]);
      at += (sizes_[i] + alignment - 1) / alignment * alignment;
    }
  }

  Gguf& out_;
  const BoundedReader& file_;
  uint64_t at_ = 0, keys_ = 0;
  uint64_t next_ = 0;            // where the next tensor's data must begin
  std::vector<uint64_t> sizes_;  // bytes of each tensor
  std::set<std::string> names_;
  std::string where_;
  std::optional<Error> why_;
};

Result<std::shared_ptr<const Gguf>> Gguf::read(std::shared_ptr<const BoundedReader> file) {
  std::shared_ptr<Gguf> made(new Gguf);
  made->file_ = std::move(file);
  try {
    if (auto ok = GgufParser(*made, *made->file_).parse(); !ok) return ok.error();
  } catch (const std::bad_alloc&) {
    return machine_error("{}: not enough memory for its header", made->file());
  }
  return std::shared_ptr<const Gguf>(made);
}

const GgufValue* Gguf::find(std::string_view key) const {
  const auto at = values_.find(key);
  return at == values_.end() ? nullptr : &at->second;
}

Error Gguf::wrong(std::string_view key, const char* need) const {
  const GgufValue* value = find(key);
  if (!value) return error("{}: {} is missing", file(), key);
  return error("{}: {} is {}; {} is needed", file(), key, text_of(*value), need);
}

Result<int64_t> Gguf::integer(std::string_view key, std::optional<int64_t> absent) const {
  const GgufValue* value = find(key);
  if (!value && absent) return *absent;
  const int64_t* number = value ? std::get_if<int64_t>(&value->value) : nullptr;
  const uint64_t* large = value ? std::get_if<uint64_t>(&value->value) : nullptr;
  if (number) return *number;
  if (large && *large <= INT64_MAX) return static_cast<int64_t>(*large);
  return wrong(key, "a whole number");
}

Result<bool> Gguf::boolean(std::string_view key, bool absent) const {
  const GgufValue* value = find(key);
  if (!value) return absent;
  const bool* flag = std::get_if<bool>(&value->value);
  return flag ? Result<bool>(*flag) : wrong(key, "a BOOL");
}

Result<std::string> Gguf::text(std::string_view key, std::optional<std::string> absent) const {
  const GgufValue* value = find(key);
  if (!value && absent) return *absent;
  const std::string_view* text = value ? std::get_if<std::string_view>(&value->value) : nullptr;
  return text ? Result<std::string>(std::string(*text)) : wrong(key, "a text");
}

Result<const GgufList*> Gguf::list(std::string_view key, const char* need, bool (*fits)(GgufType)) const {
  const GgufValue* value = find(key);
  if (!value) return static_cast<const GgufList*>(nullptr);
  const GgufList* list = std::get_if<GgufList>(&value->value);
  if (!list || !fits(list->of)) return wrong(key, need);
  return list;
}

Result<const GgufList*> Gguf::texts(std::string_view key) const {
  return list(key, "a list of texts", [](GgufType type) { return type == GgufType::STRING; });
}
Result<const GgufList*> Gguf::integers(std::string_view key) const {
  return list(key, "a list of whole numbers", is_whole);
}
Result<const GgufList*> Gguf::numbers(std::string_view key) const { return list(key, "a list of numbers", is_number); }

}  // namespace cutaway
