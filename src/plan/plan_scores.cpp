#include "plan/plan_scores.hpp"

#include <onemask/core/error.hpp>
#include <onemask/core/hash.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/core/reserved_names.hpp>
#include <onemask/core/text.hpp>
#include <onemask/data/fact_prompts.hpp>
#include <onemask/settings/fingerprints.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

std::string with_name(std::string const& what, std::string const& name) {
  return name.empty() ? what : what + " (" + name + ")";
}

[[noreturn]] void refuse(Study const& study, Baseline const& baseline, std::string const& problem) {
  throw UserError(
      fmt::format("The study '{}': the baseline '{}' of 'evaluation.baselines' {}", study.name, describe(baseline), problem));
}

/// Baselines that the study's way of editing does not have.
void check_baselines(Study const& study, EditSet const& set, bool masked) {
  for (auto const& baseline : study.evaluation.baselines) {
    if (!study.masks && !is_plain(baseline) && belongs_to_mask(baseline)) {
      refuse(study, baseline,
             "is scored beside a trained mask, with as many zeros as the mask or shared by all facts, but the study trains none. "
             "Give it 'scope: fact' and 'zeros', or train a mask.");
    }
    if (baseline.scope != BaselineScope::fact || !set.in_batches || (belongs_to_mask(baseline) && !masked)) continue;
    auto const& hparams = set.options.hparams;
    if (hparams.layers.size() > 1) {
      refuse(study, baseline,
             fmt::format("changes the edited matrix of one layer, but {} edits the layers {}. Edit one layer, or remove it.",
                         to_string(hparams.method), join(hparams.layers, ", ")));
    }
    auto const score = baseline.score;
    if (score == BaselineScore::activation || score == BaselineScore::activation_signed || score == BaselineScore::gradient) {
      refuse(
          study, baseline,
          fmt::format("needs an edited model of each fact's own, but {} writes facts into a model that they share. Edit with a "
                      "method that gives every fact its own, or remove it.",
                      to_string(hparams.method)));
    }
  }
}

void check_baselines(Study const& study, MaskTask const& mask) {
  for (auto const& baseline : study.evaluation.baselines) {
    if (baseline.score == BaselineScore::magnitude_columns && baseline.scope == BaselineScope::shared &&
        mask.options.layers.size() > 1) {
      refuse(study, baseline,
             fmt::format("prunes columns of one matrix, but the mask '{}' is over the layers {}. Mask one layer, or remove it.",
                         mask.name, join(mask.options.layers, ", ")));
    }
  }
}

/// The conditions of all sets and masks.
void plan_conditions(Study const& study, Plan& plan) {
  auto const& evaluation = study.evaluation;
  std::vector<std::vector<std::size_t>> masks_of(plan.sets.size());
  for (std::size_t m = 0; m < plan.masks.size(); ++m) masks_of[plan.masks[m].set].push_back(m);
  for (std::size_t s = 0; s < plan.sets.size(); ++s) {
    auto& set = plan.sets[s];
    check_baselines(study, set, !masks_of[s].empty());
    set.first_condition = plan.conditions.size();
    plan.conditions.push_back({with_name("original", set.name), ConditionKind::original, s, -1});
    plan.conditions.push_back({with_name("edited", set.name), ConditionKind::edited, s, -1});
    if (evaluation.drop) plan.conditions.push_back({with_name("dropped", set.name), ConditionKind::dropped, s, -1});
    for (auto const& baseline : evaluation.baselines) {
      if (belongs_to_mask(baseline)) continue;
      plan.conditions.push_back(
          {with_name(describe(baseline), set.name), condition_kind_of(baseline), s, -1, Cover::both, baseline});
    }
    set.conditions = plan.conditions.size() - set.first_condition;
    for (auto m : masks_of[s]) {
      auto& mask = plan.masks[m];
      check_baselines(study, mask);
      mask.first_condition = plan.conditions.size();
      auto const add = [&](ConditionKind kind, std::string const& name, Cover cover) {
        PlannedCondition condition{"", kind, s, static_cast<std::ptrdiff_t>(m), cover};
        auto const covered = variant_of(condition);
        auto const what = name + (name.empty() || covered.empty() ? "" : ", ") + covered;
        condition.name = what.empty() ? mask.name : with_name(what, mask.name);
        plan.conditions.push_back(std::move(condition));
      };
      for (auto const cover : evaluation.cover) {
        add(ConditionKind::mask, "", cover);
        for (auto const& baseline : evaluation.baselines) {
          if (is_plain(baseline)) add(condition_kind_of(baseline), to_string(condition_kind_of(baseline)), cover);
        }
      }
      for (auto const& baseline : evaluation.baselines) {
        if (is_plain(baseline) || !belongs_to_mask(baseline)) continue;
        plan.conditions.push_back({with_name(describe(baseline), mask.name), condition_kind_of(baseline), s,
                                   static_cast<std::ptrdiff_t>(m), Cover::both, baseline});
      }
      // A mask that is put on changes alone leaves the unedited model as it is.
      bool const covers_weight =
          std::any_of(evaluation.cover.begin(), evaluation.cover.end(), [](auto c) { return c != Cover::delta; });
      if (evaluation.masked_original && covers_weight) add(ConditionKind::original_masked, "original", Cover::both);
      mask.conditions = plan.conditions.size() - mask.first_condition;
    }
  }
  std::size_t own = 0;
  for (auto const& set : plan.sets) own += set.conditions;
  for (auto const& mask : plan.masks) own += mask.conditions;
  invariant(own == plan.conditions.size(), "sets and masks have ", own, " conditions, the plan ", plan.conditions.size());
}

/// What some facts of a set add to the name of their scores.
std::string scored_key(EditSet const& set, std::size_t first, std::size_t count, Plan const& plan,
                       EvaluationPlan const& evaluation) {
  Hasher hasher;
  for (auto fact = first; fact < first + count; ++fact) {
    auto const& record = plan.facts[fact].fact;
    // Facts of one edited model share its key.
    hasher.text(set.keys[fact]).text(record.prompt).text(record.subject).text(record.target_true).text(record.target_new);
    hasher.integer(std::ssize(record.paraphrase_prompts));
    for (auto const& paraphrase : record.paraphrase_prompts) hasher.text(paraphrase);
    auto const add = [&](PromptKind kind) {
      auto const prompts = fact_prompts(record, kind);
      hasher.integer(std::ssize(prompts));
      for (auto const& prompt : prompts) hasher.text(prompt);
    };
    if (evaluation.neighborhood) add(PromptKind::neighborhood);
    for (auto const& [kind, name] : further_prompt_names) {
      if (!evaluation.scores(kind)) continue;
      hasher.text(name);
      add(kind);
    }
    if (evaluation.entropy == 0) continue;
    hasher.integer(std::ssize(record.generation_prompts));
    for (auto const& prompt : record.generation_prompts) hasher.text(prompt);
  }
  return hasher.hex();
}

/// What the conditions of a mask (-1: of none) add to the name of the scores under them.
std::string conditions_key(std::size_t set, std::ptrdiff_t mask, Plan const& plan) {
  Hasher hasher;
  for (auto c : plan.conditions_of(set, mask)) {
    hasher.text(to_string(plan.conditions[c].kind));
    if (auto const variant = variant_of(plan.conditions[c]); !variant.empty()) hasher.text(variant);
  }
  if (mask >= 0) {
    auto const& task = plan.masks[static_cast<std::size_t>(mask)];
    hasher.text(task.key).number(task.options.threshold);
  }
  return hasher.hex();
}

/// Places in a batch of facts that are not scored under a mask.
std::vector<std::size_t> left_out_of(std::size_t first, std::size_t count, std::ptrdiff_t mask, Plan const& plan) {
  std::vector<std::size_t> places;
  for (std::size_t i = 0; mask >= 0 && i < count; ++i) {
    if (!is_scored(plan.masks[static_cast<std::size_t>(mask)], first + i)) places.push_back(i);
  }
  return places;
}

/// A study that asks for prompts that none of its facts has, or for the entropy of facts that have nothing to continue.
void check_prompts(Study const& study, Plan const& plan) {
  for (auto const& [kind, name] : further_prompt_names) {
    if (!study.evaluation.scores(kind)) continue;
    auto const has = [kind = kind](SplitFact const& item) { return count_prompts(item.fact, kind) > 0; };
    if (std::any_of(plan.facts.begin(), plan.facts.end(), has)) continue;
    throw UserError(
        fmt::format("The study '{}' scores the prompts '{}' (evaluation.prompts), but no fact has any: the records lack "
                    "{}_prompts. Remove it, or choose other files.",
                    study.name, name, kind == PromptKind::attribute ? "attribute" : "neighborhood"));
  }
  if (study.evaluation.entropy == 0) return;
  for (auto const& item : plan.facts) {
    if (!item.fact.generation_prompts.empty()) continue;
    throw UserError(
        fmt::format("The study '{}' takes the entropy of what follows generation prompts (evaluation.entropy), but the "
                    "record with case_id {} has none. Set it to 0, or choose files with generation_prompts.",
                    study.name, item.fact.case_id));
  }
}

void plan_evaluations(Study const& study, Fingerprints const& fingerprints, Plan& plan) {
  auto const& options = study.evaluation;
  auto const batch = static_cast<std::size_t>(options.batch);
  Hasher common;
  begin_key(common, "scores", fingerprints);
  common.integer(study.peer_compatible).integer(options.paraphrases).integer(options.neighborhood);
  if (options.scores_tokens()) common.text("token accuracy");
  if (options.generate > 0) common.text("generate").integer(options.generate);
  if (options.entropy > 0) common.text("entropy").integer(options.entropy);
  auto const settings = common.hex();
  bool const draws = std::any_of(options.baselines.begin(), options.baselines.end(), [](auto const& baseline) {
    return baseline.score == BaselineScore::random && baseline.scope == BaselineScope::fact;
  });
  for (std::size_t s = 0; s < plan.sets.size(); ++s) {
    std::vector<std::string> scored;  // by batch
    for (std::size_t first = 0; first < plan.facts.size(); first += batch) {
      auto const count = std::min(batch, plan.facts.size() - first);
      Hasher hasher;
      hasher.text(settings).text(scored_key(plan.sets[s], first, count, plan, options));
      for (auto fact = first; draws && fact < first + count; ++fact) hasher.integer(plan.facts[fact].fact.case_id);
      scored.push_back(hasher.hex());
    }
    std::vector<std::ptrdiff_t> masks{-1};
    for (std::size_t m = 0; m < plan.masks.size(); ++m) {
      if (plan.masks[m].set == s) masks.push_back(static_cast<std::ptrdiff_t>(m));
    }
    auto const batches = (plan.facts.size() + batch - 1) / batch;
    invariant(scored.size() == batches, plan.facts.size(), " facts are scored in ", scored.size(), " parts instead of ", batches);
    for (auto mask : masks) {
      auto const conditions = conditions_key(s, mask, plan);
      for (std::size_t b = 0; b < scored.size(); ++b) {
        auto const first = b * batch, count = std::min(batch, plan.facts.size() - first);
        auto const left_out = left_out_of(first, count, mask, plan);
        if (left_out.size() == count) continue;
        Hasher hasher;
        hasher.text(scored[b]).text(conditions);
        for (auto const place : left_out) hasher.integer(static_cast<long long>(place));
        plan.evaluations.push_back({s, mask, first, count, hasher.hex()});
      }
    }
  }
}

/// Who the text is scored under: the unedited model, it under every mask; and, where all edited facts of a split share a model,
/// that one, and it under every mask.
std::vector<TextModel> text_models(Plan const& plan) {
  std::vector<std::string> splits;                                              // in the order of the facts
  std::map<std::pair<std::size_t, std::string>, std::set<std::string>> edited;  // by set and split
  for (std::size_t s = 0; s < plan.sets.size(); ++s) {
    if (!plan.sets[s].in_batches) continue;
    for (std::size_t f = 0; f < plan.facts.size(); ++f) {
      auto const& split = plan.facts[f].split;
      if (split == validation_split) continue;  // in the training split's model
      if (std::find(splits.begin(), splits.end(), split) == splits.end()) splits.push_back(split);
      if (plan.sets[s].edits(f)) edited[{s, split}].insert(plan.sets[s].keys[f]);
    }
  }
  std::vector<TextModel> models;
  for (std::size_t c = 0; c < plan.conditions.size(); ++c) {
    auto const& condition = plan.conditions[c];
    auto const kind = condition.kind;
    if (!is_edited(kind)) models.push_back({c, every_split, {}, {}});
    if (kind != ConditionKind::edited && kind != ConditionKind::mask) continue;
    for (auto const& split : splits) {
      auto const found = edited.find({condition.set, split});
      if (found != edited.end() && found->second.size() == 1) models.push_back({c, split, *found->second.begin(), {}});
    }
  }
  return models;
}

}  // namespace

void plan_scores(Study const& study, Fingerprints const& fingerprints, Plan& plan) {
  check_prompts(study, plan);
  plan_conditions(study, plan);
  plan_evaluations(study, fingerprints, plan);
}

void plan_perplexity(std::vector<TextPiece> const& text, Fingerprints const& fingerprints, Plan& plan) {
  if (text.empty()) return;
  for (auto const& piece : text) plan.text_tokens += piece.tokens;
  plan.text_models = text_models(plan);
  std::set<std::string> known;
  for (std::size_t m = 0; m < plan.text_models.size(); ++m) {
    auto& model = plan.text_models[m];
    auto const& condition = plan.conditions[model.condition];
    auto const mask = condition.mask;
    for (std::size_t p = 0; p < text.size(); ++p) {
      Hasher hasher;
      begin_key(hasher, "perplexity", fingerprints);
      hasher.text(model.edited).text(text[p].id);
      if (mask >= 0) {
        auto const& task = plan.masks[static_cast<std::size_t>(mask)];
        hasher.text(task.key).number(task.options.threshold);
        if (condition.cover != Cover::both) hasher.text(name_of(cover_names, condition.cover));
      }
      if (condition.kind == ConditionKind::dropped) {
        hasher.text(to_string(condition.kind));
        for (auto const layer : plan.masked_layers(condition)) hasher.integer(layer);
      }
      model.keys.push_back(hasher.hex());
      if (known.insert(model.keys.back()).second) plan.text_tasks.push_back({m, p, model.keys.back()});
    }
  }
}

}  // namespace onemask
