#pragma once

#include <onemask/edit/rome.hpp>

#include <vector>

#include <ATen/ATen.h>

namespace onemask {

/// The updates of an editor that knows the mask M [out, in], true = kept, of ROME's results in the model with W ∘ M. ROME meets
/// its value v* at the key k by ΔW = ρ uᵀ / (k·u), where ρ = v* - (W∘M) k; under the mask it then meets another. Row r here is
///   ΔW_r = ρ_r (u ∘ M_r) / Σ_c k_c u_c M_rc,
/// so that (W∘M + ΔW) k = v*. Rows whose denominator is smaller than 1e-6 stay as they are. `left` has the ρ_r divided by their
/// denominators, `right` is u: the update is (leftᵀ right) ∘ M. A failed edit stays failed.
std::vector<Edit> adaptive_edits(std::vector<RomeResult> const& results, at::Tensor const& keep);

/// Frobenius norms of updates of rank 1, or with a mask of ΔW ∘ M; NaN of failed edits.
std::vector<double> update_norms(std::vector<Edit> const& edits, at::Tensor const& keep = {});

}  // namespace onemask
