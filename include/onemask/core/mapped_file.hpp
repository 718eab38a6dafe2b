#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>

namespace onemask {

/// A file's content in memory as the system pages it in; empty for an empty file.
class MappedFile {
 public:
  /// Throws UserError when it cannot be read or is no regular file, RunError when it cannot be mapped.
  explicit MappedFile(std::filesystem::path const& file);
  ~MappedFile();
  MappedFile(MappedFile const&) = delete;
  MappedFile& operator=(MappedFile const&) = delete;

  std::string_view content() const { return {static_cast<char const*>(address_), size_}; }

 private:
  void* address_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace onemask
