#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/posix_file.hpp>
#include <onemask/model/new_folder.hpp>

#include <algorithm>
#include <cerrno>
#include <string>
#include <system_error>
#include <unistd.h>

namespace onemask {
namespace {

[[noreturn]] void fail(std::filesystem::path const& folder, std::string const& reason) {
  throw RunError("Cannot make the folder '" + folder.string() + "': " + reason + ". Check the disk and its permissions.");
}

/// Waits until all files of the file system that `folder` is on are written.
void sync_file_system(std::filesystem::path const& folder) {
  PosixFile const opened(folder, PosixFile::Mode::folder);
  if (::syncfs(opened.descriptor()) != 0) fail(folder, std::generic_category().message(errno));
}

}  // namespace

std::filesystem::path whole_path(std::filesystem::path const& folder) {
  std::error_code error;
  auto const path = std::filesystem::weakly_canonical(std::filesystem::absolute(folder), error);
  if (error) throw UserError("The folder '" + folder.string() + "' cannot be looked up: " + error.message() + ".");
  return path.has_filename() ? path : path.parent_path();
}

void require_outside(std::filesystem::path const& folder, std::filesystem::path const& source) {
  auto const inner = whole_path(folder), outer = whole_path(source);
  if (std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end()) {
    throw UserError("The folder '" + folder.string() +
                    "' is the checkpoint that is read, or lies inside it. Choose another folder.");
  }
}

NewFolder::NewFolder(std::filesystem::path const& target) : target_(whole_path(target)), path_(temporary_name(target_)) {
  std::error_code error;
  if (std::filesystem::exists(target_, error)) {
    if (!std::filesystem::is_directory(target_, error))
      throw UserError("'" + target.string() + "' exists and is not a folder. Choose another name.");
    if (!std::filesystem::is_empty(target_, error))
      throw UserError("The folder '" + target.string() + "' is not empty, and nothing is overwritten. Choose another folder.");
  }
  std::filesystem::create_directories(path_, error);
  if (error) fail(target, error.message());
}

NewFolder::~NewFolder() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

void NewFolder::appear() {
  sync_file_system(path_);
  std::error_code error;
  std::filesystem::rename(path_, target_, error);
  if (error) fail(target_, error.message());
  path_.clear();
  sync_file_system(target_.parent_path());
}

}  // namespace onemask
