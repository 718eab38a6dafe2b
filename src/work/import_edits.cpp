#include "work/import_edits.hpp"

#include <onemask/checkpoint/checkpoint.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/core/log.hpp>
#include <onemask/edit/batch_edit.hpp>
#include <onemask/edit/finished_edit.hpp>
#include <onemask/edit/low_rank.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

constexpr char const* no_file = "edit.files has no edit of it";

/// The changes of a file as they are kept, and what tables say of them.
struct Imported {
  std::vector<WeightDelta> changes;
  EditOutcome outcome;  ///< but for the fact
};

/// |ΔW|², of factors without forming ΔW.
double squared_norm(WeightDelta const& change) {
  if (change.dense.defined()) return change.dense.to(at::kDouble).square().sum().item<double>();
  auto const left = change.left.to(at::kDouble), right = change.right.to(at::kDouble);
  return (at::matmul(left, left.t()) * at::matmul(right, right.t())).sum().item<double>();
}

/// The change as factors of at most this rank (0: as it is), and of no higher one than its shape has; the share of it that they
/// leave out is added to `lost`.
WeightDelta factored(WeightDelta const& change, int rank, double& lost) {
  bool const dense = change.dense.defined();
  if (dense && rank == 0) return change;
  LowRank factors;
  if (dense) {
    factors = low_rank(change.dense, rank);
  } else {
    auto const highest = std::min(change.left.size(1), change.right.size(1));
    auto const most = rank == 0 ? highest : std::min<std::int64_t>(rank, highest);
    if (change.left.size(0) <= most) return change;
    factors = low_rank(change.left, change.right, most);
  }
  lost = std::max(lost, factors.lost);
  return {change.layer, factors.left, factors.right, {}};
}

Imported read(WorkContext const& run, Checkpoint const& original, EditFile const& file, int rank) {
  auto const edit = read_finished_edit(file.path, original, run.model);
  if (edit.content() != file.content)
    throw UserError("The edit " + file.path.string() + " has changed since the run began. Start the command again.");
  Imported imported;
  double change = 0, whole = 0;
  for (auto const& each : edit.changes) {
    change += squared_norm(each);
    whole += run.model.projection(each.layer).weight.to(at::kCPU, at::kDouble).square().sum().item<double>();
    imported.changes.push_back(factored(each, rank, imported.outcome.loss));
  }
  imported.outcome.delta_norm = std::sqrt(change);
  imported.outcome.value_norm = std::sqrt(whole);
  constexpr double much = 0.01;
  if (imported.outcome.loss > much) {
    log_warning(fmt::format("As factors of rank {}, the edit {} loses {:.3g} % of its norm. A larger edit.rank loses less.", rank,
                            file.path.string(), 100 * imported.outcome.loss));
  }
  return imported;
}

}  // namespace

void import_edits(WorkContext const& run, EditTask const& task) {
  auto const& set = run.plan.sets[task.set];
  auto const original = Checkpoint::open(run.study.model.checkpoint);
  for (auto fact : task.facts) {
    Edit edit;
    edit.layer = set.options.hparams.layer();
    if (auto const file = set.finished.file_of[fact]) {
      auto imported = read(run, original, set.finished.files[*file], set.options.rank);
      invariant(imported.changes.size() == 1 && imported.changes.front().left.defined(), "the edit of a fact has ",
                imported.changes.size(), " changes, or a matrix");
      static_cast<EditOutcome&>(edit) = imported.outcome;
      edit.layer = imported.changes.front().layer;
      edit.left = std::move(imported.changes.front().left);
      edit.right = std::move(imported.changes.front().right);
    } else {
      edit.failure = no_file;
    }
    edit.case_id = run.plan.facts[fact].fact.case_id;
    run.objects.put(set.keys[fact], to_bytes(edit));
  }
}

void import_model(WorkContext const& run, SolveTask const& task) {
  auto const& set = run.plan.sets[task.set];
  BatchEdit edit;
  EditOutcome outcome;
  if (auto const file = set.finished.file_of[task.facts.front()]) {
    auto imported = read(run, Checkpoint::open(run.study.model.checkpoint), set.finished.files[*file], set.options.rank);
    outcome = imported.outcome;
    edit.deltas = std::move(imported.changes);
  } else {
    outcome.failure = no_file;
  }
  for (auto fact : task.facts) {
    outcome.case_id = run.plan.facts[fact].fact.case_id;
    edit.facts.push_back(outcome);
  }
  run.objects.put(task.key, to_bytes(edit));
}

}  // namespace onemask
