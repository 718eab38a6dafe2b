#include <onemask/core/error.hpp>
#include <onemask/core/posix_file.hpp>

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <stdexcept>
#include <string>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace onemask {
namespace {

/// Of the system call that just failed.
std::error_code last_error() {
  return {errno, std::generic_category()};
}

/// Again, while only a signal came in between.
template <class Call>
auto uninterrupted(Call const& call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

int flags_of(PosixFile::Mode mode) {
  switch (mode) {
    case PosixFile::Mode::read:
      return O_RDONLY;
    case PosixFile::Mode::create:
      return O_WRONLY | O_CREAT | O_EXCL | O_APPEND;
    case PosixFile::Mode::lock:
      return O_RDWR | O_CREAT;
    case PosixFile::Mode::folder:
      return O_RDONLY | O_DIRECTORY;
  }
  throw std::logic_error("an unknown mode of a file");
}

[[noreturn]] void throw_read_error(std::filesystem::path const& file) {
  throw UserError("Cannot read '" + file.string() + "': " + last_error().message() + ". Check the path and its permissions.");
}

[[noreturn]] void throw_sync_error(std::filesystem::path const& file) {
  throw DiskError("'" + file.string() + "' was written, but its folder could not be synchronised to the disk: " +
                  last_error().message() + ". Check the folder, its permissions and the disk, and run the same command again.");
}

struct stat status_of(int descriptor, std::filesystem::path const& name) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) throw_read_error(name);
  return status;
}

}  // namespace

PosixFile::PosixFile(std::filesystem::path const& file, Mode mode, std::filesystem::path known_as)
    : name_(std::move(known_as)),
      descriptor_(uninterrupted([&] { return ::open(file.c_str(), flags_of(mode) | O_CLOEXEC, 0666); })) {
  if (descriptor_ >= 0) return;
  if (mode == Mode::read) throw_read_error(name_);
  if (mode == Mode::folder) throw_sync_error(name_);
  throw_write_error(name_, last_error());
}

PosixFile::~PosixFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::size_t PosixFile::read(void* to, std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    auto const got = uninterrupted([&] { return ::read(descriptor_, static_cast<char*>(to) + done, size - done); });
    if (got < 0) throw_read_error(name_);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

void PosixFile::write(std::string_view bytes) {
  while (!bytes.empty()) {
    auto const written = uninterrupted([&] { return ::write(descriptor_, bytes.data(), bytes.size()); });
    if (written < 0) throw_write_error(name_, last_error());
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

void PosixFile::truncate(std::size_t size) {
  if (::ftruncate(descriptor_, static_cast<off_t>(size)) != 0) throw_write_error(name_, last_error());
}

void PosixFile::sync() {
  if (::fsync(descriptor_) != 0) throw_write_error(name_, last_error());
}

void PosixFile::close() {
  if (::close(std::exchange(descriptor_, -1)) != 0) throw_write_error(name_, last_error());
}

std::size_t PosixFile::size() const {
  return static_cast<std::size_t>(status_of(descriptor_, name_).st_size);
}

bool PosixFile::is_regular() const {
  return S_ISREG(status_of(descriptor_, name_).st_mode);
}

bool PosixFile::try_lock(Lock kind) {
  auto const operation = (kind == Lock::exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB;
  if (uninterrupted([&] { return ::flock(descriptor_, operation); }) == 0) return true;
  if (errno == EWOULDBLOCK) return false;
  throw DiskError("Cannot lock '" + name_.string() + "': " + last_error().message() + ".");
}

void sync_name(std::filesystem::path const& file) {
  auto const folder = file.parent_path();
  PosixFile const opened(folder.empty() ? "." : folder, PosixFile::Mode::folder, file);
  if (::fsync(opened.descriptor()) == 0 || errno == EINVAL) return;  // EINVAL: the file system has no such thing
  throw_sync_error(file);
}

void make_folder(std::filesystem::path const& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error)
    throw DiskError("Cannot make the folder '" + folder.string() + "': " + error.message() +
                    ". Check the path and its permissions.");
}

void rename_file(std::filesystem::path const& file, std::filesystem::path const& name) {
  if (std::rename(file.c_str(), name.c_str()) != 0) throw_write_error(name, last_error());
}

void throw_write_error(std::filesystem::path const& file, std::error_code reason) {
  bool const full = reason == std::errc::no_space_on_device || reason == std::errc::file_too_large || reason.value() == EDQUOT;
  throw DiskError("Cannot write '" + file.string() + "': " + reason.message() + ". Earlier files are unharmed; " +
                  (full ? "free some space" : "check the folder, its permissions and the disk") +
                  " and run the same command again.");
}

}  // namespace onemask
