#include "plan/plan_analyses.hpp"

#include "plan/plan_scores.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/hash.hpp>
#include <onemask/core/random.hpp>

#include <algorithm>

#include <fmt/core.h>

namespace onemask {
namespace {

/// The facts of the split that are edited in some way, or some of them drawn at random, ascending.
std::vector<std::size_t> analysed_facts(AnalysisOptions const& options, Plan const& plan) {
  auto all = plan.facts_of(options.split);
  std::erase_if(all, [&](auto fact) {
    return std::none_of(plan.sets.begin(), plan.sets.end(), [&](auto const& set) { return set.edits(fact); });
  });
  auto const wanted = static_cast<std::size_t>(options.facts);
  if (wanted == 0 || wanted >= all.size()) return all;
  auto const order = RandomStream({stream::analysed_facts, all.size()}).permutation(all.size());
  std::vector<std::size_t> drawn;
  for (std::size_t i = 0; i < wanted; ++i) drawn.push_back(all[order[i]]);
  std::sort(drawn.begin(), drawn.end());
  return drawn;
}

/// What decides the bits of all tasks alike.
std::string settings_key(Study const& study, Fingerprints const& fingerprints) {
  auto const& options = *study.analysis;
  Hasher hasher;
  begin_key(hasher, "analysis", fingerprints);
  hasher.integer(study.peer_compatible);
  for (auto const place : options.places) hasher.text(name_of(analysis_place_names, place));
  hasher.integer(options.contributions).integer(options.heads).integer(options.sources).integer(options.inner_units > 0);
  hasher.integer(options.attention).integer(options.traces).integer(options.dimensions);
  return hasher.text(name_of(map_detail_names, options.maps)).hex();
}

std::string task_key(AnalysisTask const& task, std::string const& settings, Plan const& plan) {
  Hasher hasher;
  hasher.text(settings);
  for (auto const layer : plan.sets[task.set].options.hparams.layers) hasher.integer(layer);  // of which there are inner units
  for (auto const fact : task.facts) {
    auto const& record = plan.facts[fact].fact;
    // Facts of one edited model share its key.
    hasher.text(plan.sets[task.set].keys[fact]).text(record.prompt).text(record.subject);
    hasher.text(record.target_true).text(record.target_new);
  }
  if (task.mask >= 0) {
    auto const& mask = plan.masks[static_cast<std::size_t>(task.mask)];
    add_cut(hasher.text(mask.key).integer(static_cast<long long>(mask.seed)), mask.options);
  }
  return hasher.hex();
}

}  // namespace

void plan_analyses(Study const& study, Fingerprints const& fingerprints, Plan& plan) {
  if (!study.analysis) return;
  auto const facts = analysed_facts(*study.analysis, plan);
  auto const settings = settings_key(study, fingerprints);
  auto const size = static_cast<std::size_t>(study.evaluation.batch);
  for (std::size_t s = 0; s < plan.sets.size(); ++s) {
    auto edited = facts;
    std::erase_if(edited, [&](auto fact) { return !plan.sets[s].edits(fact); });
    if (edited.empty()) {
      throw UserError(fmt::format(
          "The study '{}' analyses facts of the split '{}', but none of them is edited{}. Choose another split (analysis.split).",
          study.name, study.analysis->split, plan.sets[s].name.empty() ? "" : " by " + plan.sets[s].name));
    }
    auto const add = [&](std::ptrdiff_t mask, std::vector<std::size_t> const& some) {
      for (std::size_t first = 0; first < some.size(); first += size) {
        auto const begin = some.begin() + static_cast<std::ptrdiff_t>(first);
        AnalysisTask task{s, mask, {begin, begin + static_cast<std::ptrdiff_t>(std::min(size, some.size() - first))}, {}};
        task.key = task_key(task, settings, plan);
        plan.analyses.push_back(std::move(task));
      }
    };
    add(-1, edited);
    for (std::size_t m = 0; m < plan.masks.size(); ++m) {
      auto const& mask = plan.masks[m];
      if (mask.set != s || !mask.members.empty()) continue;  // a consensus is not trained
      auto scored = edited;
      std::erase_if(scored, [&](auto fact) { return !is_scored(mask, fact); });
      add(static_cast<std::ptrdiff_t>(m), scored);
    }
  }
}

}  // namespace onemask
