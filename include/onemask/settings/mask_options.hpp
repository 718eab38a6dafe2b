#pragma once

#include <onemask/core/names.hpp>
#include <onemask/settings/condition_kind.hpp>
#include <onemask/settings/field.hpp>

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace onemask {

/// What pulls an edited fact back under the mask.
enum class Restoration { margin, nll, none };
inline constexpr std::array<Named<Restoration>, 3> restoration_names{
    {{Restoration::margin, "margin"}, {Restoration::nll, "nll"}, {Restoration::none, "none"}}};
/// How the temperature of the distillation moves over the epochs.
enum class TemperatureSchedule { linear, cosine };
inline constexpr std::array<Named<TemperatureSchedule>, 2> temperature_schedule_names{
    {{TemperatureSchedule::linear, "linear"}, {TemperatureSchedule::cosine, "cosine"}}};

/// Settings of the shared mask, described in their table ("One Mask to Rule Them All", arXiv 2605.28839, section 3 and its code).
/// Defaults are the paper's for ROME; facts and epochs are the study's.
struct MaskOptions {
  std::vector<int> layers;    ///< masked ones among the edited, ascending; empty: the highest
  Cover cover = Cover::both;  ///< what the soft mask is put on while it is trained
  bool paraphrases = true;    ///< train on the paraphrases of a fact beside its rewrite prompt
  int epochs = 301;
  int batch = 50;        ///< facts per optimizer step
  int micro_batch = 10;  ///< facts per unit of work; part of the result's bits, as is `batch`
  double learning_rate = 1e-3;
  double weight_decay = 0;
  double max_gradient_norm = 1;

  double init_mean = 0.85, init_deviation = 0.1;  ///< of theta
  double tau0 = 6, tau_decay = 3;                 ///< tau(t) = tau0 exp(-tau_decay t / epochs)

  Restoration restoration = Restoration::margin;
  double margin = 3;
  double sparsity_target = 0.1;                           ///< share of zeros that costs nothing
  double sparsity_weight0 = 1e-6, sparsity_weight1 = 60;  ///< first and last epoch, linear between; both 0: no such term
  double distillation_weight = 3.255201236047267;         ///< 0: no such term
  TemperatureSchedule temperature_schedule = TemperatureSchedule::linear;
  double temperature0 = 1.642967087192555, temperature1 = 4.301434805369519;

  double threshold = 0.7;         ///< binary mask: M >= threshold; applied to the trained mask, so thresholds share one training
  std::optional<double> zeros;    ///< in its place: exactly this share of entries is zero, those with the smallest M
  double validation_share = 0.1;  ///< of the training facts, held back and scored after every epoch
  bool leading_space = false;     ///< the published code's prompts for GPT-2 begin with a space while masks are trained
  int checkpoint_every = 5;       ///< epochs between checkpoints
};

/// tau of an epoch (arXiv 2605.28839, equation of the mask's temperature).
double mask_temperature(MaskOptions const& options, int epoch);
/// Weight of the sparsity term in an epoch.
double sparsity_weight(MaskOptions const& options, int epoch);
/// Temperature of the distillation in an epoch.
double distillation_temperature(MaskOptions const& options, int epoch);

/// What decides a trained mask, as one line of text: part of its name.
std::string describe(MaskOptions const& options);

template <>
Fields<MaskOptions> const& fields_of<MaskOptions>();

}  // namespace onemask
