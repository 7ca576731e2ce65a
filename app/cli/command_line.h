// The command line: cutaway list, run, export, footprint, advise, bench, tokenize. It needs no display.
#pragma once

#include <string>

#include "engine/model.h"

namespace cutaway {

/// What run_command_line() returns when the caller should open the window on the arguments that are left.
inline constexpr int open_window = -1;

/// Runs the call that the arguments name. Exit codes: 0 done, 2 what was given is wrong, 3 the machine can't, 1 our
/// fault.
int run_command_line(int argc, char** argv);

/// What the arguments of a window say. They were checked by run_command_line() when it returned open_window.
struct WindowArguments {
  std::string target;            // MODEL, a trace or a workspace, as typed; empty: the default model
  OpenOptions options;           // --dtype, --attention, --mask, --random-weights
  DType cache = DType::F32;      // --cache-dtype
  std::string backend = "auto";  // --backend
  int threads = 0;               // --threads; 0: all of the machine's
  std::string language, theme;   // --language en|ru, --theme dark|light; empty: as saved
};
WindowArguments read_window_arguments(int argc, char** argv);

}  // namespace cutaway
