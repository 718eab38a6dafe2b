#pragma once

#include <onemask/dispatch/run_ending.hpp>

#include <filesystem>
#include <functional>
#include <string>
#include <thread>

#include <nlohmann/json_fwd.hpp>

namespace onemask {

/// Which start of a run it is.
struct RunState {
  std::filesystem::path folder;
  std::string part;  ///< of a run in shards; empty: the whole
  int attempt = 1, ranks = 1;
};

/// The file of a run, or part of one, that `onemask status` reads: RUN/state.json.
std::filesystem::path state_file(std::filesystem::path const& folder, std::string const& part);

/// Writes how far a run is into its state file every few seconds, from a thread of its own, and at last how it ended. A disk that
/// fails is left to the tasks to find out.
class StateWriter {
 public:
  StateWriter(RunState state, std::function<nlohmann::ordered_json()> snapshot);
  ~StateWriter();

  void finish(RunEnding::End end);

 private:
  void write(std::string const& phase) const;

  RunState state_;
  std::function<nlohmann::ordered_json()> snapshot_;
  std::string started_;
  std::jthread thread_;  ///< last, so that it ends before what it uses
};

}  // namespace onemask
