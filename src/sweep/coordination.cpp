#include "sweep/coordination.hpp"

#include <onemask/core/log.hpp>

#include <utility>

#include <nlohmann/json.hpp>

namespace onemask {

Coordination::Coordination(Environment const& environment, TaskGraph const& graph, std::vector<bool> const& done,
                           Mailbox& mailbox, CoordinatorOptions options, RunState state)
    : coordinator_(graph, done, mailbox, std::move(options)),
      writer_(std::move(state), [this] { return coordinator_.snapshot(); }),
      thread_([this, &environment](std::stop_token const& stop) {
        try {
          auto const [ending, in_tasks] = coordinator_.run(stop);
          if (in_tasks && !stop.stop_requested()) end_now(environment, ending);
        } catch (...) {
          failure_ = std::current_exception();
        }
      }) {}

void Coordination::finish(RunEnding::End end) {
  thread_.join();
  writer_.finish(failure_ ? RunEnding::End::failed : end);
  if (failure_) std::rethrow_exception(failure_);
}

/// Some ranks, this one perhaps, are deep in tasks and will not come to the end in time. What they have not finished is dropped.
void Coordination::end_now(Environment const& environment, RunEnding const& ending) {
  writer_.finish(ending.end);
  log_error((ending.sentence.empty() ? "" : ending.sentence + " ") + "Running tasks that took too long were stopped.");
  environment.abort_world(exit_code(ending.end));
}

}  // namespace onemask
