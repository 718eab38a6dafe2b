#include <onemask/settings/evaluation_options.hpp>
#include <onemask/settings/make_field.hpp>

namespace onemask {

template <>
Fields<EvaluationPlan> const& fields_of<EvaluationPlan>() {
  using Evaluation = EvaluationPlan;
  constexpr auto scores = Enters::scores;
  static Fields<Evaluation> const fields{
      number("batch", &Evaluation::batch, at_least(1), "facts", "scored at a time; part of the result's bits").enter(scores),
      choices("baselines", &Evaluation::baselines, baseline_names,
              "at random, the largest weights, the largest mean change; each with as many zeros as the mask")
          .enter(scores),
      flag("paraphrases", &Evaluation::paraphrases, "score paraphrases").enter(scores),
      flag("neighborhood", &Evaluation::neighborhood, "score the neighborhood prompts as well").enter(scores),
      flag("masked_original", &Evaluation::masked_original, "score the unedited model under each mask").enter(scores),
      flag("drop", &Evaluation::drop, "score the model without the edited matrices: what destroying the layer would win")
          .enter(scores)};
  return fields;
}

}  // namespace onemask
