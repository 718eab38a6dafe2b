#include "plan/plan_injections.hpp"

#include "plan/plan_scores.hpp"
#include <onemask/core/hash.hpp>
#include <onemask/settings/fingerprints.hpp>

#include <algorithm>
#include <utility>

namespace onemask {
namespace {

std::vector<InjectionVariant> variants_of(InjectionTask const& task, InjectionOptions const& options) {
  if (task.sequential) return {task.mask < 0 ? InjectionVariant::edit : InjectionVariant::inject};
  std::vector<InjectionVariant> variants{InjectionVariant::unedited};
  if (task.mask < 0) {
    variants.push_back(InjectionVariant::edit);
  } else {
    variants.insert(variants.end(), options.variants.begin(), options.variants.end());
  }
  return variants;
}

/// What decides the edits of a task's facts. The keys of the set's own edits say how facts are edited, and on what.
std::string edits_key(InjectionTask const& task, std::string const& previous, Plan const& plan) {
  Hasher hasher;
  hasher.text("edits under a mask").integer(object_version).text(previous).integer(task.sequential).text(to_string(task.kind));
  if (task.mask >= 0) {
    auto const& mask = plan.masks[static_cast<std::size_t>(task.mask)];
    hasher.text(mask.key);
    add_cut(hasher, mask.options);
  }
  for (auto fact : task.facts) hasher.text(plan.sets[task.set].keys[fact]);
  return hasher.hex();
}

std::string scores_key(InjectionTask const& task, std::string const& edits, Study const& study, Plan const& plan) {
  Hasher hasher;
  hasher.text("scores under a mask").integer(object_version).text(edits).integer(study.peer_compatible);
  for (auto variant : task.variants) hasher.text(name_of(injection_variant_names, variant));
  for (auto fact : task.facts) hasher.text(plan.facts[fact].fact.target_true);
  return hasher.hex();
}

/// Whether one of the variants asks for adaptive edits, or for the usual ones.
bool asks_for(InjectionTask const& task, bool adaptive) {
  return std::any_of(task.variants.begin(), task.variants.end(), [&](auto variant) {
    return variant != InjectionVariant::unedited && (variant == InjectionVariant::adaptive) == adaptive;
  });
}

/// Cuts the facts into tasks like `like`. Facts of a task move each other's last bits, so a key names the whole task and the
/// place in it; in a sequence also what came before.
void add_tasks(InjectionTask const& like, Study const& study, Plan& plan) {
  auto const size = static_cast<std::size_t>(plan.sets[like.set].options.batch);
  std::string previous;
  for (std::size_t first = 0; first < like.facts.size(); first += size) {
    auto task = like;
    auto const begin = like.facts.begin() + static_cast<std::ptrdiff_t>(first);
    task.facts = {begin, begin + static_cast<std::ptrdiff_t>(std::min(size, like.facts.size() - first))};
    task.earlier = like.sequential ? first / size : 0;
    task.variants = variants_of(task, *study.inject);
    auto const name = edits_key(task, previous, plan);
    for (std::size_t i = 0; i < task.facts.size(); ++i) {
      auto const key = [&](char const* what) {
        return task.makes_edits() ? Hasher().text(name).text(what).integer(static_cast<long long>(i)).hex()
                                  : plan.sets[task.set].keys[task.facts[i]];
      };
      if (asks_for(task, false)) task.edits.push_back(key("usual"));
      if (asks_for(task, true)) task.adaptive_edits.push_back(key("adaptive"));
    }
    task.key = scores_key(task, name, study, plan);
    if (like.sequential) previous = name;
    plan.injections.push_back(std::move(task));
  }
}

}  // namespace

void plan_injections(Study const& study, Plan& plan) {
  if (!study.inject) return;
  auto const facts = plan.facts_of(study.inject->split);
  for (std::size_t s = 0; s < plan.sets.size(); ++s) {
    auto const add = [&](std::ptrdiff_t mask, ConditionKind kind, std::vector<std::size_t> const& some) {
      InjectionTask like{.set = s, .mask = mask, .kind = kind, .facts = some};
      add_tasks(like, study, plan);
      like.sequential = true;
      if (study.inject->sequential) add_tasks(like, study, plan);
    };
    for (std::size_t m = 0, first = 0; m < plan.masks.size(); ++m) {
      auto const& mask = plan.masks[m];
      if (mask.set != s || !mask.members.empty()) continue;  // a consensus is not trained
      if (first++ == 0) add(-1, ConditionKind::edited, facts);
      auto scored = facts;
      std::erase_if(scored, [&](auto fact) { return !is_scored(mask, fact); });
      for (auto kind : study.inject->masks) add(static_cast<std::ptrdiff_t>(m), kind, scored);
    }
  }
}

}  // namespace onemask
