#include "posix_file.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/log.hpp>
#include <onemask/store/run_folder.hpp>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <string>
#include <sys/file.h>
#include <unistd.h>

namespace onemask {

namespace {

/// "host node7, process 4711, since 2025-01-31 12:00:00 UTC": who holds the lock.
std::string this_process() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) std::strcpy(host.data(), "unknown");
  std::time_t const now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  std::array<char, 64> since{};
  std::strftime(since.data(), since.size(), "%Y-%m-%d %H:%M:%S UTC", &utc);
  return std::string("host ") + host.data() + ", process " + std::to_string(::getpid()) + ", since " + since.data();
}

}  // namespace

RunLock::RunLock(std::filesystem::path const& folder) {
  make_folder(folder);
  auto const name = folder / "lock";
  file_ = std::make_unique<PosixFile>(name, O_RDWR | O_CREAT);
  if (!file_->is_open()) throw_write_error(name);

  if (::flock(file_->descriptor(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      std::string holder = read_file(name);
      if (auto const end = holder.find('\n'); end != std::string::npos) holder.resize(end);
      throw UserError("The run folder '" + folder.string() + "' is in use by another run (" +
                      (holder.empty() ? "just starting" : holder) + "). Wait for it, stop it, or choose another folder.");
    }
    log_warning("The run folder '" + folder.string() + "' cannot be locked (" + std::strerror(errno) +
                "): see to it that no second run uses it.");
  }
  if (::ftruncate(file_->descriptor(), 0) != 0 || !file_->write(this_process() + "\n")) throw_write_error(name);
}

RunLock::~RunLock() {
  // Closing drops the lock; the file stays, for to remove it would take it from a run that waits to lock it.
  if (::ftruncate(file_->descriptor(), 0) != 0) log_warning("The lock of the run folder still names this process.");
}

}  // namespace onemask
