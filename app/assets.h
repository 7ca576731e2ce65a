// Where the files that ship beside the binary are: bundled models, fonts, learn cards.
#pragma once

#include <string>
#include <vector>

namespace cutaway {

/// Path of something under assets/ ("models/mini-gpt"), or empty when it is not there. Looked for in $CUTAWAY_ASSETS,
/// beside the binary and its parent folders, and in ../share/cutaway.
std::string asset(const std::string& name);

/// Names of the bundled models, that is of the folders in assets/models that hold a config.json; sorted, with those
/// that a first start prefers (mini-gpt, mini-bert) in front.
std::vector<std::string> bundled_models();

}  // namespace cutaway
