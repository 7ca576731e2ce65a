// The two strips around the main canvas. They are views like the others, but always in sight and not in the list.
#pragma once

#include "widgets/view.h"

namespace cutaway {

/// The text as tokens, 64 px high: ids, surprisal, playhead, where the prompt ends. A click gives SelectToken.
std::unique_ptr<View> make_token_strip();
/// Passes, layers of this pass, operations of the layer in view, on one time axis each. A click on a pass gives
/// SelectToken with the last position that the pass ran, on a layer SelectHead.
std::unique_ptr<View> make_timeline();

}  // namespace cutaway
