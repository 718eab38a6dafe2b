#include "sweep/run_context.hpp"

#include <onemask/core/error.hpp>

#include <algorithm>
#include <map>
#include <set>

namespace onemask {

std::string RunContext::need(std::string const& key, std::string const& what) const {
  auto bytes = objects.get(key);
  if (!bytes)
    throw RunError("The " + what + " " + key +
                   " is missing from the object store or damaged, although its task is done. Run the same command again.");
  return std::move(*bytes);
}

Edit RunContext::edit(EditSet const& set, std::size_t fact) const {
  auto const& key = set.keys[fact];
  return edit_from_bytes(need(key, "edit"), "object " + key);
}

std::shared_ptr<BatchEdit const> RunContext::batch_edit(std::string const& key) const {
  if (last_batch.first != key) {
    auto edit = batch_edit_from_bytes(need(key, "batch edit"), "object " + key);
    last_batch = {key, std::make_shared<BatchEdit const>(std::move(edit))};
  }
  return last_batch.second;
}

SharedMask RunContext::shared_mask(MaskTask const& task) const {
  return shared_mask_from_bytes(need(task.key, "mask"), "object " + task.key);
}

std::vector<std::pair<std::size_t, Edit>> edits_of(RunContext const& run, std::size_t set,
                                                   std::vector<std::size_t> const& facts) {
  std::vector<std::pair<std::size_t, Edit>> edits;
  auto const& plan = run.plan;
  if (!edits_in_batches(plan.sets[set].options.hparams.method)) {
    for (auto fact : facts) edits.emplace_back(fact, run.edit(plan.sets[set], fact));
    return edits;
  }
  std::map<std::size_t, Edit> found;
  std::set<std::size_t> const wanted(facts.begin(), facts.end());
  for (auto const& solve : plan.solves) {
    bool const needed =
        solve.set == set && std::any_of(solve.facts.begin(), solve.facts.end(), [&](auto f) { return wanted.contains(f); });
    if (!needed) continue;
    auto const batch = run.batch_edit(solve.key);
    for (std::size_t i = 0; i < solve.facts.size(); ++i) static_cast<EditOutcome&>(found[solve.facts[i]]) = batch->facts.at(i);
  }
  for (auto fact : facts) edits.emplace_back(fact, found.at(fact));
  return edits;
}

}  // namespace onemask
