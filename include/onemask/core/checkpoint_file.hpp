#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace onemask {

/// Work so far, in a file that is replaced as it goes on: a hash, then the bytes, so that a torn file is never believed.
class CheckpointFile {
 public:
  explicit CheckpointFile(std::filesystem::path file) : file_(std::move(file)) {}

  /// What was written last; nothing, with a warning, when it is damaged.
  std::optional<std::string> read() const;
  /// Makes the folder where there is none. Throws DiskError when the disk fails; what was there stays.
  void write(std::string const& bytes) const;
  /// Warns when it cannot: what the work came to is safe elsewhere.
  void remove() const;
  std::string name() const { return file_.string(); }

 private:
  std::filesystem::path file_;
};

}  // namespace onemask
