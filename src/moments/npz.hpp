#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace onemask {

/// A file of named arrays as numpy.savez writes it: a zip archive of .npy files (numpy's format 1, 2 and 3). Arrays of numbers in
/// float32, float64 or int64 are read; pickled objects never are.
class NpzFile {
 public:
  /// Throws UserError when it is no zip archive.
  explicit NpzFile(std::filesystem::path file);
  ~NpzFile();
  NpzFile(NpzFile const&) = delete;
  NpzFile& operator=(NpzFile const&) = delete;

  std::vector<std::string> names() const;
  bool contains(std::string const& name) const;
  /// The shape that the array's header tells.
  std::vector<std::int64_t> shape(std::string const& name) const;
  /// The array on the CPU, in C order. Throws UserError when it is absent, damaged, or of another type.
  at::Tensor tensor(std::string const& name) const;

 private:
  struct Archive;
  std::string place_of(std::string const& name) const;

  std::filesystem::path file_;
  std::unique_ptr<Archive> archive_;
};

}  // namespace onemask
