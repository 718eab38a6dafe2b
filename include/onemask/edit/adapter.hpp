#pragma once

#include <onemask/edit/weight_delta.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace onemask {

// A LoRA adapter (Hu et al. 2021, arXiv 2106.09685) as the library PEFT stores it: a folder with adapter_config.json and
// adapter_model.safetensors, which has for every changed matrix the factors B [out, rank] and A [rank, in] of ΔW = s B A.

inline constexpr char const* adapter_config_file = "adapter_config.json";
inline constexpr char const* adapter_weights_file = "adapter_model.safetensors";

/// What an adapter is written with.
struct AdapterOptions {
  std::string base_model;      ///< name or folder by which PEFT finds the model
  std::string dtype = "keep";  ///< of the factors: keep or float32, float16, bfloat16
  std::int64_t rank = 0;       ///< the highest one; 0: that of the edits, which must be factors
};

/// A changed matrix in an adapter.
struct AdapterPart {
  std::string module;     ///< as transformers names it, "transformer.h.5.mlp.c_proj"
  std::int64_t rank = 0;  ///< of its factors
  double norm = 0;        ///< Frobenius norm of ΔW as it is written
  double relative = 0;    ///< norm / Frobenius norm of the matrix W
  double lost = 0;        ///< Frobenius norm of what is left out of ΔW, over that of ΔW
};

/// Writes the changes, one for each layer, as an adapter of the model with a scale s of 1. `folder` appears whole, by a rename,
/// or not at all. Returns what is in it, by layer.
///
/// Throws UserError when a change is kept as a matrix and options.rank is 0, when an entry does not fit into the type, or when
/// `folder` is there and not empty; ShapeError for changes of another model; RunError when nothing changes or the disk fails.
std::vector<AdapterPart> write_adapter(CausalLM const& model, std::vector<WeightDelta> const& changes,
                                       AdapterOptions const& options, std::filesystem::path const& folder);

/// The name of the layer's second projection in the model that transformers loads (from 4.52 on for Gemma 3 with images).
std::string projection_module(CausalLM const& model, int layer);

}  // namespace onemask
