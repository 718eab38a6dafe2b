#include "plan/plan_analyses.hpp"
#include "plan/plan_edits.hpp"
#include "plan/plan_injections.hpp"
#include "plan/plan_scores.hpp"
#include "plan/plan_tracing.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/hash.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/core/random.hpp>
#include <onemask/core/reserved_names.hpp>
#include <onemask/core/text.hpp>
#include <onemask/plan/plan.hpp>
#include <onemask/settings/fingerprints.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <set>
#include <tuple>
#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

/// Edited models that a rank can keep in memory while it trains a mask over all of them.
constexpr std::size_t most_models = 64;

void check_models(MaskTask const& mask, EditSet const& set, Study const& study) {
  if (!set.in_batches) return;
  if (mask.options.cover != Cover::both) {
    throw UserError(
        fmt::format("The study '{}' trains the mask '{}' with 'mask.cover: {}', for which every fact needs an edited model of "
                    "its own, but {} "
                    "writes many facts into one. Use both, or a method such as rome.",
                    study.name, mask.name, name_of(cover_names, mask.options.cover), to_string(set.options.hparams.method)));
  }
  std::set<std::string> models;
  for (auto const* facts : {&mask.training, &mask.held_back}) {
    for (auto fact : *facts) {
      if (set.edits(fact)) models.insert(set.keys[fact]);
    }
  }
  if (models.size() > most_models) {
    bool const imported = set.options.hparams.method == EditMethod::imported;
    throw UserError(fmt::format(
        "The study '{}' trains masks on facts of its split '{}' that are in {} edited models. All of them are kept in "
        "memory, so at "
        "most {} are allowed. Set mask.train_models to at most {}, or {}.",
        study.name, mask.split, models.size(), most_models, most_models,
        imported ? "edit.rank so that edits of one fact become factors" : "edit.facts_per_model to a larger number"));
  }
  constexpr std::size_t most_units = 2047;  // whose integers can be added without overflow
  if (static_cast<std::size_t>(mask.options.batch / mask.options.micro_batch) + models.size() > most_units) {
    throw UserError(fmt::format(
        "The study '{}' trains the mask '{}' in steps of {} facts in units of {}, each of one of {} edited models: more than {} "
        "units. Set mask.batch to a smaller number, or mask.micro_batch to a larger one.",
        study.name, mask.name, mask.options.batch, mask.options.micro_batch, models.size(), most_units));
  }
}

/// Where edits are imported, some facts may have none.
void require_edit(MaskTask const& mask, EditSet const& set, Study const& study) {
  if (std::any_of(mask.training.begin(), mask.training.end(), [&](auto fact) { return set.edits(fact); })) return;
  throw UserError(fmt::format(
      "The study '{}' trains the mask '{}' on facts of its split '{}' of which none has a file in edit.files. Add files for "
      "some of them, or choose other facts.",
      study.name, mask.name, mask.split));
}

/// The layers to mask, where only the files of imported edits say which are edited.
std::vector<int> masked_layers(StudyPoint const& point, EditSet const& set, Study const& study) {
  auto const& asked = point.mask.layers;
  if (set.options.hparams.method != EditMethod::imported) return asked;
  auto const& edited = set.options.hparams.layers;
  if (asked.empty()) return point.masks_all_layers ? edited : std::vector<int>{edited.back()};
  bool const fine = std::is_sorted(asked.begin(), asked.end(), std::less_equal<>()) &&
                    std::includes(edited.begin(), edited.end(), asked.begin(), asked.end());
  if (fine) return asked;
  throw UserError(fmt::format("The study '{}': 'mask.layers' must be ascending and among the edited layers, which are {}.",
                              study.name, join(edited, ", ")));
}

/// Chooses the facts of its split that a mask is trained on, and those of the ones held back.
void choose_facts(TrainingFacts const& wanted, Plan const& plan, Study const& study, MaskTask& mask) {
  auto const& set = plan.sets[mask.set];
  if (wanted.models > 0 && !set.in_batches) {
    throw UserError(fmt::format(
        "The study '{}' trains the mask '{}' on the facts in {} edited models (mask.train_models), but {} gives every "
        "fact a model of its own. Remove it, or choose facts by mask.train_per_relation.",
        study.name, mask.name, wanted.models, to_string(set.options.hparams.method)));
  }
  std::set<std::string> models;
  std::map<std::string, int> chosen;  // by relation
  for (auto const& relation : wanted.relations) chosen[relation] = 0;
  mask.left_out.resize(plan.facts.size());
  for (std::size_t f = 0; f < plan.facts.size(); ++f) {
    auto const& item = plan.facts[f];
    bool const held_back = item.split == validation_split;
    if (item.home() != wanted.split) {
      mask.left_out[f] = held_back;
      continue;
    }
    auto const& relation = item.fact.relation;
    bool const of_a_model =
        wanted.models == 0 || (set.edits(f) && (models.contains(set.keys[f]) || std::ssize(models) < wanted.models));
    if (of_a_model) models.insert(set.keys[f]);
    bool const of_a_relation = wanted.relations.empty() || chosen.contains(relation);
    if (of_a_model && of_a_relation && (chosen[relation]++ < wanted.per_relation || wanted.per_relation == 0)) {
      (held_back ? mask.held_back : mask.training).push_back(f);
    } else {
      mask.left_out[f] = true;
    }
  }
  if (std::find(mask.left_out.begin(), mask.left_out.end(), true) == mask.left_out.end()) mask.left_out.clear();
  if (std::ssize(models) < wanted.models) {
    throw UserError(
        fmt::format("The study '{}' trains the mask '{}' on the facts in {} edited models (mask.train_models), but its split "
                    "'{}' is in {}. Set "
                    "mask.train_models to at most {}.",
                    study.name, mask.name, wanted.models, wanted.split, models.size(), models.size()));
  }
  for (auto const& relation : wanted.relations) {
    if (chosen[relation] > 0) continue;
    throw UserError(fmt::format(
        "The study '{}' trains masks on the relation '{}' (mask.train_relations), but its split '{}' has no fact of it.",
        study.name, relation, wanted.split));
  }
  if (mask.training.empty()) {
    throw UserError(fmt::format("The study '{}' leaves no fact of its split '{}' to train the mask '{}' on.", study.name,
                                wanted.split, mask.name));
  }
}

/// What the facts that a mask is trained on, with those held back, add to its name.
std::string training_key(MaskTask const& mask, EditSet const& set, Plan const& plan) {
  bool some = false;  // of its split are left out
  for (std::size_t f = 0; f < mask.left_out.size(); ++f) some = some || (mask.left_out[f] && plan.facts[f].home() == mask.split);
  Hasher hasher;
  for (auto const* facts : {&mask.training, &mask.held_back}) {
    hasher.integer(std::ssize(*facts));
    for (auto fact : *facts) {
      auto const& record = plan.facts[fact].fact;
      hasher.text(set.keys[fact]).text(record.target_true);
      // Of a model of many facts the key says which it holds, not which of them the mask is trained on.
      if (set.in_batches && some) hasher.text(record.prompt).text(record.subject);
      for (auto const& paraphrase : record.paraphrase_prompts) hasher.text(paraphrase);
    }
  }
  return hasher.hex();
}

std::string mask_key(MaskTask const& mask, std::string const& training, Fingerprints const& fingerprints) {
  Hasher hasher;
  begin_key(hasher, "mask 2", fingerprints);  // 1 counted zeros at one threshold only
  return hasher.text(describe(mask.options)).integer(static_cast<long long>(mask.seed)).text(training).hex();
}

/// Adds for all masks that differ in their seed alone the mean of them.
void add_consensus(Fingerprints const& fingerprints, Plan& plan) {
  std::map<std::pair<std::size_t, std::string>, std::size_t> consensus_of;  // place, by set and settings
  std::vector<MaskTask> added;
  for (std::size_t m = 0; m < plan.masks.size(); ++m) {
    auto const& mask = plan.masks[m];
    auto const [found, is_new] = consensus_of.try_emplace({mask.set, mask.settings}, added.size());
    if (is_new) {
      added.push_back(mask);
      auto& first = added.back();
      first.name = plan.sets[mask.set].name;
      for (auto const& word : {std::string("consensus"), mask.settings})
        first.name += (first.name.empty() || word.empty() ? "" : " ") + word;
    }
    added[found->second].members.push_back(m);
  }
  for (auto& mask : added) {
    Hasher hasher;
    begin_key(hasher, "consensus", fingerprints);
    for (auto const member : mask.members) hasher.text(plan.masks[member].key);
    mask.key = hasher.hex();
    plan.masks.push_back(std::move(mask));
  }
}

}  // namespace

std::string variant_of(PlannedCondition const& condition) {
  if (condition.baseline) return describe(*condition.baseline);
  std::vector<std::string> parts;
  if (condition.consensus) parts.emplace_back("consensus");
  if (condition.patch) parts.push_back(describe(*condition.patch));
  if (condition.cover != Cover::both) parts.push_back("cover " + name_of(cover_names, condition.cover));
  return join(parts, ", ");
}

std::size_t Plan::tasks() const {
  auto const made = std::count_if(injections.begin(), injections.end(), [](auto const& task) { return task.makes_edits(); });
  return moments.size() + null_spaces.size() + edits.size() + solves.size() + masks.size() + evaluations.size() +
         text_tasks.size() + static_cast<std::size_t>(made) + masked_values.size() + masked_solves.size() + injections.size() +
         tracings.size() + analyses.size();
}

std::vector<std::size_t> Plan::conditions_of(std::size_t set, std::ptrdiff_t mask) const {
  auto const group = std::lower_bound(condition_groups.begin(), condition_groups.end(), std::pair(set, mask),
                                      [](auto const& g, auto const& wanted) { return std::pair(g.set, g.mask) < wanted; });
  invariant(group != condition_groups.end() && group->set == set && group->mask == mask, "mask ", mask, " is not scored on set ",
            set);
  std::vector<std::size_t> places(group->count);
  std::iota(places.begin(), places.end(), group->first);
  return places;
}

std::vector<int> const& Plan::masked_layers(PlannedCondition const& condition) const {
  return condition.mask < 0 ? sets[condition.set].options.hparams.layers
                            : masks[static_cast<std::size_t>(condition.mask)].options.layers;
}

std::vector<std::size_t> Plan::facts_of(std::string const& split) const {
  std::vector<std::size_t> indices;
  for (std::size_t f = 0; f < facts.size(); ++f) {
    if (facts[f].split == split) indices.push_back(f);
  }
  return indices;
}

std::vector<int> moment_layers(Study const& study) {
  std::set<int> layers;
  for (auto const& point : study.points) {
    auto const& hparams = point.edit.hparams;
    if (needs_moments(hparams)) layers.insert(hparams.layers.begin(), hparams.layers.end());
  }
  return {layers.begin(), layers.end()};
}

std::string null_space_key(std::string const& moment, double threshold) {
  return Hasher().text("null space").integer(object_version).text(moment).number(threshold).hex();
}

void hold_back(Study const& study, std::vector<SplitFact>& facts) {
  for (auto const& split : study.training_splits()) {
    std::vector<std::size_t> training;
    for (std::size_t f = 0; f < facts.size(); ++f) {
      if (facts[f].split == split) training.push_back(f);
    }
    auto const share = study.points.front().mask.validation_share;
    auto const held_back = static_cast<std::size_t>(std::floor(share * static_cast<double>(training.size())));
    auto const order = RandomStream({stream::split, training.size()}).permutation(training.size());
    for (std::size_t i = 0; i < held_back; ++i) {
      facts[training[order[i]]].held_back_from = split;
      facts[training[order[i]]].split = validation_split;
    }
  }
}

Plan make_plan(Study const& study, SelectedFacts selected, Fingerprints const& fingerprints,
               std::vector<ContextTemplates> const& templates, std::map<int, std::string> const& moments,
               std::vector<TextPiece> const& text, std::vector<FinishedEdits> const& finished) {
  Plan plan;
  plan.facts = std::move(selected.facts);
  plan.known = std::move(selected.known);
  hold_back(study, plan.facts);
  plan.moments = moments;
  for (auto const& split : study.training_splits()) {
    if (plan.facts_of(split).empty())
      throw UserError("The study '" + study.name + "' leaves no fact in its split '" + split + "' to train masks on.");
  }
  invariant(templates.size() == study.points.size(), "of ", study.points.size(), " points of the study, ", templates.size(),
            " have context templates");
  KnownTasks known;
  std::map<std::string, std::size_t> set_of;  // by the swept edit keys
  using Facts = std::vector<std::size_t>;
  std::map<std::tuple<std::size_t, Facts, Facts>, std::string> training_keys;  // by set, training facts, those held back
  for (std::size_t p = 0; p < study.points.size(); ++p) {
    auto const& point = study.points[p];
    if (point.mask.validation_share != study.points.front().mask.validation_share) {
      throw UserError("The study '" + study.name +
                      "' sweeps mask.validation_share, but all its masks share one split. Run it once per value.");
    }
    auto const [found, is_new] = set_of.try_emplace(point.edits, plan.sets.size());
    if (is_new)
      found->second = add_set({.name = point.edits,
                               .options = point.edit,
                               .templates = templates[p],
                               .finished = finished.empty() ? FinishedEdits() : finished[p]},
                              fingerprints, plan, known);
    auto const set = found->second;
    if (!point.masked) continue;
    MaskTask mask{set, point.name, point.settings, point.training.split, point.mask, point.mask_seed};
    choose_facts(point.training, plan, study, mask);
    auto& key = training_keys[{set, mask.training, mask.held_back}];
    if (key.empty()) {
      require_edit(mask, plan.sets[set], study);
      key = training_key(mask, plan.sets[set], plan);
    }
    check_models(mask, plan.sets[set], study);
    mask.options.layers = masked_layers(point, plan.sets[set], study);
    mask.key = mask_key(mask, key, fingerprints);
    plan.masks.push_back(std::move(mask));
  }
  if (study.evaluation.consensus) add_consensus(fingerprints, plan);
  plan_scores(study, fingerprints, plan);
  plan_perplexity(study.perplexity, text, fingerprints, plan);
  plan_injections(study, plan);
  plan_tracing(study, fingerprints, plan);
  plan_analyses(study, fingerprints, plan);
  Hasher hasher;
  for (auto const& set : plan.sets) {
    invariant(set.keys.size() == plan.facts.size(), "of ", plan.facts.size(), " facts, ", set.keys.size(), " have an edit");
    for (auto const& key : set.keys) {
      invariant(!key.empty(), "an edit has no name");
      hasher.text(key);
    }
  }
  for (auto const& task : plan.solves) hasher.text(task.key);
  for (auto const& mask : plan.masks) hasher.text(mask.key);
  for (auto const& task : plan.evaluations) hasher.text(task.key);
  for (auto const& task : plan.text_tasks) hasher.text(task.key);
  for (auto const& task : plan.injections) hasher.text(task.key);
  for (auto const& task : plan.tracings) hasher.text(task.key);
  for (auto const& task : plan.analyses) hasher.text(task.key);
  plan.id = hasher.hex();
  return plan;
}

}  // namespace onemask
