#pragma once

#include <onemask/model/causal_lm.hpp>
#include <onemask/settings/condition_kind.hpp>
#include <onemask/settings/mask_options.hpp>

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <ATen/ATen.h>

namespace onemask {

/// What the trainer saw in one epoch; losses are means over its steps, taken before each step's update.
struct MaskEpoch {
  double restoration = 0, sparsity = 0, distillation = 0;  ///< without their weights
  double gradient_norm = 0;                                ///< before clipping
  double validation_rsr = 0;                               ///< share of validation facts with the true object above the new one
  std::int64_t validation_n = 0;
  std::array<double, 19> zeros = {};  ///< shares of entries below 0.05, 0.1, … 0.95: masks of all thresholds share a training

  /// That below `threshold`; NaN between the steps.
  double zeros_below(double threshold) const;
};

/// One mask over the whole edited matrix, shared by all facts: the layer runs with (W + ΔW_i) ∘ M for fact i. A mask of several
/// layers has their matrices below each other: "out" is then layers * out.
struct SharedMask {
  std::vector<int> layers;  ///< ascending
  std::uint64_t seed = 0;
  at::Tensor soft;  ///< [out, in] float32 on the CPU, M of the last step
  std::vector<MaskEpoch> epochs;

  /// Entries that are kept: M >= threshold, bool [out, in].
  at::Tensor keep(double threshold) const { return soft >= threshold; }
  /// The same as a study asks for it: M >= options.threshold, or with options.zeros all but that share of the entries, rounded to
  /// the nearest number of them over all layers together: those with the smallest M, of equal ones those of lower index.
  at::Tensor keep(MaskOptions const& options) const;
};

/// What masks of several seeds agree on: the mean of their M. They must have equal layers.
SharedMask consensus_of(std::vector<SharedMask> const& masks);

/// Bool masks as one bit an entry, and back; some hundred of them are kept at once.
at::Tensor packed_bits(at::Tensor const& keep);
at::Tensor unpacked_bits(at::Tensor const& bits, at::IntArrayRef shape);

/// A safetensors file: the soft mask, and the other fields as metadata.
std::string to_bytes(SharedMask const& mask);
/// Throws UserError naming `source` when the bytes are not a mask.
SharedMask shared_mask_from_bytes(std::string bytes, std::string const& source);

/// A mask [layers * out, in] of the layers' second projections that keeps no entry; bool.
at::Tensor nothing_kept(CausalLM const& model, std::vector<int> const& layers);

/// `weights`, the second projections [out, in] of some layers, with the parts of a mask [layers * out, in] put on those of
/// `layers`; on the model's own where `weights` has none. `cover` says on what of W' and its part W, the model's own, it is put.
/// Gradients flow into a mask that asks for them.
std::map<int, at::Tensor> masked_projections(CausalLM const& model, std::map<int, at::Tensor> weights,
                                             std::vector<int> const& layers, at::Tensor const& mask, Cover cover = Cover::both);

/// The threshold of MaskEpoch::zeros[step].
double threshold_of(std::size_t step);

/// Share of zeros in a bool mask.
double zeros_share(at::Tensor const& keep);

}  // namespace onemask
