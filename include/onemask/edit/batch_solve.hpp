#pragma once

#include <onemask/edit/batch_edit.hpp>
#include <onemask/edit/key_basis.hpp>
#include <onemask/edit/request.hpp>
#include <onemask/edit/target_values.hpp>
#include <onemask/settings/edit_hparams.hpp>

#include <map>
#include <span>
#include <vector>

namespace onemask {

/// How one layer's update was solved for: a row or column per value.
struct LayerSolve {
  int layer = 0;
  at::Tensor keys;      ///< [in, values] float64: mean over the plain and the prefixed contexts, each kind weighing the same
  at::Tensor current;   ///< [hidden, values] what is to become the target values, before this update
  at::Tensor residual;  ///< [hidden, values] what is missing, divided by the layers left
  at::Tensor adjusted;  ///< [in, values]: ΔW = residual adjustedᵀ
};

/// The adjusted keys K̂ of an update ΔW = R K̂ᵀ, in float64 (all methods but FT-L):
///   MEMIT      K̂ = (λC + K Kᵀ)⁻¹ K                     (arXiv 2210.07229, equation 14)
///   EMMET      K̂ = C⁻¹K (KᵀC⁻¹K + w ε I)⁻¹             (arXiv 2403.14236, equation 12; ε only where several keys are met)
///   AlphaEdit  K̂ = P (KKᵀP + K_pK_pᵀP + λI)⁻¹ K        (arXiv 2410.02355, equation 14)
/// `whitened` are the keys [directions, values] in the layer's basis; `before` those of earlier batches (AlphaEdit), or
/// undefined.
at::Tensor adjusted_keys(KeyBasis const& basis, at::Tensor const& whitened, at::Tensor const& before, EditHparams const& hparams);

/// A mask that stays in the model while facts are written into it, so that their layers run with (W + ΔW) ∘ M.
struct SolveMask {
  std::map<int, at::Tensor> keep;  ///< M of some of the edited layers, bool [out, in], true = kept
  bool adaptive = false;           ///< whether these layers are solved for by kept_update
};

/// MEMIT's update [out, in] of a layer through the entries that a mask keeps, in float64. Row r, with the kept columns S of M_r,
/// is
///   ΔW_rS = R_r K_Sᵀ (λ C_SS + K_S K_Sᵀ)⁻¹,
/// the solve of a matrix that has only these entries; all others are 0. It is made of the usual update d = R K̂ᵀ and of
/// B = (λC + KKᵀ)⁻¹, which all rows share: with the columns Z that M_r drops, it is d_r - d_rZ B_ZZ⁻¹ B_Z. A row costs a
/// factorisation as large as the number of its zeros. `whitened` as in adjusted_keys. Throws RunError when C is too close to
/// singular for that.
at::Tensor kept_update(KeyBasis const& basis, at::Tensor const& whitened, at::Tensor const& usual, at::Tensor const& keep,
                       EditHparams const& hparams);

/// Writes the values into the model layer by layer: the keys of a layer and what is missing are read after the layers below it
/// are updated. Nothing is computed twice: each layer runs once over all contexts up to the subject's last token. `requests` in
/// the order of targets.facts; those whose search failed are passed over. `bases` by layer. `previous`, if there is one, has been
/// written into the model before; the result includes it. Throws RunError when no fact is left, or when the keys depend on each
/// other so that no update meets all values (EMMET without a ridge).
///
/// With a `mask` that is in `model` already, keys and what is missing are read under it, behind every update, too; C stays that
/// of the unedited model without a mask.
BatchEdit solve_batch(CausalLM const& model, std::span<EditRequest const> requests, TargetValues const& targets,
                      EditHparams const& hparams, std::map<int, KeyBasis> const& bases, BatchEdit const* previous = nullptr,
                      std::vector<LayerSolve>* trace = nullptr, SolveMask const* mask = nullptr);

}  // namespace onemask
