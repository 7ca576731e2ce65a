// The list of views, made from views.inc.
#include <array>

#include "widgets/view.h"

namespace cutaway {

#define VIEW(view, id, word) std::unique_ptr<View> make_##view();
#include "widgets/views/views.inc"
#undef VIEW

std::span<const ViewKind> view_kinds() {
  static const std::array kinds{
#define VIEW(view, id, word) ViewKind{id, Word::word, make_##view},
#include "widgets/views/views.inc"
#undef VIEW
  };
  return kinds;
}

std::unique_ptr<View> make_view(std::string_view id) {
  for (const ViewKind& kind : view_kinds())
    if (kind.id == id) return kind.make();
  return nullptr;
}

}  // namespace cutaway
