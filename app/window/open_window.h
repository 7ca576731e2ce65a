// Starts Qt and the window.
#pragma once

namespace cutaway {

/// Opens the window on what the arguments name (a model, a folder, a trace; nothing: the last session) and runs until
/// it is closed. Returns the exit code.
int run_window(int argc, char** argv);

}  // namespace cutaway
