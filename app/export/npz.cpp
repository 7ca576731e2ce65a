#include "app/export/npz.h"

#include <QList>
#include <QString>
#include <array>
#include <bit>
#include <cstring>

namespace cutaway {

namespace {

static_assert(std::endian::native == std::endian::little, "numbers are written as they lie in memory");

void put(std::string& to, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) to += static_cast<char>(value >> (8 * i) & 0xFF);
}

/// CRC-32 of zip (ISO 3309, polynomial 0xEDB88320 reflected).
uint32_t crc32(std::string_view bytes) {
  static const std::array<uint32_t, 256> table = [] {
    std::array<uint32_t, 256> made{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = (value & 1 ? 0xEDB88320u : 0u) ^ (value >> 1);
      made[i] = value;
    }
    return made;
  }();
  uint32_t crc = 0xFFFFFFFFu;
  for (const char byte : bytes) crc = table[(crc ^ static_cast<uint8_t>(byte)) & 0xFF] ^ (crc >> 8);
  return ~crc;
}

/// Format version 1.0: the header is padded so that the data begins at a multiple of 64.
std::string npy(std::string_view type, std::string_view shape, std::string_view data) {
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}", type, shape);
  header.append(63 - (10 + header.size()) % 64, ' ');
  header += '\n';
  std::string file("\x93NUMPY\x01\x00", 8);
  put(file, header.size(), 2);
  return file.append(header).append(data);
}

/// What a local header and the central directory say of an entry alike: versions, stored, 1980-01-01, sizes.
std::string common_fields(const ZipEntry& entry) {
  std::string fields;
  put(fields, 20, 2), put(fields, 1 << 11, 2), put(fields, 0, 2), put(fields, 0, 2), put(fields, 0x21, 2);
  put(fields, crc32(entry.bytes), 4), put(fields, entry.bytes.size(), 4), put(fields, entry.bytes.size(), 4);
  put(fields, entry.name.size(), 2), put(fields, 0, 2);
  return fields;
}

}  // namespace

std::string npy_of(const Array& array) {
  std::string shape = "(";
  for (const int64_t n : array.shape) shape += fmt::format("{}, ", n);
  if (array.shape.size() > 1) shape.resize(shape.size() - 2);
  if (array.shape.size() == 1) shape.pop_back();  // "(3,)"
  return npy("<f4", shape + ")",
             {reinterpret_cast<const char*>(array.values.data()), array.values.size() * sizeof(float)});
}

std::string npy_of_text(std::string_view utf8) {
  const auto letters = QString::fromUtf8(utf8.data(), static_cast<qsizetype>(utf8.size())).toUcs4();
  return npy(fmt::format("<U{}", letters.size()), "()",
             {reinterpret_cast<const char*>(letters.constData()), static_cast<size_t>(letters.size()) * 4});
}

Result<std::string> zip_stored(const std::vector<ZipEntry>& entries) {
  std::string file, directory;
  for (const ZipEntry& entry : entries) {
    if (file.size() + entry.bytes.size() > 0xF0000000u)
      return error("{} makes the archive larger than 4 GiB, which .npz can't hold", entry.name);
    const size_t offset = file.size();
    const std::string fields = common_fields(entry);
    file.append("PK\x03\x04", 4).append(fields).append(entry.name).append(entry.bytes);
    directory.append("PK\x01\x02", 4);
    put(directory, 20, 2);
    directory += fields;
    put(directory, 0, 2), put(directory, 0, 2), put(directory, 0, 2), put(directory, 0, 4), put(directory, offset, 4);
    directory += entry.name;
  }
  const size_t offset = file.size();
  file.append(directory).append("PK\x05\x06", 4);
  put(file, 0, 2), put(file, 0, 2), put(file, entries.size(), 2), put(file, entries.size(), 2);
  put(file, directory.size(), 4), put(file, offset, 4), put(file, 0, 2);
  return file;
}

}  // namespace cutaway
