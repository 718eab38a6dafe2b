#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace onemask {

class PosixFile;

enum class TaskStatus { done, failed };

/// What became of one task.
struct JournalRecord {
  std::string task;  ///< id of the task
  TaskStatus status = TaskStatus::done;
  std::string object = {};  ///< key of the result in the object store; empty when there is none
  double seconds = 0;       ///< wall time
  std::string host = {};
  int rank = 0;
  std::string note = {};  ///< why it failed
  double units = 0;       ///< how much work it was, in units of its kind; 0: not known
  int ranks = 1;          ///< that did it together
  int attempt = 0;        ///< start of the run that wrote it, as the journal's name says; not in its lines
  std::string sums = {};  ///< what carried the sums over them; empty where there were none
};

/// The list of finished tasks that one process keeps: FOLDER/rank-<rank>-<attempt>.jsonl, a line per record, each a checksum and
/// a JSON object. What `append` returned from is on the disk and stays there whatever happens later.
class Journal {
 public:
  /// Starts the file; makes the folder. Throws RunError when it cannot, or when the file exists already.
  Journal(std::filesystem::path const& folder, int rank, int attempt);
  ~Journal();
  Journal(Journal const&) = delete;
  Journal& operator=(Journal const&) = delete;

  /// Throws RunError when the disk is full or fails; the records before are not harmed.
  void append(JournalRecord const& record);

 private:
  std::filesystem::path name_;
  std::unique_ptr<PosixFile> file_;
  long long size_ = 0;  // bytes of whole records
};

/// One more than the highest attempt that left a journal in the folder; 1 where there is none. Rank 0 asks and tells the others.
int next_attempt(std::filesystem::path const& folder);

/// The records of all ranks and attempts, ordered by attempt, then rank, then line: within an attempt, this is
/// not the order in time. A damaged or torn line is left out, with a warning. A missing folder has no records.
std::vector<JournalRecord> read_journals(std::filesystem::path const& folder);

}  // namespace onemask
