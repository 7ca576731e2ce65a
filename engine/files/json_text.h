// JSON from outside: parsed with a limit on depth, and every failure told in one sentence. For .cpp files of the engine
// only: the library costs seconds to compile.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "engine/result.h"

namespace cutaway {

/// Parses a whole text. Fails on bad syntax ("line 3, column 14"), invalid UTF-8, numbers beyond a double, and on
/// nesting deeper than max_depth (checked before the parser sees it).
Result<nlohmann::json> parse_json(const std::string& file, std::string_view text, int max_depth);

/// A short form of a value for messages: 60 characters at most.
std::string text_of(const nlohmann::json& value);

}  // namespace cutaway
