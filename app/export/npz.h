// NumPy's .npz: a zip archive of .npy files, stored without compression, as numpy.savez writes it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "widgets/view.h"

namespace cutaway {

/// One .npy of float32, little endian, C order.
std::string npy_of(const Array&);
/// One .npy of a single text (shape (), dtype <U…): numpy gives it back with .item().
std::string npy_of_text(std::string_view utf8);

struct ZipEntry {
  std::string name, bytes;
};
/// Fails above 4 GiB, where the plain zip format ends.
Result<std::string> zip_stored(const std::vector<ZipEntry>&);

}  // namespace cutaway
