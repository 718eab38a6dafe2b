#include "sweep/run_context.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/log.hpp>
#include <onemask/edit/batch_solve.hpp>
#include <onemask/edit/fine_tune.hpp>
#include <onemask/edit/fit_memory.hpp>
#include <onemask/edit/rome.hpp>
#include <onemask/model/safetensors.hpp>
#include <onemask/sweep/moments.hpp>

#include <map>
#include <memory>

namespace onemask {
namespace {

std::string matrix_bytes(at::Tensor const& matrix) {
  return write_safetensors({{"matrix", matrix}}, {});
}

at::Tensor matrix_from_bytes(std::string bytes, std::string const& source) {
  auto const matrix = SafetensorsFile::parse(std::move(bytes), source).tensor("matrix");
  if (matrix.dim() != 2) throw UserError(source + " does not hold a matrix. Delete it; it will be made again.");
  return matrix;
}

/// What this rank's edits of a stage share.
class Editor {
 public:
  explicit Editor(RunContext const& run) : run_(run) {
    for (auto const& task : run.plan.edits) unit_facts_[task.key] = task.facts;
  }

  void make_null_space(NullSpaceTask const& task) const {
    run_.objects.put(task.key, matrix_bytes(KeyBasis::null_space(second_moment(task.layer), task.threshold)));
  }

  void search(EditTask const& task) {
    auto const& set = run_.plan.sets[task.set];
    auto const& hparams = set.options.hparams;
    auto const requests = requests_of(task.facts, set);
    if (task.key.empty()) {
      auto const* basis = needs_moments(hparams) ? &this->basis(hparams, hparams.layer()) : nullptr;
      auto const results =
          in_parts_that_fit<RomeResult>(requests, [&](auto const& some) { return rome(*run_.model, some, hparams, basis); });
      for (std::size_t i = 0; i < results.size(); ++i) {
        warn(results[i].edit);
        run_.objects.put(set.keys[task.facts[i]], to_bytes(results[i].edit));
      }
      return;
    }
    auto const& model = carrying(task.previous);
    // Facts of one subject share a value, so they are not torn apart.
    auto const values = hparams.method == EditMethod::memit_merge
                            ? find_target_values(model, requests, hparams)
                            : joined(in_parts_that_fit<TargetValues>(requests, [&](auto const& some) {
                                return std::vector<TargetValues>{find_target_values(model, some, hparams)};
                              }));
    for (auto const& fact : values.facts) warn(fact);
    run_.objects.put(task.key, to_bytes(values));
  }

  void solve(SolveTask const& task) {
    auto const& set = run_.plan.sets[task.set];
    auto const& hparams = set.options.hparams;
    auto const requests = requests_of(task.facts, set);
    auto const& model = carrying(task.previous);
    auto const* previous = task.previous.empty() ? nullptr : previous_.get();
    if (hparams.method == EditMethod::ft_l) {
      auto const edit = fine_tune(model, requests, hparams, previous);
      for (auto const& fact : edit.facts) warn(fact);
      run_.objects.put(task.key, to_bytes(edit));
      return;
    }
    std::map<int, KeyBasis> bases;
    for (auto layer : hparams.layers) bases.emplace(layer, basis(hparams, layer));
    run_.objects.put(task.key, to_bytes(solve_batch(model, requests, values_of(task), hparams, bases, previous)));
  }

 private:
  static void warn(EditOutcome const& fact) {
    if (!fact.failure.empty())
      log_warning("The fact with case_id " + std::to_string(fact.case_id) + " is set aside: " + fact.failure + ".");
  }

  /// The values of the task's facts, out of the units that they were searched in.
  TargetValues values_of(SolveTask const& task) const {
    std::vector<TargetValues> units;
    std::map<std::size_t, std::size_t> place;  // of each fact in all units together
    std::size_t count = 0;
    for (auto const& key : task.values) {
      units.push_back(target_values_from_bytes(run_.need(key, "values"), "object " + key));
      for (auto fact : unit_facts_.at(key)) place[fact] = count++;
    }
    auto const all = joined(units);
    TargetValues result{{}, {}, all.values};
    for (auto fact : task.facts) {
      result.facts.push_back(all.facts.at(place.at(fact)));
      result.value_of.push_back(all.value_of.at(place.at(fact)));
    }
    return result;
  }

  std::vector<EditRequest> requests_of(std::vector<std::size_t> const& facts, EditSet const& set) const {
    std::vector<EditRequest> requests;
    for (auto fact : facts) {
      requests.push_back(make_edit_request(run_.tokenizer, run_.plan.facts[fact].fact, set.templates, set.options.hparams,
                                           run_.model->config().positions));
    }
    return requests;
  }

  SecondMoment second_moment(int layer) const {
    return load_moment(run_.objects, run_.plan.moments.at(layer), layer, run_.model->config().inner);
  }

  /// Factorised once per layer, for all batches and weights.
  KeyBasis const& basis(EditHparams const& hparams, int layer) {
    auto const moment = run_.plan.moments.at(layer);
    bool const null_space = hparams.method == EditMethod::alphaedit;
    auto const key = null_space ? null_space_key(moment, hparams.nullspace_threshold) : moment;
    auto const found = bases_.find(key);
    if (found != bases_.end()) return found->second;
    if (null_space)
      return bases_.emplace(key, KeyBasis::of_null_space(matrix_from_bytes(run_.need(key, "null space"), "object " + key)))
          .first->second;
    return bases_.emplace(key, KeyBasis::of_moment(second_moment(layer))).first->second;
  }

  /// The model with a batch edit written into it; the plain one where there is none.
  CausalLM const& carrying(std::string const& batch) {
    if (batch.empty()) return *run_.model;
    if (batch != carried_) {
      previous_ = run_.batch_edit(batch);
      edited_ = run_.model->with_projections(edited_weights(*run_.model, previous_->deltas));
      carried_ = batch;
    }
    return *edited_;
  }

  RunContext const& run_;
  std::map<std::string, std::vector<std::size_t>> unit_facts_;  ///< by object of values
  std::map<std::string, KeyBasis> bases_;                       ///< by object
  std::string carried_;
  std::shared_ptr<BatchEdit const> previous_;
  std::unique_ptr<CausalLM> edited_;
};

/// The tasks of one round, and their places in the plan.
template <typename Task>
std::vector<std::size_t> in_round(std::vector<Task> const& tasks, std::size_t round) {
  std::vector<std::size_t> places;
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    if (tasks[t].round == round) places.push_back(t);
  }
  return places;
}

TaskItem search_item(Plan const& plan, std::size_t place) {
  auto const& task = plan.edits[place];
  TaskItem item{"edit/" + std::to_string(task.set) + "/" + std::to_string(task.facts.front()), {}};
  if (!task.key.empty()) return {item.id, {task.key}};
  for (auto fact : task.facts) item.objects.push_back(plan.sets[task.set].keys[fact]);
  return item;
}

TaskItem solve_item(Plan const& plan, std::size_t place) {
  auto const& task = plan.solves[place];
  return {"solve/" + std::to_string(task.set) + "/" + std::to_string(task.facts.front()), {task.key}};
}

}  // namespace

void edit_stage(RunContext& run) {
  auto const& plan = run.plan;
  Editor editor(run);
  if (!plan.moments.empty()) {
    std::vector<int> layers;
    std::vector<TaskItem> items;
    for (auto const& [layer, key] : plan.moments) {
      layers.push_back(layer);
      items.push_back({"moment/" + std::to_string(layer), {key}});
    }
    auto const pending = pending_tasks(run, items);
    record_stage(run, "second moments", items.size(), items.size() - pending.size(), [&] {
      if (pending.empty()) return;
      make_moments(run.world, *run.model, run.tokenizer, run.study.moments, layers, run.objects,
                   run.options.folder / "checkpoints", run.fingerprints);
    });
  }
  if (!plan.null_spaces.empty()) {
    std::vector<TaskItem> items;
    for (auto const& task : plan.null_spaces) items.push_back({"null space/" + std::to_string(task.layer), {task.key}});
    run_stage(run, "null spaces", items, [&](std::size_t task) { editor.make_null_space(plan.null_spaces[task]); });
  }
  for (std::size_t round = 0; round < plan.rounds; ++round) {
    auto const searches = in_round(plan.edits, round), solves = in_round(plan.solves, round);
    std::vector<TaskItem> search_items, solve_items;
    for (auto place : searches) search_items.push_back(search_item(plan, place));
    for (auto place : solves) solve_items.push_back(solve_item(plan, place));
    if (!searches.empty()) run_stage(run, "edits", search_items, [&](std::size_t i) { editor.search(plan.edits[searches[i]]); });
    if (!solves.empty()) run_stage(run, "batch edits", solve_items, [&](std::size_t i) { editor.solve(plan.solves[solves[i]]); });
  }
}

}  // namespace onemask
