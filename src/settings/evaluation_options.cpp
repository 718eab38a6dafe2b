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

Field<EvaluationPlan> patch_field() {
  Field<EvaluationPlan> field{{.name = "patch",
                               .type = FieldType::patches,
                               .meaning = "models that are also scored with the attention probabilities of another one above the "
                                          "edited layer: docs/analysis.md"},
                              {},
                              {},
                              {}};
  field.choices = patch_names();
  field.set = [](EvaluationPlan& plan, YamlValue const& value) { return read_patches(plan.patch, value); };
  field.text = field.hashed = [](EvaluationPlan const& plan) {
    std::vector<std::string> names;
    for (auto const& patch : plan.patch) names.push_back(describe(patch));
    return yaml_text(names);
  };
  return field;
}

}  // namespace

bool EvaluationPlan::scores(PromptKind kind) const {
  if (kind == PromptKind::paraphrase) return paraphrases;
  if (kind == PromptKind::neighborhood) return neighborhood;
  return kind == PromptKind::rewrite || std::find(prompts.begin(), prompts.end(), kind) != prompts.end();
}

std::vector<PromptKind> EvaluationPlan::kinds() const {
  std::vector<PromptKind> kinds;
  for (auto const& [kind, name] : prompt_kind_names) {
    if (scores(kind)) kinds.push_back(kind);
  }
  return kinds;
}

bool EvaluationPlan::scores_tokens() const {
  return token_accuracy || scores(PromptKind::rep) || scores(PromptKind::que);
}

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
          .enter(scores),
      flag("transfer", &Evaluation::transfer, "score every mask on the edits of all ways of editing that change its layers")
          .enter(scores),
      flag("consensus", &Evaluation::consensus, "also score the consensus of the masks that differ in their seed alone")
          .enter(Enters::mask),
      patch_field().enter(scores),
      choices("prompts", &Evaluation::prompts, further_prompt_names,
              "also scored: attribute prompts; the neighborhood behind the edit's statement; the rewrite prompt behind the "
              "repeated true object, or behind a question that names it")
          .enter(scores),
      flag("token_accuracy", &Evaluation::token_accuracy, "score which tokens of the objects are the likeliest in their places")
          .enter(scores),
      number("generate", &Evaluation::generate, at_least(0), "tokens",
             "written behind the rewrite prompt, the likeliest ones; 0: none. Scores whether they state an object")
          .enter(scores),
      number("entropy", &Evaluation::entropy, at_least(0), "tokens",
             "written behind each generation prompt, the likeliest ones; 0: none. Scores the generation entropy")
          .enter(scores)};
  return fields;
}

}  // namespace onemask
