#include <onemask/core/file.hpp>
#include <onemask/core/new_file.hpp>
#include <onemask/core/text_file.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <random>

namespace onemask {

std::filesystem::path temporary_name(std::filesystem::path const& target) {
  std::random_device device;
  std::array<char, 32> suffix{};
  std::snprintf(suffix.data(), suffix.size(), ".%08x%08x.tmp", static_cast<unsigned>(device()), static_cast<unsigned>(device()));
  std::string name = ".";
  name += target.filename().string();
  name += suffix.data();
  return target.parent_path() / name;
}

std::string read_file(std::filesystem::path const& file) {
  PosixFile in(file, PosixFile::Mode::read);
  std::string content;
  std::size_t size = 0;
  while (size == content.size()) {
    content.resize(size + std::max<std::size_t>(size, 1 << 16));
    size += in.read(content.data() + size, content.size() - size);
  }
  content.resize(size);
  refuse_lfs_pointer(content, file);
  return content;
}

void write_file_atomically(std::filesystem::path const& file, std::string_view content) {
  write_file_atomically(file, std::span(&content, 1));
}

void write_file_atomically(std::filesystem::path const& file, std::span<std::string_view const> pieces) {
  NewFile out(file);
  for (auto piece : pieces) out.write(piece);
  out.appear();
}

}  // namespace onemask
