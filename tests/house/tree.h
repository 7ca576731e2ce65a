// The source tree as the laws of the house see it: text files with their paths, as a clone or an archive has them.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

struct SourceFile {
  std::string path;  // from the root: "engine/graph.h"
  std::vector<std::string> lines;

  std::string place(size_t line) const { return path + ":" + std::to_string(line + 1); }
  std::string folder() const { return path.substr(0, path.find('/')); }
  bool ends_with(std::string_view ending) const { return path.ends_with(ending); }
};

inline SourceFile read_source(const std::filesystem::path& root, const std::filesystem::path& file) {
  SourceFile source{std::filesystem::relative(file, root).generic_string(), {}};
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) source.lines.push_back(line);
  return source;
}

/// Every text file below the root, except what .gitignore leaves out; sorted by path.
inline std::vector<SourceFile> read_tree(const std::filesystem::path& root) {
  static const std::vector<std::string> text = {".cpp", ".h",  ".inc", ".comp", ".vert", ".frag", ".glsl",
                                                ".py",  ".md", ".txt", ".sh",   ".json", ".supp", ""};
  std::vector<SourceFile> tree;
  for (auto it = std::filesystem::recursive_directory_iterator(root);
       it != std::filesystem::recursive_directory_iterator(); ++it) {
    const std::string name = it->path().filename().string();
    if (it->is_directory()) {
      if (name == ".git" || name == ".cache" || name == "__pycache__" || (it.depth() == 0 && name.starts_with("build")))
        it.disable_recursion_pending();
      continue;
    }
    const bool wanted = std::find(text.begin(), text.end(), it->path().extension().string()) != text.end();
    if (it->is_regular_file() && wanted && it->file_size() < 4 << 20) tree.push_back(read_source(root, it->path()));
  }
  std::sort(tree.begin(), tree.end(), [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
  return tree;
}
