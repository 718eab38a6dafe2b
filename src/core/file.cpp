#include "core/detail/descriptor.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <random>

namespace onemask {
namespace {

using detail::Descriptor;

/// Removes the temporary file unless it has become the real one.
struct RemoveOnFailure {
  std::filesystem::path const& file;
  bool armed = true;
  ~RemoveOnFailure() {
    if (armed) ::unlink(file.c_str());
  }
};

[[noreturn]] void throw_write_error(std::filesystem::path const& file, int error) {
  throw DiskError("Cannot write '" + file.string() + "': " + std::strerror(error) + ". What was there is unchanged; " +
                  (error == ENOSPC || error == EDQUOT || error == EFBIG ? "free some space and run the same command again."
                                                                        : "check the folder and its permissions."));
}

/// 0, or the errno of the step that failed.
int write_all(Descriptor& out, std::span<std::string_view const> pieces) {
  for (auto content : pieces) {
    while (!content.empty()) {
      ssize_t const written = ::write(out.number(), content.data(), content.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return errno;
      content.remove_prefix(static_cast<std::size_t>(written));
    }
  }
  return ::fsync(out.number()) == 0 && out.close() ? 0 : errno;
}

}  // namespace

std::filesystem::path temporary_name(std::filesystem::path const& target) {
  std::random_device device;
  std::array<char, 32> suffix{};
  std::snprintf(suffix.data(), suffix.size(), ".%08x%08x.tmp", static_cast<unsigned>(device()), static_cast<unsigned>(device()));
  std::string name = ".";
  name += target.filename().string();
  name += suffix.data();
  return target.parent_path() / name;
}

std::string read_file(std::filesystem::path const& file) {
  Descriptor const in(file.c_str(), O_RDONLY);
  std::string content;
  std::size_t size = 0;
  ssize_t got = in.open() ? 1 : -1;
  while (got > 0) {
    if (content.size() - size < 4096) content.resize(content.size() + std::max<std::size_t>(content.size(), 1 << 16));
    got = in.read(content.data() + size, content.size() - size);
    if (got > 0) size += static_cast<std::size_t>(got);
  }
  if (got < 0)
    throw UserError("Cannot read '" + file.string() + "': " + std::strerror(errno) + ". Check the path and its permissions.");
  content.resize(size);
  return content;
}

void write_file_atomically(std::filesystem::path const& file, std::string_view content) {
  write_file_atomically(file, std::span(&content, 1));
}

void write_file_atomically(std::filesystem::path const& file, std::span<std::string_view const> pieces) {
  if (!file.has_filename()) throw RunError("Cannot write '" + file.string() + "': it names a folder. Give the name of a file.");
  std::filesystem::path const temporary = temporary_name(file);
  Descriptor out(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0666);
  if (!out.open()) throw_write_error(file, errno);
  RemoveOnFailure guard{temporary};
  if (int const error = write_all(out, pieces)) throw_write_error(file, error);
  if (std::rename(temporary.c_str(), file.c_str()) != 0) throw_write_error(file, errno);
  guard.armed = false;

  std::filesystem::path const folder = file.has_parent_path() ? file.parent_path() : ".";
  Descriptor const opened(folder.c_str(), O_RDONLY | O_DIRECTORY);
  // Some network file systems cannot sync a folder and say EINVAL: the rename is as durable there as it gets.
  if (!opened.open() || (::fsync(opened.number()) != 0 && errno != EINVAL)) {
    throw DiskError("'" + file.string() + "' was written, but its folder could not be synchronised to the disk: " +
                    std::strerror(errno) + ". Run the same command again.");
  }
}

}  // namespace onemask
