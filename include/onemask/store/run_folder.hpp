#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

namespace onemask {

class PosixFile;

/// Keeps a second run out of a run folder, for as long as it lives: rank 0 holds a lock on FOLDER/lock, which names its host,
/// process and start. Parts of one run share that lock, and each keeps its own twin out by FOLDER/lock.<part>. The system drops
/// the lock with the process, however it ends, so a dead run never keeps the next one out.
class RunLock {
 public:
  /// Makes the folder. Throws UserError naming the host and process id of the run that holds it for longer than `patience`: who
  /// only looks at the lock lets it go at once. Where the file system has no locks, a warning says so.
  explicit RunLock(std::filesystem::path const& folder, std::string const& part = {},
                   std::chrono::milliseconds patience = std::chrono::milliseconds(200));
  ~RunLock();
  RunLock(RunLock const&) = delete;
  RunLock& operator=(RunLock const&) = delete;

 private:
  std::unique_ptr<PosixFile> file_, shared_;
};

/// Whether that part of a run, or a run of one part alone, is at work in the folder.
bool is_at_work(std::filesystem::path const& folder, std::string const& part = {});
/// Whether a run or any part of one is.
bool is_any_at_work(std::filesystem::path const& folder);

}  // namespace onemask
