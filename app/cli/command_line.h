// The command line: cutaway list, run, export, footprint, advise, bench, tokenize. It needs no display.
#pragma once

namespace cutaway {

/// What run_command_line() returns when the caller should open the window on the arguments that are left.
inline constexpr int open_window = -1;

/// Runs the call that the arguments name. Exit codes: 0 done, 2 what was given is wrong, 3 the machine can't, 1 our fault.
int run_command_line(int argc, char** argv);

}  // namespace cutaway
