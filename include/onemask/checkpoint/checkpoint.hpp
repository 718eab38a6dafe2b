#pragma once

#include <onemask/checkpoint/config.hpp>
#include <onemask/checkpoint/safetensors.hpp>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>

namespace onemask {

/// Whether weights of this type can be computed with: F64, F32, F16 or BF16.
bool is_weight_type(at::ScalarType type);

/// The name of a tensor or module without the longest of the family's prefixes that it begins with.
std::string without_prefix(std::string const& name, std::string const& family);

/// A model as Hugging Face's save_pretrained writes it: config.json and model.safetensors, or model.safetensors.index.json and
/// the files it names. Weights stay memory-mapped; no pickle is ever executed.
///
/// Files of the bare model lack the family's prefix ("transformer." for GPT-2, "model." for most others), and files of a model
/// that also reads images have a longer one. Every name is found with any of them and without: "h.0.mlp.c_proj.weight" and
/// "transformer.h.0.mlp.c_proj.weight" are the same tensor.
class Checkpoint {
 public:
  /// Throws UserError when the folder holds no such model or when any of its files is damaged.
  static Checkpoint open(std::filesystem::path const& folder);

  std::filesystem::path const& folder() const { return folder_; }
  ModelConfig const& config() const { return config_; }

  /// The named weight, in the file's type, on the CPU, never to be written to. Throws UserError when it is missing or not of
  /// such a type, ShapeError naming both shapes when its shape differs.
  at::Tensor tensor(std::string const& name, at::IntArrayRef shape) const;
  bool contains(std::string const& name) const;
  /// Its name in the files, with or without the prefix; empty when it is missing.
  std::string stored_name(std::string const& name) const;
  /// The stored tensor, as it lies in the file that the index names. It must be there.
  StoredTensor stored(std::string const& stored_name) const { return file_of(stored_name).stored(stored_name); }
  /// The file of a stored tensor, which must be there: the one that the index names.
  SafetensorsFile const& file_of(std::string const& stored_name) const { return files_.at(file_name_of(stored_name)); }
  std::string const& file_name_of(std::string const& stored_name) const { return file_of_.at(stored_name); }
  /// As they are in the files, sorted.
  std::vector<std::string> names() const;

  /// The files of weights by name.
  std::map<std::string, SafetensorsFile> const& files() const { return files_; }

  /// Size of all weights [bytes].
  std::uint64_t bytes() const;
  /// Number of weights of each such type, as the headers tell.
  std::map<at::ScalarType, std::uint64_t> weights() const;
  /// SHA-256 over the configuration and every weight's name, type, shape and bytes; how they are spread over files does not
  /// matter. Reads everything at the first call (not to be made by two threads at once), then remembers.
  std::string const& fingerprint() const;

 private:
  Checkpoint(std::filesystem::path folder, ModelConfig config) : folder_(std::move(folder)), config_(std::move(config)) {}
  void add_file();
  void add_shards();
  void check_tied_head() const;

  std::filesystem::path folder_;
  ModelConfig config_;
  std::map<std::string, SafetensorsFile> files_;  // by file name
  std::map<std::string, std::string> file_of_;    // tensor -> file name
  mutable std::string fingerprint_;
};

}  // namespace onemask
