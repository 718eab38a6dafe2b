#pragma once

#include <onemask/edit/request.hpp>
#include <onemask/model/causal_lm.hpp>
#include <onemask/settings/edit_hparams.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <ATen/ATen.h>

namespace onemask {

/// What a new value is measured against: its change stays small beside it.
enum class ValueOrigin {
  mlp_output,  ///< the output of the edited matrix (ROME)
  residual     ///< the residual stream behind the edited layer (MEMIT); not where a norm follows the edited matrix
};

/// What a method's values are in a model.
ValueOrigin value_origin(CausalLM const& model, EditMethod method);

/// One forward pass of a search; kl and weight_decay with their factors.
struct ValueStep {
  double loss, nll, kl, weight_decay, p_new;
};

/// What the search found, a row per value.
struct FoundValues {
  at::Tensor keys;        ///< [values, in] mean key over contexts at the edited layer, float32
  at::Tensor plain_keys;  ///< [values, in] key of the plain context
  at::Tensor origin;      ///< [values, hidden] v0, as ValueOrigin says, in the plain context
  at::Tensor delta;       ///< [values, hidden] to be added to it
  std::vector<std::vector<ValueStep>> steps;
  std::vector<std::string> failures;  ///< why there is none; empty where there is one
};

/// Searches the change of the edited matrix' output in hparams.layer(), at the subject's last token, that makes the model say the
/// new objects (ROME, arXiv 2202.05262, equation 4; MEMIT, 2210.07229, section 4.3). `value_of[i]` is the value that request i
/// shares with all requests of the same number, from 0; a value's loss is the mean over its requests.
///
/// Only what depends on delta is computed again in a step: the layers above the edited one, on the tokens from the subject's last
/// one onwards; everything before is kept from one pass over the whole rows. A value depends on the others in the batch only
/// through rounding. A loss or gradient that is not finite makes the search of a value fail. A step waits for a GPU once.
/// Throws UserError when the hparams name layers that the model does not have.
FoundValues find_values(CausalLM const& model, std::span<EditRequest const> requests, std::span<std::int64_t const> value_of,
                        EditHparams const& hparams, ValueOrigin origin);

/// Throws UserError where the loss of a search cannot be taken behind hparams.v_loss_layer: the model has no such layer, or it is
/// below the edited ones.
void require_loss_layer(CausalLM const& model, EditHparams const& hparams);

/// Throws UserError where a method for many facts would spread them over several layers of a model whose MLPs end with a norm.
void require_linear_spread(CausalLM const& model, EditHparams const& hparams);

/// 0, 1, 2, …: every request has a value of its own.
std::vector<std::int64_t> own_values(std::size_t requests);
/// One value for all requests with the same subject, numbered in the order of their first requests (arXiv 2502.07322).
std::vector<std::int64_t> values_by_subject(std::span<EditRequest const> requests);

}  // namespace onemask
