// What speaks for which architecture, task by task: a small table with its sources. Figures are not in it; they are
// computed by law from the graph of the model that is named.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace cutaway {

enum class Task : uint8_t { Chat, Code, Classification, Embedding, Translation, Summary, Infilling, Stream };

/// One way to build a model for a task. `models` are names of the library, smallest first; none: this version holds no
/// model of that kind to try.
struct Option {
  std::string_view architecture;  // "encoder", "decoder", "encoder-decoder"
  std::string_view attention, mask, ffn, objective;
  std::span<const std::string_view> models;
};

/// Why an option suits a task, or what speaks against it. The order of a task's entries is the ranking.
struct Advice {
  Task task;
  const Option* option;
  std::string_view reason, source;
};
std::span<const Advice> advice();

struct TaskName {
  std::string_view name;
  Task task;
};
std::span<const TaskName> task_names();

}  // namespace cutaway
