// JSON of the calls: keys in the order of the contract, one line, always valid (a piece that is no UTF-8 has U+FFFD in
// it; a number that is not finite is null). For .cpp files only: the library costs seconds to compile.
#pragma once

#include <nlohmann/json.hpp>

#include "app/cli/calls.h"

namespace cutaway {

using Json = nlohmann::ordered_json;

inline Result<void> print(const Json& said) {
  return print(said.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace cutaway
