#include <onemask/settings/make_field.hpp>
#include <onemask/settings/mask_options.hpp>

#include <cmath>

#include <fmt/core.h>

namespace onemask {
namespace {

/// Read as one share; where a study gives a list, it is swept.
Field<MaskOptions> zeros_field() {
  auto bounds = between(0, 1);
  bounds.words += ", or a list of such shares";
  auto field = number("zeros", &MaskOptions::zeros, bounds, "",
                      "instead of a threshold: exactly this share is zero, the entries with the smallest mask. A list: masks of "
                      "all these sizes from one training");
  field.type = FieldType::number_or_list;
  return field;
}

}  // namespace

double mask_temperature(MaskOptions const& options, int epoch) {
  return options.tau0 * std::exp(-options.tau_decay * epoch / options.epochs);
}

double sparsity_weight(MaskOptions const& options, int epoch) {
  if (options.epochs == 1) return options.sparsity_weight0;
  return options.sparsity_weight0 + (options.sparsity_weight1 - options.sparsity_weight0) * epoch / (options.epochs - 1);
}

double distillation_temperature(MaskOptions const& options, int epoch) {
  double const share = static_cast<double>(epoch) / options.epochs;
  double const way = options.temperature_schedule == TemperatureSchedule::linear ? share : (1 - std::cos(M_PI * share)) / 2;
  return options.temperature0 + (options.temperature1 - options.temperature0) * way;
}

std::string describe(MaskOptions const& options) {
  return line_of(options, Enters::mask);
}

template <>
Fields<MaskOptions> const& fields_of<MaskOptions>() {
  using Mask = MaskOptions;
  constexpr auto mask = Enters::mask;
  constexpr auto* adam = " 0.90000000000000002 0.999 1e-08 ";  // beta1, beta2 and epsilon, which were settings
  auto const each_layer = [](Mask const& options) {
    std::string text;
    for (auto layer : options.layers) text += fmt::format(" layer {}", layer);
    return text;
  };
  static Fields<Mask> const fields{
      number("epochs", &Mask::epochs, at_least(1), "", "passes over the training facts").in_line(mask, "epochs "),
      number("batch", &Mask::batch, at_least(1), "facts", "per optimizer step").in_line(mask, " batch "),
      number("micro_batch", &Mask::micro_batch, at_least(1), "facts", "per unit of work; part of the result's bits")
          .in_line(mask, "/"),
      number("learning_rate", &Mask::learning_rate, positive(), "", "of AdamW").in_line(mask, " adamw "),
      number("weight_decay", &Mask::weight_decay, {}, "", "of AdamW").in_line(mask, adam),
      number("max_gradient_norm", &Mask::max_gradient_norm, positive_or_infinite("does not clip"), "",
             "longer gradients are shortened to it")
          .in_line(mask, " clip "),
      number("init_mean", &Mask::init_mean, {}, "", "mean of θ at the start").in_line(mask, " init "),
      number("init_deviation", &Mask::init_deviation, {}, "", "standard deviation of θ at the start").in_line(mask, " "),
      number("tau0", &Mask::tau0, positive(), "", "τ = tau0 · exp(-tau_decay · epoch / epochs)").in_line(mask, " tau "),
      number("tau_decay", &Mask::tau_decay, positive(), "", "see tau0").in_line(mask, " "),
      choice("restoration", &Mask::restoration, restoration_names, "the loss that pulls an edited fact back")
          .in_line(mask, " restoration "),
      number("margin", &Mask::margin, {}, "", "of the restoration by margin").in_line(mask, " "),
      number("sparsity_target", &Mask::sparsity_target, {}, "", "share of zeros that costs nothing").in_line(mask, " sparsity "),
      number("sparsity_weight0", &Mask::sparsity_weight0, {}, "", "weight of the other zeros in the first epoch")
          .in_line(mask, " "),
      number("sparsity_weight1", &Mask::sparsity_weight1, {}, "", "and in the last, linear between; both 0: no such term")
          .in_line(mask, " "),
      number("distillation_weight", &Mask::distillation_weight, {}, "", "of the KL to the original model; 0: no such term")
          .in_line(mask, " distillation "),
      choice("temperature_schedule", &Mask::temperature_schedule, temperature_schedule_names,
             "from temperature0 to temperature1 over the epochs")
          .in_line(mask, " "),
      number("temperature0", &Mask::temperature0, positive(), "", "of the distillation in the first epoch").in_line(mask, " "),
      number("temperature1", &Mask::temperature1, positive(), "", "towards the last epoch").in_line(mask, " "),
      number("validation_share", &Mask::validation_share, share(), "",
             "of the training facts, held back and scored after every epoch")
          .in_line(mask, " validation "),
      flag("leading_space", &Mask::leading_space, "prompts begin with a space while masks are trained")
          .in_line(mask, " space ")
          .read_by_hand(),
      any_value(FieldType::wholes, "layers", &Mask::layers, "masked ones among the edited")
          .in_line(mask, each_layer)
          .read_by_hand(),
      choice("cover", &Mask::cover, cover_names,
             "what the mask is put on while it is trained; others than both need edits of one fact each")
          .in_line(mask,
                   [](Mask const& options) {
                     return options.cover == Cover::both ? "" : " cover " + name_of(cover_names, options.cover);
                   }),
      flag("paraphrases", &Mask::paraphrases, "train on each fact's paraphrases beside its rewrite prompt")
          .in_line(mask, [](Mask const& options) { return options.paraphrases ? "" : " rewrite prompts"; }),
      number("threshold", &Mask::threshold, between(0, 1), "", "an entry is kept where the mask is at least this")
          .enter(Enters::scores)
          .use_for([](Mask const& options) { return !options.zeros; }),
      zeros_field().enter(Enters::scores),
      number("checkpoint_every", &Mask::checkpoint_every, at_least(1), "epochs", "between checkpoints")};
  return fields;
}

}  // namespace onemask
