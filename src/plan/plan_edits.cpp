#include "plan/plan_edits.hpp"

#include <onemask/core/hash.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/settings/fingerprints.hpp>

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

namespace onemask {
namespace {

/// What decides an edit or a value but for rounding.
std::string request_key(Fact const& fact, EditSet const& set, Plan const& plan, Fingerprints const& fingerprints) {
  Hasher hasher;
  begin_key(hasher, "edit", fingerprints);
  auto const& hparams = set.options.hparams;
  if (!edits_in_batches(hparams.method) && needs_moments(hparams)) hasher.text(plan.moments.at(hparams.layer()));
  hasher.text(describe(hparams)).text(fact.prompt).text(fact.subject).text(fact.target_new).integer(fact.case_id);
  if (searches_values(hparams.method)) {
    for (auto const& text : set.templates) hasher.text(text);
  }
  return hasher.hex();
}

/// Cuts `facts` into parts of at most `size`.
std::vector<std::vector<std::size_t>> parts_of(std::vector<std::size_t> const& facts, int size) {
  std::vector<std::vector<std::size_t>> parts;
  for (auto fact : facts) {
    if (parts.empty() || std::ssize(parts.back()) == size) parts.emplace_back();
    parts.back().push_back(fact);
  }
  return parts;
}

/// The facts, those that share a subject one after the other.
std::vector<std::size_t> by_subject(std::vector<std::size_t> const& facts, Plan const& plan) {
  std::map<std::string, std::vector<std::size_t>> same;
  for (auto fact : facts) same[plan.facts[fact].fact.subject].push_back(fact);
  std::vector<std::size_t> result;
  for (auto fact : facts) {
    auto& group = same[plan.facts[fact].fact.subject];
    result.insert(result.end(), group.begin(), group.end());
    group.clear();
  }
  return result;
}

/// Units of facts whose values are searched for together; facts that share a value stay in one.
std::vector<std::vector<std::size_t>> value_parts(std::vector<std::size_t> const& facts, EditSet const& set, Plan const& plan) {
  if (set.options.hparams.method != EditMethod::memit_merge) return parts_of(facts, set.options.batch);
  std::vector<std::vector<std::size_t>> parts;
  auto const ordered = by_subject(facts, plan);
  auto const subject = [&](std::size_t fact) { return plan.facts[fact].fact.subject; };
  for (auto fact : ordered) {
    bool const full = parts.empty() || std::ssize(parts.back()) >= set.options.batch;
    if (full && (parts.empty() || subject(parts.back().back()) != subject(fact))) parts.emplace_back();
    parts.back().push_back(fact);
  }
  return parts;
}

std::string joined_key(std::vector<std::size_t> const& facts, std::vector<std::string> const& requests) {
  Hasher whole;
  for (auto fact : facts) whole.text(requests[fact]);
  return whole.hex();
}

/// Every fact is edited by itself: one object per fact. Facts that are edited in one unit move each other's last bits, so a key
/// names the whole unit and the place in it.
void plan_single_edits(EditSet& set, std::size_t index, std::vector<std::string> const& requests, Plan& plan) {
  std::size_t planned = 0;
  std::vector<std::size_t> all(plan.facts.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  for (auto& facts : parts_of(all, set.options.batch)) {
    auto const name = joined_key(facts, requests);
    for (std::size_t i = 0; i < facts.size(); ++i)
      set.keys[facts[i]] = Hasher().text(name).integer(static_cast<long long>(i)).hex();
    planned += facts.size();
    plan.edits.push_back({index, 0, std::move(facts), {}, {}});
  }
  invariant(planned == all.size(), planned, " of ", all.size(), " facts are edited");
}

std::string solve_key(SolveTask const& solve, EditSet const& set, std::vector<std::string> const& requests, Plan const& plan) {
  auto const& hparams = set.options.hparams;
  Hasher hasher;
  hasher.text("batch edit").integer(object_version).text(describe_solve(hparams)).text(solve.previous);
  for (auto const& key : solve.values) hasher.text(key);
  if (needs_moments(hparams)) {
    for (auto layer : hparams.layers) hasher.text(plan.moments.at(layer));
  }
  return hasher.text(joined_key(solve.facts, requests)).hex();
}

/// The facts of each split in order, with those held back from training.
std::vector<std::vector<std::size_t>> split_groups(Plan const& plan) {
  std::vector<std::vector<std::size_t>> groups;
  std::map<std::string, std::size_t> place;
  for (std::size_t f = 0; f < plan.facts.size(); ++f) {
    auto const [found, is_new] = place.try_emplace(plan.facts[f].home(), groups.size());
    if (is_new) groups.emplace_back();
    groups[found->second].push_back(f);
  }
  return groups;
}

/// Plans the search for the facts' values in a model that carries `previous`; the units' objects, and which of them has each
/// fact.
std::map<std::size_t, std::string> plan_values(std::vector<std::size_t> const& facts, EditTask const& like, EditSet const& set,
                                               std::vector<std::string> const& requests, Plan& plan, KnownTasks& known) {
  std::map<std::size_t, std::string> unit_of;
  for (auto& part : value_parts(facts, set, plan)) {
    auto task = like;
    task.key = Hasher().text("values").text(like.previous).text(joined_key(part, requests)).hex();
    for (auto fact : part) unit_of[fact] = task.key;
    task.facts = std::move(part);
    // Ways of editing that differ only in the solve share their values.
    if (known.values.insert(task.key).second) plan.edits.push_back(std::move(task));
  }
  invariant(unit_of.size() == facts.size(), "values are searched for ", unit_of.size(), " of ", facts.size(), " facts");
  return unit_of;
}

/// Facts are written into models in batches: values first, in units, then one solve per batch. Splits never share a batch.
void plan_batch_edits(EditSet& set, std::size_t index, std::vector<std::string> const& requests, Plan& plan, KnownTasks& known) {
  auto const& options = set.options;
  auto const method = options.hparams.method;
  bool const searches = searches_values(method);
  // Values do not depend on the batch, unless it goes into a model that others changed, or facts of a batch share them.
  bool const by_batch = options.sequential || method == EditMethod::memit_merge;
  for (auto const& group : split_groups(plan)) {
    std::map<std::size_t, std::string> unit_of;
    if (searches && !by_batch) unit_of = plan_values(group, {index, 0, {}, {}, {}}, set, requests, plan, known);
    std::string previous;
    std::size_t round = 0;
    for (auto& batch : parts_of(group, options.facts_per_model > 0 ? options.facts_per_model : static_cast<int>(group.size()))) {
      if (searches && by_batch) unit_of = plan_values(batch, {index, round, {}, previous, {}}, set, requests, plan, known);
      SolveTask solve{index, round, std::move(batch), {}, previous, {}};
      std::set<std::string> units;
      for (auto fact : solve.facts) {
        if (searches && units.insert(unit_of[fact]).second) solve.values.push_back(unit_of[fact]);
      }
      solve.key = solve_key(solve, set, requests, plan);
      for (auto fact : solve.facts) set.keys[fact] = solve.key;
      plan.rounds = std::max(plan.rounds, round + 1);
      if (options.sequential) {
        previous = solve.key;
        ++round;
      }
      plan.solves.push_back(std::move(solve));
    }
    // All facts of a sequence are in the model that it ends with.
    if (options.sequential) {
      for (auto fact : group) set.keys[fact] = previous;
    }
  }
}

/// Whether facts share an edited model, or the edit of one is more than a product of two matrices in one layer.
bool holds_models(FinishedEdits const& finished, EditOptions const& options) {
  std::vector<std::size_t> facts(finished.files.size());
  for (auto const& file : finished.file_of) {
    if (file && ++facts[*file] > 1) return true;
  }
  auto const is_matrix = [&](auto const& file) { return file.rank == 0 && options.rank == 0; };
  return finished.layers.size() != 1 || std::any_of(finished.files.begin(), finished.files.end(), is_matrix);
}

/// What an imported edit is: the file's changes, and how they are kept. Facts without a file are not edited.
std::string imported_key(char const* kind, EditSet const& set, std::optional<std::size_t> file,
                         std::vector<std::int64_t> const& case_ids, Fingerprints const& fingerprints) {
  Hasher hasher;
  begin_key(hasher, kind, fingerprints);
  hasher.text(file ? set.finished.files[*file].content : "");
  // Factors that are no longer than edit.rank stay as they are.
  auto const stays = [&](EditFile const& its) { return its.rank > 0 && its.rank <= set.options.rank; };
  hasher.integer(file && !stays(set.finished.files[*file]) ? set.options.rank : 0);
  for (auto case_id : case_ids) hasher.integer(case_id);
  return hasher.hex();
}

/// Edits of one fact each. A task reads one: the same edits may be in several sets, in other company.
void plan_imported_edits(EditSet& set, std::size_t index, Fingerprints const& fingerprints, Plan& plan) {
  for (std::size_t fact = 0; fact < plan.facts.size(); ++fact) {
    set.keys[fact] =
        imported_key("imported edit", set, set.finished.file_of[fact], {plan.facts[fact].fact.case_id}, fingerprints);
    plan.edits.push_back({index, 0, {fact}, {}, {}});
  }
}

/// An edited model for each file, with the facts that it is of, and one for those without a file.
void plan_imported_models(EditSet& set, std::size_t index, Fingerprints const& fingerprints, Plan& plan) {
  std::map<std::optional<std::size_t>, std::vector<std::size_t>> facts_of;
  for (std::size_t fact = 0; fact < plan.facts.size(); ++fact) facts_of[set.finished.file_of[fact]].push_back(fact);
  for (auto& [file, facts] : facts_of) {
    std::vector<std::int64_t> case_ids;
    for (auto fact : facts) case_ids.push_back(plan.facts[fact].fact.case_id);
    SolveTask solve{index, 0, std::move(facts), {}, {}, imported_key("imported model", set, file, case_ids, fingerprints)};
    for (auto fact : solve.facts) set.keys[fact] = solve.key;
    plan.solves.push_back(std::move(solve));
  }
}

/// Plans what is imported, or finds the equal set.
std::size_t add_imported_set(EditSet set, Fingerprints const& fingerprints, Plan& plan, KnownTasks& known) {
  invariant(set.finished.file_of.size() == plan.facts.size(), "of ", plan.facts.size(), " facts, ", set.finished.file_of.size(),
            " are known to be edited or not");
  set.options.hparams.layers = set.finished.layers;
  set.in_batches = holds_models(set.finished, set.options);
  set.keys.resize(plan.facts.size());
  auto const solves = plan.solves.size(), edits = plan.edits.size();
  if (set.in_batches) {
    plan_imported_models(set, plan.sets.size(), fingerprints, plan);
  } else {
    plan_imported_edits(set, plan.sets.size(), fingerprints, plan);
  }
  Hasher hasher;
  hasher.text("imported");
  for (auto const& key : set.keys) hasher.text(key);
  set.id = hasher.hex();
  auto const [same, is_new] = known.sets.try_emplace(set.id, plan.sets.size());
  if (!is_new) {
    plan.solves.resize(solves);
    plan.edits.resize(edits);
    return same->second;
  }
  plan.sets.push_back(std::move(set));
  return plan.sets.size() - 1;
}

}  // namespace

std::size_t add_set(EditSet set, Fingerprints const& fingerprints, Plan& plan, KnownTasks& known) {
  if (set.options.hparams.method == EditMethod::imported) return add_imported_set(std::move(set), fingerprints, plan, known);
  set.in_batches = edits_in_batches(set.options.hparams.method);
  std::vector<std::string> requests;
  for (auto const& item : plan.facts) requests.push_back(request_key(item.fact, set, plan, fingerprints));
  auto const& options = set.options;
  Hasher hasher;
  for (auto const& request : requests) hasher.text(request);
  hasher.text(describe_solve(options.hparams))
      .integer(options.batch)
      .integer(options.facts_per_model)
      .integer(options.sequential);
  set.id = hasher.hex();
  auto const [same, is_new] = known.sets.try_emplace(set.id, plan.sets.size());
  if (!is_new) return same->second;
  set.keys.resize(plan.facts.size());
  if (set.in_batches) {
    plan_batch_edits(set, plan.sets.size(), requests, plan, known);
  } else {
    plan_single_edits(set, plan.sets.size(), requests, plan);
  }
  if (set.options.hparams.method == EditMethod::alphaedit) {
    for (auto layer : set.options.hparams.layers) {
      NullSpaceTask task{layer, set.options.hparams.nullspace_threshold, {}};
      task.key = null_space_key(plan.moments.at(layer), task.threshold);
      if (known.null_spaces.insert(task.key).second) plan.null_spaces.push_back(std::move(task));
    }
  }
  plan.sets.push_back(std::move(set));
  return plan.sets.size() - 1;
}

}  // namespace onemask
