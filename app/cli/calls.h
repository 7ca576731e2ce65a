// One function a call of the command line. Each reads its own options, prints to standard output and gives a failure
// back as one sentence.
#pragma once

#include "app/cli/arguments.h"

namespace cutaway {

Result<void> list_call(const Words&);
Result<void> run_call(const Words&);
Result<void> export_call(const Words&);
Result<void> footprint_call(const Words&);
Result<void> advise_call(const Words&);
Result<void> bench_call(const Words&);
Result<void> tokenize_call(const Words&);

/// Writes all of it to standard output. Fails when it can't be written (a full disk); a reader that left early is no
/// failure.
Result<void> print(const std::string& text);

}  // namespace cutaway
