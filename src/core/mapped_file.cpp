#include <onemask/core/error.hpp>
#include <onemask/core/mapped_file.hpp>
#include <onemask/core/posix_file.hpp>

#include <cerrno>
#include <sys/mman.h>
#include <system_error>

namespace onemask {

MappedFile::MappedFile(std::filesystem::path const& file) {
  PosixFile const opened(file, PosixFile::Mode::read);
  if (!opened.is_regular()) throw UserError("'" + file.string() + "' is not a regular file. Give the name of a file.");
  size_ = opened.size();
  if (size_ == 0) return;  // nothing cannot be mapped
  auto* const address = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, opened.descriptor(), 0);
  if (address == MAP_FAILED)
    throw RunError("Cannot map '" + file.string() + "' into memory: " + std::generic_category().message(errno) +
                   ". Use fewer ranks on this machine.");
  address_ = address;
}

MappedFile::~MappedFile() {
  if (address_ != nullptr) ::munmap(address_, size_);
}

}  // namespace onemask
