#pragma once

#include <filesystem>
#include <string_view>

namespace onemask {

/// An open file, closed at the end.
class PosixFile {
 public:
  /// `flags` as for open(2). Not open when that failed; errno says why.
  PosixFile(std::filesystem::path const& file, int flags);
  ~PosixFile();
  PosixFile(PosixFile const&) = delete;
  PosixFile& operator=(PosixFile const&) = delete;

  bool is_open() const { return descriptor_ >= 0; }
  int descriptor() const { return descriptor_; }

  /// Writes all of it. False when the disk fails; errno says why.
  bool write(std::string_view bytes);
  /// Waits until what was written is on the disk. False when that fails.
  bool sync();

 private:
  int descriptor_;
};

/// Waits until names made, or changed, in `folder` are on the disk.
void sync_folder(std::filesystem::path const& folder);

/// Makes the folder and its parents. Throws RunError when it cannot.
void make_folder(std::filesystem::path const& folder);

/// Throws RunError: "Cannot write 'FILE': No space left on device …", from errno.
[[noreturn]] void throw_write_error(std::filesystem::path const& file);

}  // namespace onemask
