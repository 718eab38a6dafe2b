#pragma once

#include <onemask/core/posix_file.hpp>

#include <filesystem>
#include <string_view>

namespace onemask {

/// A file that takes its name when it is whole, so that a reader, or a crash at any moment, sees what was there before or all of
/// it. Until then it has a temporary name beside it, under which it is removed if it never comes that far. Errors are DiskError
/// and speak of the target.
class NewFile {
 public:
  /// Throws RunError when `target` names a folder.
  explicit NewFile(std::filesystem::path target);
  ~NewFile();
  NewFile(NewFile const&) = delete;
  NewFile& operator=(NewFile const&) = delete;

  std::filesystem::path const& target() const { return target_; }
  std::filesystem::path const& temporary() const { return temporary_; }

  /// Appends to it, behind whatever others have written under the temporary name.
  void write(std::string_view bytes) { file_.write(bytes); }
  /// Takes the target's name, in place of what was there. `durable`: with its content on the disk before, and its name after it.
  void appear(bool durable = true);

 private:
  std::filesystem::path target_, temporary_;
  PosixFile file_;
  bool appeared_ = false;
};

}  // namespace onemask
