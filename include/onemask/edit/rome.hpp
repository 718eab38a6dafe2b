#pragma once

#include <onemask/edit/edit.hpp>
#include <onemask/edit/hparams.hpp>
#include <onemask/edit/request.hpp>
#include <onemask/model/causal_lm.hpp>

#include <span>
#include <vector>

namespace onemask {

/// What ROME found on its way, for tests and for people who look closely.
struct RomeTrace {
  struct Step {
    double loss, nll, kl, weight_decay, p_new;
  };
  std::vector<Step> steps;  ///< one per forward pass; kl and weight_decay with their factors
  at::Tensor key;           ///< [in] mean key over the contexts
  at::Tensor target_init;   ///< [out] v0
  at::Tensor delta;         ///< [out]
};

struct RomeResult {
  Edit edit;
  RomeTrace trace;
};

/// Edits every request by itself, all of them in one batch (ROME, arXiv 2202.05262, section 3.1; settings as in its code).
///
/// Only what depends on delta is computed again in a step: the layers above the edited one, on the tokens from the subject's last
/// one onwards; everything before is kept from one pass over the whole rows. The result of a request depends on the others in the
/// batch only through rounding. Not finite losses set a request aside: its edit has a `failure`.
/// Throws UserError when the hparams name layers that the model does not have.
std::vector<RomeResult> rome(CausalLM const& model, std::span<EditRequest const> requests, RomeHparams const& hparams);

}  // namespace onemask
