#pragma once

#include <onemask/core/names.hpp>

#include <array>

namespace onemask {

/// Attention of a prompt's last place. The last six add up to the shift of log-odds of the new object over the true one that the
/// head's, or the layer's, attention adds at the last place, with the final norm frozen at the model's own.
enum class AttentionMeasure {
  alpha,          ///< probability of the subject's last token
  alpha_max,      ///< of a layer: its largest head; of a head: its own
  alpha_subject,  ///< probability of all tokens of the subject
  drifting,       ///< 1 where alpha is above that of every head of the layer in the unedited model; of a layer: share of heads
  pull,           ///< contribution of the subject's last token to the new object's logit less the true one's
  pattern,        ///< shift by other probabilities alone, at the subject's last token
  value,          ///< by other values alone
  interaction,    ///< by both together
  pattern_elsewhere,
  value_elsewhere,
  interaction_elsewhere
};
inline constexpr std::array<Named<AttentionMeasure>, 11> attention_measure_names{
    {{AttentionMeasure::alpha, "alpha"},
     {AttentionMeasure::alpha_max, "alpha_max"},
     {AttentionMeasure::alpha_subject, "alpha_subject"},
     {AttentionMeasure::drifting, "drifting"},
     {AttentionMeasure::pull, "pull"},
     {AttentionMeasure::pattern, "pattern"},
     {AttentionMeasure::value, "value"},
     {AttentionMeasure::interaction, "interaction"},
     {AttentionMeasure::pattern_elsewhere, "pattern_elsewhere"},
     {AttentionMeasure::value_elsewhere, "value_elsewhere"},
     {AttentionMeasure::interaction_elsewhere, "interaction_elsewhere"}}};

}  // namespace onemask
