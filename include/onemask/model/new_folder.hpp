#pragma once

#include <filesystem>

namespace onemask {

/// A folder that appears whole or not at all: filled under another name beside its own, then renamed.
class NewFolder {
 public:
  /// Throws UserError when `target` is there and not an empty folder, RunError when the disk fails.
  explicit NewFolder(std::filesystem::path const& target);
  /// Removes what was filled in, unless it `appear`ed.
  ~NewFolder();
  NewFolder(NewFolder const&) = delete;
  NewFolder& operator=(NewFolder const&) = delete;

  /// Where to write now.
  std::filesystem::path const& path() const { return path_; }
  /// Everything is there: waits for the disk, then gives the folder its name. Throws RunError.
  void appear();

 private:
  std::filesystem::path target_, path_;
};

/// `folder` from the root, without links, dots and a slash at the end; it need not be there.
std::filesystem::path whole_path(std::filesystem::path const& folder);

/// Throws UserError when `folder` is `source`, a checkpoint that is read, or lies inside it.
void require_outside(std::filesystem::path const& folder, std::filesystem::path const& source);

}  // namespace onemask
