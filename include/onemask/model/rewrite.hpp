#pragma once

#include <onemask/checkpoint/checkpoint.hpp>
#include <onemask/model/causal_lm.hpp>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>

namespace onemask {

/// How a matrix differs between a checkpoint and its rewritten copy; both are compared in the type that the copy has.
struct TensorChange {
  std::string name, file;                   ///< as stored
  std::vector<std::int64_t> shape;          ///< as stored, so [in, out] for GPT-2
  std::string dtype;                        ///< of the copy, e.g. "float16"
  double norm = 0;                          ///< Frobenius norm of the change
  double relative = 0;                      ///< norm / Frobenius norm of the old matrix
  double largest = 0;                       ///< largest absolute entry of the change
  std::string sha256_before, sha256_after;  ///< of its bytes in the files
};

/// The type that weights are stored in: float32, float16 or bfloat16; nothing for "keep". Throws UserError for another name.
std::optional<at::ScalarType> storage_dtype(std::string const& name);

/// The model on the CPU, in the narrowest type that holds every weight of the files exactly; weights of that type stay mapped.
std::unique_ptr<CausalLM> load_as_stored(Checkpoint const& checkpoint);

/// Writes a copy of `source` in which some layers' second projections, [out, in], are others, each rounded to the type that it
/// has in the file. `dtype` "float32", "float16" or "bfloat16" converts all floating-point tensors and says so in config.json;
/// "keep" does not. `model` is `source`, loaded. Returns what changed, by layer.
///
/// A file of weights without a change becomes a hard link where the file system allows it. All other files are copied, but for
/// weights in other formats, which would be the old ones. `folder` appears whole, by a rename, or not at all.
///
/// Throws UserError when the folder is not empty or is or lies in the source's, or when an entry does not fit into the type;
/// RunError when no entry of any projection changes, or when the disk fails.
std::vector<TensorChange> rewrite_checkpoint(Checkpoint const& source, CausalLM const& model,
                                             std::map<int, at::Tensor> const& projections, std::string const& dtype,
                                             std::filesystem::path const& folder);

}  // namespace onemask
