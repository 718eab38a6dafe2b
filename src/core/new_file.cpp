#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/new_file.hpp>

#include <unistd.h>
#include <utility>

namespace onemask {
namespace {

std::filesystem::path const& named(std::filesystem::path const& file) {
  if (file.has_filename()) return file;
  throw RunError("Cannot write '" + file.string() + "': it names a folder. Give the name of a file.");
}

}  // namespace

NewFile::NewFile(std::filesystem::path target)
    : target_(std::move(target)),
      temporary_(temporary_name(named(target_))),
      file_(temporary_, PosixFile::Mode::create, target_) {}

NewFile::~NewFile() {
  if (!appeared_) ::unlink(temporary_.c_str());
}

void NewFile::appear(bool durable) {
  if (durable) file_.sync();
  file_.close();
  rename_file(temporary_, target_);
  appeared_ = true;
  if (durable) sync_name(target_);
}

}  // namespace onemask
