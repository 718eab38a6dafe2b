#include <onemask/core/interrupt.hpp>

#include <atomic>
#include <csignal>

namespace onemask {
namespace {

std::atomic<bool> asked_to_stop{false};  // a signal handler can reach nothing else
static_assert(std::atomic<bool>::is_always_lock_free);

extern "C" void ask_to_stop(int) {
  asked_to_stop = true;
}

}  // namespace

void watch_signals() {
  struct sigaction action {};
  action.sa_handler = ask_to_stop;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (int const signal : {SIGTERM, SIGINT, SIGUSR1}) sigaction(signal, &action, nullptr);
}

bool interrupted() {
  return asked_to_stop;
}

}  // namespace onemask
