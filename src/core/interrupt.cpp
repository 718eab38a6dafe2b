#include <onemask/core/interrupt.hpp>

#include <atomic>
#include <csignal>
#include <unistd.h>

namespace onemask {
namespace {

std::atomic<bool> asked_to_stop{false};  // a signal handler can reach nothing else
static_assert(std::atomic<bool>::is_always_lock_free);

extern "C" void ask_to_stop(int) {
  asked_to_stop = true;
}

constexpr pid_t nobody = -1;
std::atomic<pid_t> parent{nobody};

}  // namespace

void watch_signals() {
  struct sigaction action {};
  action.sa_handler = ask_to_stop;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (int const signal : {SIGTERM, SIGINT, SIGUSR1}) sigaction(signal, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

void watch_parent() {
  parent = getppid();
}

bool orphaned() {
  return parent != nobody && parent != getppid();
}

bool interrupted() {
  return asked_to_stop || orphaned();
}

std::string cause_of_interruption() {
  return asked_to_stop ? "A signal" : "The end of the process that started it";
}

}  // namespace onemask
