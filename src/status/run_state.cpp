#include <onemask/comm/environment.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/stopped_within.hpp>
#include <onemask/status/run_state.hpp>

#include <array>
#include <chrono>
#include <stop_token>
#include <unistd.h>

#include <nlohmann/json.hpp>

namespace onemask {
namespace {

constexpr std::chrono::seconds every{2};

std::string phase_of(RunEnding::End end) {
  constexpr std::array<char const*, 5> names{"complete", "partial", "interrupted", "failed", "refused"};
  return names.at(static_cast<std::size_t>(end));
}

long long seconds_since_epoch() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

std::filesystem::path state_file(std::filesystem::path const& folder, std::string const& part) {
  return folder / (part.empty() ? "state.json" : "state-" + part + ".json");
}

StateWriter::StateWriter(RunState state, std::function<nlohmann::ordered_json()> snapshot)
    : state_(std::move(state)),
      snapshot_(std::move(snapshot)),
      started_(std::to_string(seconds_since_epoch())),
      thread_([this](std::stop_token const& stop) {
        do {
          write("running");
        } while (!stopped_within(every, stop));
      }) {}

StateWriter::~StateWriter() = default;

void StateWriter::finish(RunEnding::End end) {
  thread_.request_stop();
  thread_.join();
  write(phase_of(end));
}

void StateWriter::write(std::string const& phase) const {
  nlohmann::ordered_json state{{"phase", phase},
                               {"attempt", state_.attempt},
                               {"host", host_name()},
                               {"process", static_cast<long long>(::getpid())},
                               {"started", std::stoll(started_)},
                               {"updated", seconds_since_epoch()}};
  state.update(snapshot_());
  try {
    write_file_atomically(state_file(state_.folder, state_.part), state.dump(2) + "\n");
  } catch (DiskError const&) {
  }
}

}  // namespace onemask
