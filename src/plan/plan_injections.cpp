#include "plan/plan_injections.hpp"

#include "plan/plan_scores.hpp"
#include <onemask/core/hash.hpp>
#include <onemask/settings/fingerprints.hpp>

#include <algorithm>
#include <map>
#include <utility>

namespace onemask {
namespace {

/// Whether the variant is scored with adaptive edits, or with the usual ones; the unedited model has neither.
bool has_edits(InjectionVariant variant, bool adaptive) {
  return variant != InjectionVariant::unedited && (variant == InjectionVariant::adaptive) == adaptive;
}

bool asks_for(std::vector<InjectionVariant> const& variants, bool adaptive) {
  return std::any_of(variants.begin(), variants.end(), [&](auto variant) { return has_edits(variant, adaptive); });
}

std::vector<InjectionVariant> variants_of(InjectionTask const& task, InjectionOptions const& options) {
  bool const masked = task.under.mask >= 0;
  if (task.sequential) return {masked ? InjectionVariant::inject : InjectionVariant::edit};
  std::vector<InjectionVariant> variants{InjectionVariant::unedited};
  if (masked) {
    variants.insert(variants.end(), options.variants.begin(), options.variants.end());
  } else {
    variants.push_back(InjectionVariant::edit);
  }
  return variants;
}

void add_mask(Hasher& hasher, InjectedMask const& under, Plan const& plan) {
  hasher.text(to_string(under.kind));
  if (under.mask < 0) return;
  auto const& mask = plan.masks[static_cast<std::size_t>(under.mask)];
  hasher.text(mask.key);
  add_cut(hasher, mask.options);
}

/// Begins the name of what a method for many facts makes under a mask.
void begin_name(Hasher& hasher, char const* what, InjectedMask const& under, Plan const& plan) {
  hasher.text(what).integer(object_version);
  add_mask(hasher, under, plan);
}

/// What decides the edits of a task's facts. The keys of the set's own edits say how facts are edited, and on what.
std::string edits_key(InjectionTask const& task, std::string const& previous, Plan const& plan) {
  Hasher hasher;
  hasher.text("edits under a mask").integer(object_version).text(previous).integer(task.sequential);
  add_mask(hasher, task.under, plan);
  for (auto fact : task.facts) hasher.text(plan.sets[task.set].keys[fact]);
  return hasher.hex();
}

std::string scores_key(InjectionTask const& task, std::string const& edits, Study const& study, Plan const& plan) {
  Hasher hasher;
  hasher.text("scores under a mask").integer(object_version).text(edits).integer(study.peer_compatible);
  for (auto variant : task.variants) hasher.text(name_of(injection_variant_names, variant));
  for (auto fact : task.facts) {
    auto const& record = plan.facts[fact].fact;
    // The edited model that facts share says which it holds, not which of them these are.
    if (task.in_one_model) hasher.text(record.prompt).text(record.subject).text(record.target_new);
    hasher.text(record.target_true);
  }
  return hasher.hex();
}

/// Plans the edits of facts under masks, and their scores.
class InjectionPlanner {
 public:
  InjectionPlanner(Study const& study, Plan& plan) : study_(study), plan_(plan) {
    for (auto const& task : plan.edits) unit_facts_[task.key] = task.facts;
  }

  void add(std::size_t set, InjectedMask const& under, std::vector<std::size_t> const& facts) {
    InjectionTask like{.set = set, .under = under, .facts = facts};
    if (plan_.sets[set].in_batches) return add_models(like);
    add_single_edits(like);
    like.sequential = true;
    if (study_.inject->sequential) add_single_edits(like);
  }

 private:
  /// Cuts the facts of a task into units.
  std::vector<InjectionTask> units_of(InjectionTask const& like) const {
    auto const size = static_cast<std::size_t>(plan_.sets[like.set].options.batch);
    std::vector<InjectionTask> tasks;
    for (std::size_t first = 0; first < like.facts.size(); first += size) {
      auto const begin = like.facts.begin() + static_cast<std::ptrdiff_t>(first);
      tasks.push_back(like);
      tasks.back().facts = {begin, begin + static_cast<std::ptrdiff_t>(std::min(size, like.facts.size() - first))};
      tasks.back().variants = variants_of(like, *study_.inject);
    }
    return tasks;
  }

  /// Facts of a unit move each other's last bits, so a key names the whole unit and the place in it; in a sequence also what
  /// came before.
  void add_single_edits(InjectionTask const& like) {
    std::string previous;
    std::size_t earlier = 0;
    for (auto& task : units_of(like)) {
      if (like.sequential) task.earlier = earlier++;
      auto const name = edits_key(task, previous, plan_);
      for (std::size_t i = 0; i < task.facts.size(); ++i) {
        auto const key = [&](char const* what) {
          return task.makes_edits() ? Hasher().text(name).text(what).integer(static_cast<long long>(i)).hex()
                                    : plan_.sets[task.set].keys[task.facts[i]];
        };
        if (asks_for(task.variants, false)) task.edits.push_back(key("usual"));
        if (asks_for(task.variants, true)) task.adaptive_edits.push_back(key("adaptive"));
      }
      task.key = scores_key(task, name, study_, plan_);
      if (like.sequential) previous = name;
      plan_.injections.push_back(std::move(task));
    }
  }

  /// Facts that share a model without the mask share one under it, whether they are scored or not.
  void add_models(InjectionTask like) {
    like.in_one_model = true;
    auto const wanted = like.facts;
    std::map<std::string, std::string> values;  // under the mask, by those without it
    for (auto const& solve : plan_.solves) {
      if (solve.set != like.set) continue;
      like.facts = solve.facts;
      std::erase_if(like.facts, [&](auto fact) { return !std::binary_search(wanted.begin(), wanted.end(), fact); });
      if (like.facts.empty()) continue;
      like.edits.clear(), like.adaptive_edits.clear();
      if (like.under.mask < 0) {
        like.edits = {solve.key};
      } else {
        auto const& variants = study_.inject->variants;
        if (asks_for(variants, false)) like.edits = {add_solve(like, solve, false, values)};
        if (asks_for(variants, true)) like.adaptive_edits = {add_solve(like, solve, true, values)};
      }
      for (auto& task : units_of(like)) {
        Hasher hasher;
        begin_name(hasher, "models under a mask", task.under, plan_);
        for (auto const* keys : {&task.edits, &task.adaptive_edits}) {
          for (auto const& key : *keys) hasher.text(key);
        }
        task.key = scores_key(task, hasher.hex(), study_, plan_);
        plan_.injections.push_back(std::move(task));
      }
    }
  }

  /// The object of the model.
  std::string add_solve(InjectionTask const& like, SolveTask const& without, bool adaptive,
                        std::map<std::string, std::string>& values) {
    MaskedSolveTask solve{like.set, like.under, adaptive, without.facts, {}, {}};
    Hasher hasher;
    begin_name(hasher, adaptive ? "adaptive batch edit" : "batch edit under a mask", like.under, plan_);
    hasher.text(without.key);
    for (auto const& unit : without.values) {
      auto const [found, is_new] = values.try_emplace(unit);
      if (is_new) {
        Hasher of_values;
        begin_name(of_values, "values under a mask", like.under, plan_);
        found->second = of_values.text(unit).hex();
        plan_.masked_values.push_back({like.set, like.under, unit_facts_.at(unit), found->second});
      }
      hasher.text(found->second);
      solve.values.push_back(found->second);
    }
    solve.key = hasher.hex();
    plan_.masked_solves.push_back(solve);
    return solve.key;
  }

  Study const& study_;
  Plan& plan_;
  std::map<std::string, std::vector<std::size_t>> unit_facts_;  ///< by object of values
};

}  // namespace

void plan_injections(Study const& study, Plan& plan) {
  if (!study.inject) return;
  auto const facts = plan.facts_of(study.inject->split);
  InjectionPlanner planner(study, plan);
  for (std::size_t s = 0; s < plan.sets.size(); ++s) {
    for (std::size_t m = 0, first = 0; m < plan.masks.size(); ++m) {
      auto const& mask = plan.masks[m];
      if (mask.set != s || !mask.members.empty()) continue;  // a consensus is not trained
      if (first++ == 0) planner.add(s, {}, facts);
      auto scored = facts;
      std::erase_if(scored, [&](auto fact) { return !is_scored(mask, fact); });
      for (auto kind : study.inject->masks) planner.add(s, {static_cast<std::ptrdiff_t>(m), kind}, scored);
    }
  }
}

}  // namespace onemask
