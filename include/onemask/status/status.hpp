#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace onemask {

/// How far the tasks of a kind are.
struct KindStatus {
  std::string name;
  std::size_t tasks = 0, done = 0, running = 0, failed = 0;
  double share = 0;  ///< that is done of those that run, added up

  std::size_t waiting() const { return tasks - std::min(tasks, done + running + failed); }
};

/// The last start of a run, or of one of its shards.
struct PartStatus {
  std::string name;   ///< empty: the whole run
  std::string phase;  ///< running, complete, partial, interrupted, failed or refused
  int attempt = 0;
  std::string host;
  long long process = 0;
  long long started = 0, updated = 0;  ///< [s since 1970, UTC]
  int ranks = 0;
  std::vector<int> lost;
  double seconds = 0, seconds_left = 0;
  double busy = 0;  ///< share of its ranks' time spent in tasks
  std::vector<KindStatus> kinds;

  /// It calls itself running, but has not been heard of for long.
  bool silent(long long now) const;
};

/// A task that failed and has not been done since.
struct FailedTask {
  std::string task, reason, host;
  int rank = 0;
  std::size_t times = 0;
};

struct RunStatus {
  std::string plan, name;
  std::size_t facts = 0;
  std::vector<PartStatus> parts;
  std::vector<FailedTask> failed;
};

/// From the journals in this folder.
std::vector<FailedTask> failed_tasks(std::filesystem::path const& journals);

/// What the last start of a run, or of one of its shards, said of itself at last; nothing where none has.
std::optional<PartStatus> last_state(std::filesystem::path const& folder, std::string const& part);

/// What the files of a run say about it, whether it goes on or has ended. Only reads. Throws UserError when the folder has no
/// run.
RunStatus read_status(std::filesystem::path const& folder);

}  // namespace onemask
