#include "local_processes.hpp"

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace onemask {

namespace {

/// What names a process among those that see each other.
struct Name {
  std::int64_t process;
  std::uint64_t names_of;  ///< the namespace that the number belongs to
};

Name own_name() {
  struct stat names {};
  bool const known = ::stat("/proc/self/ns/pid", &names) == 0;
  return {::getpid(), known ? names.st_ino : 0};
}

/// May be called where only calls that are safe in a signal handler may be.
void wait_and_kill(std::vector<int> const& handles, std::chrono::milliseconds time) {
  timespec begin{}, now{};
  ::clock_gettime(CLOCK_MONOTONIC, &begin);
  for (int const handle : handles) {
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    auto const passed = (now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000;
    pollfd ended{handle, POLLIN, 0};
    ::poll(&ended, 1, static_cast<int>(std::max<std::int64_t>(0, time.count() - passed)));
  }
  for (int const handle : handles) ::syscall(SYS_pidfd_send_signal, handle, SIGKILL, nullptr, 0);
}

/// mpirun waits for the end of the streams, and its server for that of the connection.
void close_all_but(std::vector<int> const& handles) {
  int next = 0;
  for (int const handle : handles) {
    if (next < handle) ::syscall(SYS_close_range, next, handle - 1, 0);
    next = handle + 1;
  }
  ::syscall(SYS_close_range, next, ~0U, 0);
}

}  // namespace

LocalProcesses::LocalProcesses(Communicator const& local) {
  auto const own = own_name();
  for (auto const& bytes : local.all_gather({reinterpret_cast<char const*>(&own), sizeof own})) {
    Name other{};
    std::memcpy(&other, bytes.data(), std::min(bytes.size(), sizeof other));
    if (other.names_of != own.names_of || own.names_of == 0) continue;
    auto const handle = static_cast<int>(::syscall(SYS_pidfd_open, other.process, 0));
    if (handle >= 0) handles_.push_back(handle);
  }
  std::sort(handles_.begin(), handles_.end());
}

LocalProcesses::~LocalProcesses() {
  for (int const handle : handles_) ::close(handle);
}

void LocalProcesses::end_within(std::chrono::milliseconds time) const {
  if (handles_.empty() || ::fork() != 0) return;
  ::setsid();
  close_all_but(handles_);
  wait_and_kill(handles_, time);
  ::_exit(0);
}

}  // namespace onemask
