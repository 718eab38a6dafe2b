#pragma once

#include <onemask/edit/edit.hpp>
#include <onemask/edit/key_basis.hpp>
#include <onemask/edit/value_search.hpp>

#include <span>
#include <vector>

namespace onemask {

/// What ROME found on its way, for tests and for people who look closely.
struct RomeTrace {
  std::vector<ValueStep> steps;  ///< one per forward pass
  at::Tensor key;                ///< [in] mean key over the contexts
  at::Tensor read_key;           ///< [in] the key at which the update meets the value: of the plain context, r-ROME's is `key`
  at::Tensor target_init;        ///< [out] v0
  at::Tensor delta;              ///< [out]
};

struct RomeResult {
  Edit edit;
  RomeTrace trace;
};

/// Edits every request by itself, all of them in one batch (ROME, arXiv 2202.05262, section 3.1; settings as in its code). With
/// hparams.mom2_adjustment the key is multiplied by the inverse of `moment`, the second moment of the layer's keys.
///
/// The result of a request depends on the others in the batch only through rounding. A request fails whose numbers are not
/// finite: its edit has a `failure`. Throws UserError when the hparams name layers that the model does not have.
std::vector<RomeResult> rome(CausalLM const& model, std::span<EditRequest const> requests, EditHparams const& hparams,
                             KeyBasis const* moment = nullptr);

}  // namespace onemask
