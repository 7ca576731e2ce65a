#include "engine/files/tensor_files.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "engine/files/gguf.h"
#include "engine/files/json_text.h"
#include "engine/files/safetensors.h"
#include "engine/files/sha256.h"

namespace cutaway {
namespace {

constexpr uint64_t max_index_bytes = 64 << 20;

/// Shards lie beside their index. A name that could lead elsewhere is refused.
Result<void> check_shard_name(const std::string& index, const std::string& name) {
  const bool leads_away = name.empty() || name.find_first_of("/\\:") != std::string::npos || name == "." ||
                          name.find("..") != std::string::npos || name.find('\0') != std::string::npos;
  if (leads_away) return error("{} names the file \"{}\"; only names inside the folder are read", index, name);
  return {};
}

/// Names of the files of a folder with one of those endings, sorted.
std::vector<std::string> files_ending(const std::string& folder, std::initializer_list<std::string_view> endings) {
  std::vector<std::string> names;
  std::error_code failed;
  for (std::filesystem::directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed))
    for (std::string_view ending : endings)
      if (const std::string name = at->path().filename().string(); name.ends_with(ending)) names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

Error nothing_to_read(const std::string& folder) {
  const auto pickles = files_ending(folder, {".bin", ".pt", ".pth", ".ckpt"});
  if (pickles.empty()) return error("{} has no model.safetensors", folder);
  return error(
      "{} has its weights in {} only; pickles are never opened, because they can run code: convert it with "
      "assets/zoo/nanogpt_to_safetensors.py",
      folder, pickles.front());
}

}  // namespace

Result<void> TensorFiles::add(std::shared_ptr<const BoundedReader> file) {
  if (const auto magic = file->text(0, 4); magic && *magic == "GGUF") return add_gguf(std::move(file));
  Result<SafetensorsContents> contents = read_safetensors(*file);
  if (!contents) return contents.error();
  if (files_.empty()) metadata_ = std::move(contents->metadata);
  files_.push_back(std::move(file));
  std::move(contents->tensors.begin(), contents->tensors.end(), std::back_inserter(tensors_));
  std::sort(tensors_.begin(), tensors_.end(), [](const FileTensor& a, const FileTensor& b) { return a.name < b.name; });
  const auto twice = std::adjacent_find(tensors_.begin(), tensors_.end(),
                                        [](const FileTensor& a, const FileTensor& b) { return a.name == b.name; });
  if (twice != tensors_.end())
    return error("{}: {} stands in {} and in {}", name_, twice->name, twice->file, (twice + 1)->file);
  return {};
}

Result<void> TensorFiles::add_gguf(std::shared_ptr<const BoundedReader> file) {
  if (!files_.empty()) return error("{} names {}, which is a GGUF file", name_, file->name());
  auto gguf = Gguf::read(file);
  if (!gguf) return gguf.error();
  const auto parts = (*gguf)->integer("split.count", 1);
  if (!parts) return parts.error();
  if (*parts > 1) return error("{} is one of {} parts (split.count); join them before", file->name(), *parts);
  files_.push_back(std::move(file));
  gguf_ = std::move(*gguf);
  tensors_ = gguf_->tensors();
  std::sort(tensors_.begin(), tensors_.end(), [](const FileTensor& a, const FileTensor& b) { return a.name < b.name; });
  return {};
}

Result<std::shared_ptr<const TensorFiles>> TensorFiles::open_file(const std::string& path) {
  auto file = BoundedReader::open(path);
  if (!file) return file.error();
  std::shared_ptr<TensorFiles> files(new TensorFiles);
  files->name_ = file_name(path);
  if (auto ok = files->add(std::move(*file)); !ok) return ok.error();
  return std::shared_ptr<const TensorFiles>(files);
}

Result<std::shared_ptr<const TensorFiles>> TensorFiles::open_memory(std::string name,
                                                                    std::span<const std::byte> memory) {
  std::shared_ptr<TensorFiles> files(new TensorFiles);
  files->name_ = name;
  if (auto ok = files->add(BoundedReader::over(std::move(name), memory)); !ok) return ok.error();
  return std::shared_ptr<const TensorFiles>(files);
}

Result<std::shared_ptr<const TensorFiles>> TensorFiles::open_folder(const std::string& folder) {
  const std::string single = folder + "/model.safetensors", index = folder + "/model.safetensors.index.json";
  if (is_file(single)) return open_file(single);
  if (is_file(index)) return open_index(folder, index);
  const auto others = files_ending(folder, {".safetensors"});
  if (others.size() == 1) return open_file(folder + "/" + others.front());
  if (others.size() > 1)
    return error("{} has {} safetensors files ({}, {} …) and no model.safetensors.index.json that joins them", folder,
                 others.size(), others[0], others[1]);
  return nothing_to_read(folder);
}

Result<std::shared_ptr<const TensorFiles>> TensorFiles::open_index(const std::string& folder,
                                                                   const std::string& index) {
  const Result<std::string> text = read_text_file(index, max_index_bytes);
  if (!text) return text.error();
  const std::string name = file_name(index);
  const Result<nlohmann::json> json = parse_json(name, *text, 8);
  if (!json) return json.error();
  const auto map = json->is_object() ? json->find("weight_map") : json->end();
  if (map == json->end() || !map->is_object()) return error("{} has no weight_map", name);
  std::set<std::string> shards;
  for (const auto& [tensor, file] : map->items()) {
    if (!file.is_string()) return error("{}: {} stands in {}; a file name is needed", name, tensor, text_of(file));
    if (auto ok = check_shard_name(name, file.get<std::string>()); !ok) return ok.error();
    shards.insert(file.get<std::string>());
  }
  if (shards.empty()) return error("{}: weight_map is empty", name);

  std::shared_ptr<TensorFiles> files(new TensorFiles);
  files->name_ = name;
  for (const std::string& shard : shards) {
    if (!is_file(folder + "/" + shard)) return error("{} names {}, which is not in {}", name, shard, folder);
    auto file = BoundedReader::open(folder + "/" + shard);
    if (!file) return file.error();
    if (auto ok = files->add(std::move(*file)); !ok) return ok.error();
  }
  for (const auto& [tensor, file] : map->items()) {
    const FileTensor* have = files->find(tensor);
    if (!have || have->file != file.get<std::string>())
      return error("{} says that {} is in {}; that file doesn't have it", name, tensor, file.get<std::string>());
  }
  return std::shared_ptr<const TensorFiles>(files);
}

const FileTensor* TensorFiles::find(std::string_view name) const {
  const auto at = std::lower_bound(tensors_.begin(), tensors_.end(), name,
                                   [](const FileTensor& t, std::string_view n) { return t.name < n; });
  return at != tensors_.end() && at->name == name ? &*at : nullptr;
}

uint64_t TensorFiles::bytes() const {
  uint64_t sum = 0;
  for (const auto& file : files_) sum += file->size();
  return sum;
}

std::string TensorFiles::sha256() const {
  std::vector<std::string> hashes;
  for (const auto& file : files_) {
    Sha256 hash;
    hash.update(*file->bytes(0, file->size()));
    hashes.push_back(hash.finish());
  }
  if (hashes.size() == 1) return hashes[0];
  Sha256 all;
  for (const std::string& hash : hashes) all.update(std::as_bytes(std::span(hash)));
  return all.finish();
}

void TensorFiles::forget(const FileTensor& t) const {
  for (const auto& file : files_)
    if (file->name() == t.file) file->forget(t.data);
}

}  // namespace cutaway
