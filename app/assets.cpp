#include "app/assets.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace cutaway {
namespace fs = std::filesystem;

namespace {

/// Folders that may hold assets, best first.
std::vector<fs::path> roots() {
  std::vector<fs::path> found;
  if (const char* told = std::getenv("CUTAWAY_ASSETS"); told && *told) found.emplace_back(told);
  std::error_code failed;
  const fs::path binary = fs::read_symlink("/proc/self/exe", failed);
  if (failed) return found;
  fs::path folder = binary.parent_path();
  found.push_back(folder.parent_path() / "share" / "cutaway");
  for (int up = 0; up < 4; ++up, folder = folder.parent_path()) found.push_back(folder / "assets");
  return found;
}

}  // namespace

std::string asset(const std::string& name) {
  std::error_code failed;
  for (const fs::path& root : roots())
    if (fs::exists(root / name, failed)) return (root / name).string();
  return {};
}

std::vector<std::string> bundled_models() {
  std::vector<std::string> names;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(asset("models"), failed))
    if (fs::exists(entry.path() / "config.json", failed)) names.push_back(entry.path().filename().string());
  const auto rank = [](const std::string& name) { return name == "mini-gpt" ? 0 : name == "mini-bert" ? 1 : 2; };
  std::ranges::sort(
      names, [&](const std::string& a, const std::string& b) { return std::pair(rank(a), a) < std::pair(rank(b), b); });
  return names;
}

}  // namespace cutaway
