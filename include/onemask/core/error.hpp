#pragma once

#include <stdexcept>
#include <string>

namespace onemask {

/// Something the user gave is wrong: a file, a field, an option. The message is a sentence that says what is wrong, where (file,
/// record, field) and what to do. The program ends with exit code 2.
class UserError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Two shapes that must agree do not; the message carries both names and sizes. Exit code 2.
class ShapeError : public UserError {
 public:
  using UserError::UserError;
};

/// The machine failed us: a full disk, a lost rank, a device error. Exit code 1.
class RunError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A file cannot be written: the disk is full or fails. Whatever is tried next would fail as well.
class DiskError : public RunError {
 public:
  using RunError::RunError;
};

/// Another rank is lost: this one can go on, but not with what they did together.
class LostRank : public RunError {
 public:
  using RunError::RunError;
};

/// A signal asked the run to stop; everything finished is on disk. Exit code 75: run the same command again.
class Interrupted : public RunError {
 public:
  using RunError::RunError;
};

}  // namespace onemask
