#include <onemask/core/error.hpp>
#include <onemask/core/posix_file.hpp>

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <system_error>
#include <unistd.h>

namespace onemask {

PosixFile::PosixFile(std::filesystem::path const& file, int flags) : descriptor_(::open(file.c_str(), flags | O_CLOEXEC, 0666)) {}

PosixFile::~PosixFile() {
  if (is_open()) ::close(descriptor_);
}

bool PosixFile::write(std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t const written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

bool PosixFile::sync() {
  return ::fsync(descriptor_) == 0;
}

void sync_folder(std::filesystem::path const& folder) {
  PosixFile opened(folder, O_RDONLY | O_DIRECTORY);
  if (!opened.is_open()) throw_write_error(folder);
  if (!opened.sync() && errno != EINVAL) throw_write_error(folder);  // EINVAL: the file system has no such thing
}

void make_folder(std::filesystem::path const& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error)
    throw DiskError("Cannot make the folder '" + folder.string() + "': " + error.message() +
                    ". Check the path and its permissions.");
}

void throw_write_error(std::filesystem::path const& file) {
  throw DiskError("Cannot write '" + file.string() + "': " + std::strerror(errno) +
                  ". Earlier files are unharmed. Free some space, or repair the disk, and run the same command again.");
}

}  // namespace onemask
