#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/log.hpp>
#include <onemask/core/posix_file.hpp>
#include <onemask/store/run_folder.hpp>

#include <array>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

#include <fmt/core.h>

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
  return fmt::format("host {}, process {}, since {}", host.data(), ::getpid(), since.data());
}

/// Who the lock file names, or nobody.
std::string holder_of(std::filesystem::path const& file) {
  std::string holder = std::filesystem::exists(file) ? read_file(file) : "";
  if (auto const end = holder.find('\n'); end != std::string::npos) holder.resize(end);
  return holder;
}

std::vector<std::filesystem::path> part_locks(std::filesystem::path const& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (auto const& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().filename().string().starts_with("lock.")) files.push_back(entry.path());
  }
  return files;
}

[[noreturn]] void refuse(std::filesystem::path const& folder, std::string holder) {
  if (holder.empty()) holder = holder_of(folder / "lock");
  for (auto const& file : part_locks(folder)) {
    if (holder.empty()) holder = holder_of(file);
  }
  throw UserError("The run folder '" + folder.string() + "' is in use by another run (" +
                  (holder.empty() ? "just starting" : holder) + "). Wait for it, stop it, or choose another folder.");
}

/// Opens and locks the file.
std::unique_ptr<PosixFile> lock_file(std::filesystem::path const& folder, std::string const& name, PosixFile::Lock kind,
                                     std::chrono::milliseconds patience) {
  auto const end = std::chrono::steady_clock::now() + patience;
  auto file = std::make_unique<PosixFile>(folder / name, PosixFile::Mode::lock);
  try {
    while (!file->try_lock(kind)) {
      if (std::chrono::steady_clock::now() > end) refuse(folder, holder_of(folder / name));
      ::usleep(10'000);
    }
  } catch (DiskError const& error) {
    log_warning(std::string(error.what()) + " Make sure that no second run uses the run folder.");
  }
  return file;
}

/// The holder's name takes the place of the last one's; an empty one is nobody's.
void name_holder(PosixFile& lock, std::string const& holder) {
  lock.truncate(0);
  lock.write(holder);
}

}  // namespace

RunLock::RunLock(std::filesystem::path const& folder, std::string const& part, std::chrono::milliseconds patience) {
  make_folder(folder);
  if (part.empty()) {
    file_ = lock_file(folder, "lock", PosixFile::Lock::exclusive, patience);
  } else {
    shared_ = lock_file(folder, "lock", PosixFile::Lock::shared, patience);
    name_holder(*shared_, "");  // whoever held it alone is gone
    file_ = lock_file(folder, "lock." + part, PosixFile::Lock::exclusive, patience);
  }
  name_holder(*file_, this_process() + "\n");
}

RunLock::~RunLock() {
  // Closing drops the lock; the file stays, for to remove it would take it from a run that waits to lock it.
  try {
    file_->truncate(0);
  } catch (DiskError const&) {
    log_warning("The lock of the run folder still names this process.");
  }
}

bool is_at_work(std::filesystem::path const& folder, std::string const& part) {
  try {
    PosixFile file(folder / (part.empty() ? "lock" : "lock." + part), PosixFile::Mode::read);
    return !file.try_lock(PosixFile::Lock::shared);
  } catch (std::runtime_error const&) {
    return false;  // no run has been here, or none can be seen
  }
}

bool is_any_at_work(std::filesystem::path const& folder) {
  if (is_at_work(folder)) return true;
  constexpr std::string_view before = "lock.";
  std::error_code unreadable;
  for (auto const& entry : std::filesystem::directory_iterator(folder, unreadable)) {
    auto const name = entry.path().filename().string();
    if (name.starts_with(before) && is_at_work(folder, name.substr(before.size()))) return true;
  }
  return false;
}

}  // namespace onemask
