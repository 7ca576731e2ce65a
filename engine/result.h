// What can fail because of the outside world returns a Result: a value, or one sentence for the user.
// Our own mistakes are asserts. Nothing in Cutaway throws across a header.
//
//   Result<Tensor> t = file.tensor("wte.weight");
//   if (!t) return t.error();
//   use(*t);
#pragma once

#include <fmt/format.h>

#include <cassert>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace cutaway {

/// Whose fault it is. The number is the exit code of the command line (0 is success).
enum class Fault { Ours = 1, Given = 2, Machine = 3 };

/// One sentence that names the file, the key and both values.
struct Error {
  std::string text;
  Fault fault = Fault::Given;
};

/// What the user gave is wrong. A text without holes is taken as it is.
template <class... Args>
Error error(fmt::format_string<Args...> text, Args&&... args) {
  return {fmt::format(text, std::forward<Args>(args)...), Fault::Given};
}

/// This machine can't: no such device, out of memory.
template <class... Args>
Error machine_error(fmt::format_string<Args...> text, Args&&... args) {
  return {fmt::format(text, std::forward<Args>(args)...), Fault::Machine};
}

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : held_(std::in_place_index<0>, std::move(value)) {}
  Result(Error why) : held_(std::in_place_index<1>, std::move(why)) {}

  explicit operator bool() const { return held_.index() == 0; }
  T& operator*() & { return std::get<0>(held_); }
  const T& operator*() const& { return std::get<0>(held_); }
  T&& operator*() && { return std::get<0>(std::move(held_)); }
  T* operator->() { return &std::get<0>(held_); }
  const T* operator->() const { return &std::get<0>(held_); }
  const Error& error() const { return std::get<1>(held_); }

 private:
  std::variant<T, Error> held_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error why) : why_(std::move(why)) {}

  explicit operator bool() const { return !why_; }
  const Error& error() const { return *why_; }

 private:
  std::optional<Error> why_;
};

}  // namespace cutaway
