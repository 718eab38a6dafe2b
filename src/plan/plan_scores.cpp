#include "plan/plan_scores.hpp"

#include <onemask/core/error.hpp>
#include <onemask/core/hash.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/core/random.hpp>
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

/// Patches that the study cannot score.
void check_patches(Study const& study) {
  for (auto const& patch : study.evaluation.patch) {
    if (study.masks || !belongs_to_mask(patch)) continue;
    throw UserError(
        fmt::format("The study '{}': '{}' of 'evaluation.patch' needs a model under a mask, but the study trains none. Train "
                    "one, or remove it.",
                    study.name, describe(patch)));
  }
  bool const writes = study.evaluation.generate > 0 || study.evaluation.entropy > 0;
  if (!study.evaluation.patch.empty() && writes) {
    throw UserError(
        fmt::format("The study '{}' lets its models write texts (evaluation.generate, evaluation.entropy), which models with the "
                    "attention of others (evaluation.patch) cannot: both models would have to write the same text. Ask for one "
                    "of them here, and for the other in a study of its own.",
                    study.name));
  }
}

/// Whether a mask can be put on the edits of a set: on layers that they change, and where every fact has an edit of its own, on
/// all of these.
bool fits(MaskTask const& mask, EditSet const& set) {
  auto const& edited = set.options.hparams.layers;
  auto const& masked = mask.options.layers;
  return set.in_batches ? std::includes(edited.begin(), edited.end(), masked.begin(), masked.end()) : edited == masked;
}

/// Adds the conditions of all sets and masks, group by group.
class ConditionPlanner {
 public:
  ConditionPlanner(Study const& study, Plan& plan) : study_(study), evaluation_(study.evaluation), plan_(plan) {}

  void make() {
    check_patches(study_);
    std::size_t transferred = 0;
    for (std::size_t s = 0; s < plan_.sets.size(); ++s) {
      auto const has_set = [&](auto const& mask) { return mask.set == s; };
      check_baselines(study_, plan_.sets[s], std::any_of(plan_.masks.begin(), plan_.masks.end(), has_set));
      begin(s, -1);
      without_mask();
      for (std::size_t m = 0; m < plan_.masks.size(); ++m) {
        bool const own = plan_.masks[m].set == s;
        if (!own && !(evaluation_.transfer && fits(plan_.masks[m], plan_.sets[s]))) continue;
        begin(s, static_cast<std::ptrdiff_t>(m));
        own ? of_own_mask() : of_transferred_mask();
        transferred += own ? 0 : 1;
      }
    }
    if (evaluation_.transfer && transferred == 0) {
      throw UserError(fmt::format(
          "The study '{}' asks for 'evaluation.transfer', but no mask can be put on the edits of another way of editing: {}",
          study_.name,
          plan_.masks.empty()      ? "it trains none. Train one, or remove it."
          : plan_.sets.size() == 1 ? "it edits in one way. Sweep a key of 'edit', or remove it."
                                   : "their layers differ. Edit the layers that are masked, or remove it."));
    }
  }

 private:
  void begin(std::size_t set, std::ptrdiff_t mask) {
    set_ = set, mask_ = mask;
    auto const& of = plan_.sets[set].name;
    if (mask < 0) {
      name_ = of;
    } else {
      auto const& task = plan_.masks[static_cast<std::size_t>(mask)];
      name_ = task.name + (task.set == set ? "" : " on " + of);
    }
    plan_.condition_groups.push_back({set, mask, plan_.conditions.size(), 0});
  }

  PlannedCondition& add(std::string const& what, ConditionKind kind, Cover cover = Cover::both,
                        std::optional<Baseline> baseline = {}) {
    plan_.conditions.push_back({what.empty() ? name_ : with_name(what, name_), kind, set_, mask_, cover, std::move(baseline)});
    plan_.conditions.back().consensus = is_consensus();
    ++plan_.condition_groups.back().count;
    return plan_.conditions.back();
  }

  /// Whether the mask is a consensus. Its baselines would be those of its members.
  bool is_consensus() const { return mask_ >= 0 && !plan_.masks[static_cast<std::size_t>(mask_)].members.empty(); }

  /// One that the mask, or a mask of as many zeros, is put on.
  PlannedCondition& add_covered(ConditionKind kind, std::string const& name, Cover cover) {
    auto const covered = variant_of({"", kind, set_, mask_, cover});
    return add(name + (name.empty() || covered.empty() ? "" : ", ") + covered, kind, cover);
  }

  /// Those with a mask, or those without.
  void add_patches(bool of_mask, Cover cover) {
    for (auto const& patch : evaluation_.patch) {
      if (belongs_to_mask(patch) == of_mask) add_covered(ConditionKind::patched, describe(patch), cover).patch = patch;
    }
  }

  void without_mask() {
    add("original", ConditionKind::original);
    add("edited", ConditionKind::edited);
    if (evaluation_.drop) add("dropped", ConditionKind::dropped);
    for (auto const& baseline : evaluation_.baselines) {
      if (!belongs_to_mask(baseline)) add(describe(baseline), condition_kind_of(baseline), Cover::both, baseline);
    }
    add_patches(false, Cover::both);
  }

  void of_mask(bool (*wanted)(Baseline const&)) {
    check_baselines(study_, plan_.masks[static_cast<std::size_t>(mask_)]);
    for (auto const cover : evaluation_.cover) {
      add_covered(ConditionKind::mask, "", cover);
      for (auto const& baseline : evaluation_.baselines) {
        if (is_plain(baseline) && !is_consensus())
          add_covered(condition_kind_of(baseline), to_string(condition_kind_of(baseline)), cover);
      }
    }
    for (auto const& baseline : evaluation_.baselines) {
      if (!is_plain(baseline) && belongs_to_mask(baseline) && !is_consensus() && wanted(baseline))
        add(describe(baseline), condition_kind_of(baseline), Cover::both, baseline);
    }
    for (auto const cover : evaluation_.cover) add_patches(true, cover);
  }

  void of_own_mask() {
    of_mask([](Baseline const&) { return true; });
    // A mask that is put on changes alone leaves the unedited model as it is.
    bool const covers_weight =
        std::any_of(evaluation_.cover.begin(), evaluation_.cover.end(), [](auto c) { return c != Cover::delta; });
    if (evaluation_.masked_original && covers_weight) add_covered(ConditionKind::original_masked, "original", Cover::both);
  }

  /// A baseline of each fact knows the edit, whatever the mask was trained on: it is scored where the mask is at home.
  void of_transferred_mask() {
    of_mask([](Baseline const& baseline) { return baseline.scope == BaselineScope::shared; });
  }

  Study const& study_;
  EvaluationPlan const& evaluation_;
  Plan& plan_;
  std::size_t set_ = 0;
  std::ptrdiff_t mask_ = -1;
  std::string name_;  ///< of the mask or the set, in parentheses behind what a condition is
};

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
    // Edits by methods have their layers in their names; of facts without a file nothing else says them, and a file has its own.
    bool const imported = plan.sets[set].options.hparams.method == EditMethod::imported;
    if (imported && plan.conditions[c].kind == ConditionKind::dropped) {
      for (auto const layer : plan.masked_layers(plan.conditions[c])) hasher.integer(layer);
    }
    if (imported && plan.conditions[c].kind == ConditionKind::patched)
      hasher.integer(plan.sets[set].options.hparams.layers.front());
    if (auto const variant = variant_of(plan.conditions[c]); !variant.empty()) hasher.text(variant);
  }
  if (mask >= 0) {
    auto const& task = plan.masks[static_cast<std::size_t>(mask)];
    add_cut(hasher.text(task.key), task.options);
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
    auto const batches = (plan.facts.size() + batch - 1) / batch;
    invariant(scored.size() == batches, plan.facts.size(), " facts are scored in ", scored.size(), " parts instead of ", batches);
    for (auto const& group : plan.condition_groups) {
      if (group.set != s) continue;
      auto const mask = group.mask;
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

/// Some facts of every split that have edited models of their own, drawn at random.
std::vector<std::size_t> drawn_facts(PerplexityOptions const& options, Plan const& plan) {
  std::map<std::string, std::vector<std::size_t>> facts_of;
  for (std::size_t f = 0; f < plan.facts.size(); ++f) {
    bool const has_own_model =
        std::any_of(plan.sets.begin(), plan.sets.end(), [&](auto const& set) { return !set.in_batches && set.edits(f); });
    if (has_own_model && plan.facts[f].split != validation_split) facts_of[plan.facts[f].split].push_back(f);
  }
  std::vector<std::size_t> drawn;
  for (auto const& [split, facts] : facts_of) {
    auto const order = RandomStream({stream::text_facts, facts.size()}).permutation(facts.size());
    for (std::size_t i = 0; i < std::min<std::size_t>(facts.size(), static_cast<std::size_t>(options.facts)); ++i)
      drawn.push_back(facts[order[i]]);
  }
  std::sort(drawn.begin(), drawn.end());
  return drawn;
}

/// Who the text is scored under: the unedited model, it under every mask; where all edited facts of a split share a model, that
/// one, and it under every mask; and, of some facts that have edited models of their own, these, and them under every mask.
std::vector<TextModel> text_models(PerplexityOptions const& options, Plan const& plan) {
  auto const drawn = drawn_facts(options, plan);
  if (options.facts > 0 && std::all_of(plan.sets.begin(), plan.sets.end(), [](auto const& set) { return set.in_batches; })) {
    throw UserError(
        "'perplexity.facts' is a number of facts that have edited models of their own, but all methods of the study write many "
        "facts into one model, whose perplexity is taken anyway. Remove it.");
  }
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
    auto const& set = plan.sets[condition.set];
    for (auto const f : drawn) {
      if (!set.in_batches && set.edits(f)) models.push_back({c, plan.facts[f].split, set.keys[f], {}, f});
    }
    for (auto const& split : splits) {
      auto const found = edited.find({condition.set, split});
      if (found != edited.end() && found->second.size() == 1) models.push_back({c, split, *found->second.begin(), {}});
    }
  }
  return models;
}

}  // namespace

void add_cut(Hasher& hasher, MaskOptions const& options) {
  if (options.zeros) {
    hasher.text("zeros").number(*options.zeros);
  } else {
    hasher.number(options.threshold);
  }
}

void plan_scores(Study const& study, Fingerprints const& fingerprints, Plan& plan) {
  check_prompts(study, plan);
  ConditionPlanner(study, plan).make();
  plan_evaluations(study, fingerprints, plan);
}

void plan_perplexity(PerplexityOptions const& options, std::vector<TextPiece> const& text, Fingerprints const& fingerprints,
                     Plan& plan) {
  if (text.empty()) return;
  for (auto const& piece : text) plan.text_tokens += piece.tokens;
  plan.text_models = text_models(options, plan);
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
        add_cut(hasher.text(task.key), task.options);
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
