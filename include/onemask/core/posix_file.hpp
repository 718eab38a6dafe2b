#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>
#include <system_error>

namespace onemask {

/// An open file, closed at the end. What fails throws a sentence with the file's name and the system's reason: UserError where it
/// is opened to read or read, DiskError otherwise.
class PosixFile {
 public:
  enum class Mode {
    read,
    create,  ///< a new file, written at its end
    lock,    ///< made where it is missing; what is there stays
    folder,  ///< to be synchronised
  };

  /// Errors call it `known_as`.
  PosixFile(std::filesystem::path const& file, Mode mode, std::filesystem::path known_as);
  PosixFile(std::filesystem::path const& file, Mode mode) : PosixFile(file, mode, file) {}
  ~PosixFile();
  PosixFile(PosixFile const&) = delete;
  PosixFile& operator=(PosixFile const&) = delete;

  /// Up to `size` bytes; fewer only where the file ends.
  std::size_t read(void* to, std::size_t size);
  /// All of it.
  void write(std::string_view bytes);
  /// Its first bytes stay.
  void truncate(std::size_t size);
  /// Waits until what was written is on the disk.
  void sync();
  /// Network file systems tell here of a write that failed.
  void close();

  std::size_t size() const;
  bool is_regular() const;

  /// Takes the lock unless another process holds one that excludes it; whether it did. Closing the file drops it. Throws
  /// DiskError where the file system has no locks.
  enum class Lock { shared, exclusive };
  bool try_lock(Lock kind);

  int descriptor() const { return descriptor_; }

 private:
  std::filesystem::path name_;
  int descriptor_;
};

/// Waits until the name of a file or folder, made or changed, is on the disk. Throws DiskError.
void sync_name(std::filesystem::path const& file);

/// Makes the folder and its parents. Throws DiskError when it cannot.
void make_folder(std::filesystem::path const& folder);

/// The file takes this name, from another one if need be. Throws DiskError.
void rename_file(std::filesystem::path const& file, std::filesystem::path const& name);

/// Throws DiskError: "Cannot write 'FILE': No space left on device …".
[[noreturn]] void throw_write_error(std::filesystem::path const& file, std::error_code reason);

}  // namespace onemask
