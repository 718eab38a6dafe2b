#include <onemask/core/checkpoint_file.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/hash.hpp>
#include <onemask/core/log.hpp>
#include <onemask/core/posix_file.hpp>

#include <system_error>

namespace onemask {
namespace {

constexpr std::size_t digits = 64;

}  // namespace

std::optional<std::string> CheckpointFile::read() const {
  if (!std::filesystem::exists(file_)) return {};
  auto content = read_file(file_);
  if (content.size() < digits || content.substr(0, digits) != sha256(std::string_view(content).substr(digits))) {
    log_warning("The checkpoint " + file_.string() + " is damaged; its work starts again from the beginning.");
    return {};
  }
  content.erase(0, digits);
  return content;
}

void CheckpointFile::write(std::string const& bytes) const {
  if (file_.has_parent_path()) make_folder(file_.parent_path());
  write_file_atomically(file_, sha256(bytes) + bytes);
}

void CheckpointFile::remove() const {
  std::error_code error;
  std::filesystem::remove(file_, error);
  if (!error) return;
  log_warning("The checkpoint " + file_.string() + " is no longer needed, but cannot be removed: " + error.message() + ".");
}

}  // namespace onemask
