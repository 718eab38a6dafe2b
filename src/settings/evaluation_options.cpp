#include <onemask/settings/evaluation_options.hpp>
#include <onemask/settings/make_field.hpp>

#include <algorithm>

namespace onemask {
namespace {

Field<EvaluationPlan> baselines_field() {
  Field<EvaluationPlan> field{{.name = "baselines",
                               .type = FieldType::baselines,
                               .meaning = "plain names: at random, the largest weights, the largest mean change; each with as "
                                          "many zeros as the mask. Others: docs/masks.md"},
                              {},
                              {},
                              {}};
  field.choices = list_of(baseline_names);
  field.set = [](EvaluationPlan& plan, YamlValue const& value) { return read_baselines(plan.baselines, value); };
  field.text = field.hashed = [](EvaluationPlan const& plan) { return yaml_text(plan.baselines); };
  return field;
}

}  // namespace

template <>
Fields<EvaluationPlan> const& fields_of<EvaluationPlan>() {
  using Evaluation = EvaluationPlan;
  constexpr auto scores = Enters::scores;
  static Fields<Evaluation> const fields{
      number("batch", &Evaluation::batch, at_least(1), "facts", "scored at a time; part of the result's bits").enter(scores),
      baselines_field().enter(scores),
      some_choices(
          "cover", &Evaluation::cover, cover_names,
          "what the mask and the plain baselines are put on: the edited matrix, its change alone, the unedited part alone")
          .enter(scores),
      flag("paraphrases", &Evaluation::paraphrases, "score paraphrases").enter(scores),
      flag("neighborhood", &Evaluation::neighborhood, "score the neighborhood prompts as well").enter(scores),
      flag("masked_original", &Evaluation::masked_original, "score the unedited model under each mask").enter(scores),
      flag("drop", &Evaluation::drop, "score the model without the edited matrices: what destroying the layer would win")
          .enter(scores)};
  return fields;
}

}  // namespace onemask
