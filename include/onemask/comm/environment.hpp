#pragma once

#include <onemask/comm/communicator.hpp>

#include <memory>
#include <string>

namespace onemask {

class LauncherWatch;
class LocalProcesses;

/// Starts and ends MPI for the process: one of these lives in main, and outlives everything that communicates.
///
/// MPI is touched only when a launcher (mpirun, srun) started the process; otherwise the world is a single rank. MPI is not
/// finalized while an exception unwinds, for that would wait for ranks that never come: catch it inside the life of the
/// Environment and call `abort_world`.
class Environment {
 public:
  /// Throws RunError when MPI cannot start or does not offer MPI_THREAD_MULTIPLE, which the task queue needs. A crash of MPI as
  /// it starts ends the process with a sentence that names the variables of the launcher: they may be left over from one that is
  /// gone.
  Environment(int& argc, char**& argv);
  /// A single rank without MPI, whoever started the process: for commands that need no others.
  Environment();
  ~Environment();
  Environment(Environment const&) = delete;
  Environment& operator=(Environment const&) = delete;

  /// All ranks of the run.
  Communicator world() const { return world_; }
  /// This rank among the ranks on the same host, and how many these are: what GPUs and cores are shared out by.
  int local_rank() const { return local_.rank(); }
  int local_size() const { return local_.size(); }

  /// Some ranks are dead or stuck: ends this process, and leaves MPI as it is, for that would wait for them.
  [[noreturn]] void leave_without_finalizing(int code) const;

  /// What the world ends with when some rank does not come to the end of MPI within half a minute; 1 unless said.
  void will_exit(int code) { code_ = code; }

  /// Ends every rank of the run at once with this exit code, without waiting for any. Ranks of this host that MPI has not ended
  /// within ten seconds are killed.
  [[noreturn]] void abort_world(int code) const;

 private:
  bool launched_;
  std::unique_ptr<LauncherWatch> launcher_;
  std::unique_ptr<LocalProcesses> processes_;
  int exceptions_;
  Communicator world_, local_;
  int code_ = 1;
};

/// The rank that mpirun or srun gave this process, be MPI started or not; 0 where there is neither, or variables of one that is
/// gone.
int rank_by_launcher();

/// For a command that works on all ranks of `world`. Throws UserError where this is one of several processes and yet alone,
/// because srun, or the mpirun of another MPI, started them; warns where a SLURM job of several tasks runs one process.
void require_one_run(Communicator const& world);

/// Name of this machine.
std::string host_name();

}  // namespace onemask
