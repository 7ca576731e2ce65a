// The GGUF format (ggml docs/gguf.md; refusals: spec/dense.md 12.2): key/values, tensor infos, aligned data. Version 3,
// and version 2, which has the same layout; little endian. Everything is a view into the file.
//
//   auto gguf = Gguf::read(*BoundedReader::open("model.gguf"));
//   auto layers = (*gguf)->integer("llama.block_count", {});
#pragma once

#include <map>
#include <optional>
#include <variant>
#include <vector>

#include "engine/files/tensor_files.h"

namespace cutaway {

/// By their numbers in a file.
enum class GgufType : uint32_t { U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 };
std::string_view name_of(GgufType);

/// A list of scalars, as they lie in the file, or of texts.
struct GgufList {
  GgufType of = GgufType::U8;
  uint64_t count = 0;
  std::span<const std::byte> bytes;     // count scalars
  std::vector<std::string_view> texts;  // of STRING

  /// Element i of a list of whole numbers or BOOLs (I64 limits), or of any scalars.
  int64_t integer(uint64_t i) const;
  double number(uint64_t i) const;
};

struct GgufValue {
  GgufType type = GgufType::U8;
  std::variant<int64_t, uint64_t, double, bool, std::string_view, GgufList> value;  // uint64_t: U64 only
};
std::string text_of(const GgufValue&);  // for messages: "32", "a list of 512 STRING"

class Gguf {
 public:
  static Result<std::shared_ptr<const Gguf>> read(std::shared_ptr<const BoundedReader> file);

  const std::string& file() const { return file_->name(); }
  const std::map<std::string, GgufValue, std::less<>>& values() const { return values_; }
  const std::vector<FileTensor>& tensors() const { return tensors_; }  // in the order of their data; shapes row-major

  const GgufValue* find(std::string_view key) const;
  /// The value of a key, or what is said for an absent one. Fails, by file and key, on another type and, without a
  /// word for it, on absence.
  Result<int64_t> integer(std::string_view key, std::optional<int64_t> absent) const;
  Result<bool> boolean(std::string_view key, bool absent) const;
  Result<std::string> text(std::string_view key, std::optional<std::string> absent) const;
  /// Lists: of texts, of whole numbers, of any numbers; null where the key is absent.
  Result<const GgufList*> texts(std::string_view key) const;
  Result<const GgufList*> integers(std::string_view key) const;
  Result<const GgufList*> numbers(std::string_view key) const;

 private:
  friend class GgufParser;
  Gguf() = default;
  Error wrong(std::string_view key, const char* need) const;
  Result<const GgufList*> list(std::string_view key, const char* need, bool (*fits)(GgufType)) const;

  std::shared_ptr<const BoundedReader> file_;
  std::map<std::string, GgufValue, std::less<>> values_;
  std::vector<FileTensor> tensors_;
};

}  // namespace cutaway
