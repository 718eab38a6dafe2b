#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace onemask {

/// What a folder lies on.
struct FileSystem {
  std::string type;                         ///< "ext4", "nfs" …; "of type 0x1234" where it has no name here
  bool network = false;                     ///< of those that hosts share
  bool in_memory = false;                   ///< gone after a restart of the machine
  std::uint64_t size = 0, free = 0;         ///< [bytes], free for this user
  std::uint64_t files = 0, free_files = 0;  ///< inodes; 0 and 0 where they are not counted
};

/// The file system of an existing folder. Throws RunError when it does not answer.
FileSystem file_system_of(std::filesystem::path const& folder);

/// An empty folder inside of another, for trials. At the end it is removed with all it holds, and so are the folders above it
/// that had to be made.
class ScratchFolder {
 public:
  /// Throws RunError when it cannot be made.
  explicit ScratchFolder(std::filesystem::path const& parent);
  ~ScratchFolder();
  ScratchFolder(ScratchFolder const&) = delete;
  ScratchFolder& operator=(ScratchFolder const&) = delete;

  std::filesystem::path const& path() const { return path_; }

 private:
  std::filesystem::path path_;
  std::vector<std::filesystem::path> made_;  // the deepest last
};

/// How long a file system takes.
struct DiskTrial {
  double create = 0;  ///< a file, the median [s]
  double sync = 0;    ///< a small file to the disk, the median [s]
  double rename = 0;  ///< over another file, the median [s]
  double rate = 0;    ///< of writing a large file to the disk [bytes/s]
};

/// Does in a folder what a run does to its files: creates, writes, syncs, renames over, reads back. Throws RunError naming the
/// file where a step fails or gives back other bytes.
DiskTrial try_disk(std::filesystem::path const& folder);

/// Writes a small study file into a folder and reads it back. Throws RunError when it cannot, or it is not the same.
void try_study_file(std::filesystem::path const& folder);

/// Waits until `file`, which another rank has written, has this content here; returns how long that took [s]. Throws RunError
/// after `patience`.
double await_file(std::filesystem::path const& file, std::string const& content, std::chrono::milliseconds patience);

}  // namespace onemask
