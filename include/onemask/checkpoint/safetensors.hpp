#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

namespace onemask {

/// A tensor as it lies in a file, of a type that may have no counterpart in LibTorch.
struct StoredTensor {
  std::string type;  ///< as the format names it: "F32"
  std::vector<std::int64_t> shape;
  std::string_view bytes;

  bool operator==(StoredTensor const&) const = default;  // of bytes
};

/// A file of named tensors in the safetensors format (https://github.com/huggingface/safetensors): 8 bytes header length N,
/// little endian; N bytes JSON header; the data.
///
/// Everything is checked when the file is opened: the header has at most 100 MB and names no tensor twice, every tensor's bytes
/// are its shape times its type (where LibTorch has that type), and the tensors cover the data exactly, without holes or
/// overlaps. A file that fails is a UserError which names file and tensor.
class SafetensorsFile {
 public:
  /// Maps the file into memory. The mapping lives as long as this object or any tensor of it.
  static SafetensorsFile open(std::filesystem::path const& file);

  /// The same from bytes in memory; `name` stands for the file in messages.
  static SafetensorsFile parse(std::string bytes, std::string name);

  /// All tensors, sorted.
  std::vector<std::string> names() const;
  bool contains(std::string const& name) const;
  /// Whether `tensor` gives this one: it is here, and LibTorch has its type.
  bool reads(std::string const& name) const;
  /// A tensor that is contained.
  StoredTensor stored(std::string const& name) const;

  /// A tensor on the CPU over the file's own memory, never to be written to. Copied only when its bytes are misaligned for its
  /// type or BOOL. Throws UserError when there is none of this name, or its type has no counterpart in LibTorch.
  at::Tensor tensor(std::string const& name) const;

  /// The free texts under "__metadata__"; empty when there are none.
  std::map<std::string, std::string> const& metadata() const { return metadata_; }

 private:
  struct Entry {
    std::string type;
    std::vector<std::int64_t> shape;
    std::size_t begin, end;  // [bytes into the data]
  };

  SafetensorsFile(std::shared_ptr<void const> owner, std::string_view content, std::string name);
  void read_header(std::string_view header, std::size_t data_size);
  void check_coverage(std::size_t data_size) const;

  std::shared_ptr<void const> owner_;  // of the memory that data_ lies in
  char const* data_;
  std::string name_;
  std::map<std::string, Entry> entries_;
  std::map<std::string, std::string> metadata_;
};

/// The bytes of a safetensors file with these tensors. Equal input gives equal bytes: wider types first (so that every tensor is
/// aligned), then by name. Throws UserError for a type the format lacks or a name that cannot be stored.
std::string write_safetensors(std::map<std::string, at::Tensor> const& tensors,
                              std::map<std::string, std::string> const& metadata);
/// Writes these bytes to a file, atomically, without a copy of them in memory. Throws RunError when the disk fails.
void save_safetensors(std::filesystem::path const& file, std::map<std::string, at::Tensor> const& tensors,
                      std::map<std::string, std::string> const& metadata);

}  // namespace onemask
