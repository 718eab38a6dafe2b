#pragma once

#include <cerrno>
#include <cstddef>
#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

namespace onemask::detail {

/// An open file; closed when it goes out of scope. `open()` says whether there is one, errno why not.
class Descriptor {
 public:
  Descriptor(char const* file, int flags, mode_t mode = 0) {
    do {
      number_ = ::open(file, flags | O_CLOEXEC, mode);
    } while (number_ < 0 && errno == EINTR);
  }
  ~Descriptor() { close(); }
  Descriptor(Descriptor const&) = delete;
  Descriptor& operator=(Descriptor const&) = delete;

  bool open() const { return number_ >= 0; }
  int number() const { return number_; }

  /// False, with errno, when the system reports here that an earlier write failed (network file systems do).
  bool close() {
    int const number = number_;
    number_ = -1;
    return number < 0 || ::close(number) == 0;
  }

  /// Bytes read into `buffer`, 0 at the end of the file, -1 with errno on failure.
  ssize_t read(void* buffer, std::size_t size) const {
    ssize_t got;
    do {
      got = ::read(number_, buffer, size);
    } while (got < 0 && errno == EINTR);
    return got;
  }

 private:
  int number_ = -1;
};

}  // namespace onemask::detail
