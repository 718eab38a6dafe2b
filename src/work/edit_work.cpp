#include "work/import_edits.hpp"
#include "work/injected_model.hpp"
#include "work/masked_model.hpp"
#include "work/planned_masks.hpp"
#include "work/stored_results.hpp"
#include "work/task_work.hpp"
#include <onemask/checkpoint/safetensors.hpp>
#include <onemask/core/error.hpp>
#include <onemask/core/log.hpp>
#include <onemask/edit/adaptive_edit.hpp>
#include <onemask/edit/batch_solve.hpp>
#include <onemask/edit/fine_tune.hpp>
#include <onemask/edit/fit_memory.hpp>
#include <onemask/edit/rome.hpp>
#include <onemask/moments/moments.hpp>

#include <algorithm>
#include <map>
#include <memory>

#include <fmt/core.h>

namespace onemask {
namespace {

std::string matrix_bytes(at::Tensor const& matrix) {
  return write_safetensors({{"matrix", matrix}}, {});
}

at::Tensor matrix_from_bytes(std::string bytes, std::string const& source) {
  auto const matrix = SafetensorsFile::parse(std::move(bytes), source).tensor("matrix");
  if (matrix.dim() != 2) throw UserError(source + " does not contain a matrix. Delete it; it will be computed again.");
  return matrix;
}

class EditWork : public TaskWork {
 public:
  explicit EditWork(WorkContext const& context) : run_(context), results_(context.objects, context.plan), masks_(run_, results_) {
    for (auto const& task : context.plan.edits) unit_facts_[task.key] = task.facts;
    for (auto const& task : context.plan.masked_values) unit_facts_[task.key] = task.facts;
  }

  bool run(PlannedTask task, TaskContext const& context) override {
    auto const& plan = run_.plan;
    if (task.kind == TaskKind::moments) return make_moments_of_plan(context);
    if (task.kind == TaskKind::null_space) make_null_space(plan.null_spaces[task.index]);
    if (task.kind == TaskKind::edit) search(plan.edits[task.index]);
    if (task.kind == TaskKind::batch_edit) solve(plan.solves[task.index]);
    if (task.kind == TaskKind::masked_edit) search_under_mask(task.index);
    if (task.kind == TaskKind::masked_values) search_under_mask(plan.masked_values[task.index]);
    if (task.kind == TaskKind::masked_solve) solve_under_mask(plan.masked_solves[task.index]);
    return true;
  }

 private:
  bool make_moments_of_plan(TaskContext const& context) const {
    std::vector<int> layers;
    for (auto const& [layer, key] : run_.plan.moments) layers.push_back(layer);
    try {
      make_moments(context.group, run_.model, run_.tokenizer, run_.study.moments, layers, run_.objects, run_.checkpoints,
                   run_.fingerprints, context.stopped, context.progress, context.resumes, context.sums_through);
    } catch (Interrupted const&) {
      return false;
    }
    return true;
  }

  void make_null_space(NullSpaceTask const& task) const {
    run_.objects.put(task.key, matrix_bytes(KeyBasis::null_space(second_moment(task.layer), task.threshold)));
  }

  void search(EditTask const& task) {
    auto const& set = run_.plan.sets[task.set];
    if (set.options.hparams.method == EditMethod::imported) return import_edits(run_, task);
    auto const& hparams = set.options.hparams;
    auto const requests = requests_of(task.facts, set);
    if (task.key.empty()) {
      auto const results = edited_in(run_.model, requests, hparams);
      for (std::size_t i = 0; i < results.size(); ++i) run_.objects.put(set.keys[task.facts[i]], to_bytes(results[i].edit));
      return;
    }
    put_values(carrying(task.previous), requests, hparams, task.key);
  }

  void put_values(CausalLM const& model, std::span<EditRequest const> requests, EditHparams const& hparams,
                  std::string const& key) const {
    // Facts of one subject share a value, so they are not torn apart.
    auto const values = hparams.method == EditMethod::memit_merge
                            ? find_target_values(model, requests, hparams)
                            : joined(in_parts_that_fit<TargetValues>(requests, [&](auto const& some) {
                                return std::vector<TargetValues>{find_target_values(model, some, hparams)};
                              }));
    for (auto const& fact : values.facts) warn(fact);
    run_.objects.put(key, to_bytes(values));
  }

  std::unique_ptr<CausalLM> model_under(InjectedMask const& under) {
    return masked_model(run_.model, nullptr, masks_.layers(under), masks_.mask(under));
  }

  void search_under_mask(MaskedValuesTask const& task) {
    auto const& set = run_.plan.sets[task.set];
    put_values(*model_under(task.under), requests_of(task.facts, set), set.options.hparams, task.key);
  }

  void solve_under_mask(MaskedSolveTask const& task) {
    auto const& set = run_.plan.sets[task.set];
    auto const& hparams = set.options.hparams;
    auto const layers = masks_.layers(task.under);
    auto const parts = masks_.mask(task.under).chunk(std::ssize(layers), 0);
    SolveMask mask{{}, task.adaptive};
    for (std::size_t i = 0; i < layers.size(); ++i) mask.keep[layers[i]] = parts[i];
    auto const edit = solve_batch(*model_under(task.under), requests_of(task.facts, set), values_of(task.facts, task.values),
                                  hparams, bases_of(hparams), nullptr, nullptr, &mask);
    run_.objects.put(task.key, to_bytes(edit));
  }

  /// Edits each fact by itself.
  std::vector<RomeResult> edited_in(CausalLM const& model, std::span<EditRequest const> requests, EditHparams const& hparams) {
    auto const* basis = needs_moments(hparams) ? &this->basis(hparams, hparams.layer()) : nullptr;
    auto results = in_parts_that_fit<RomeResult>(requests, [&](auto const& some) { return rome(model, some, hparams, basis); });
    for (auto const& result : results) warn(result.edit);
    return results;
  }

  void search_under_mask(std::size_t index) {
    auto const& task = run_.plan.injections[index];
    auto const& set = run_.plan.sets[task.set];
    auto const& hparams = set.options.hparams;
    auto const keep = masks_.mask(task.under);
    auto const requests = requests_of(task.facts, set);
    InjectedModel injected(run_, results_, index, keep);
    std::vector<RomeResult> results;
    if (task.sequential) {
      for (auto const& request : requests) {
        results.push_back(edited_in(injected.model(), {&request, 1}, hparams).front());
        injected.add(results.back().edit);
      }
    } else {
      results = edited_in(injected.model(), requests, hparams);
    }
    for (std::size_t i = 0; i < task.edits.size(); ++i) run_.objects.put(task.edits[i], to_bytes(results[i].edit));
    if (task.adaptive_edits.empty()) return;
    auto const adaptive = adaptive_edits(results, keep);
    for (std::size_t i = 0; i < adaptive.size(); ++i) run_.objects.put(task.adaptive_edits[i], to_bytes(adaptive[i]));
  }

  void solve(SolveTask const& task) {
    auto const& set = run_.plan.sets[task.set];
    if (set.options.hparams.method == EditMethod::imported) return import_model(run_, task);
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
    auto const edit = solve_batch(model, requests, values_of(task.facts, task.values), hparams, bases_of(hparams), previous);
    run_.objects.put(task.key, to_bytes(edit));
  }

  std::map<int, KeyBasis> bases_of(EditHparams const& hparams) {
    std::map<int, KeyBasis> bases;
    for (auto layer : hparams.layers) bases.emplace(layer, basis(hparams, layer));
    return bases;
  }

  static void warn(EditOutcome const& fact) {
    if (!fact.failure.empty())
      log_warning(fmt::format("The fact with case_id {} is not edited: {}.", fact.case_id, fact.failure));
  }

  /// The values of a solve's facts, out of the objects of the units that they were searched in.
  TargetValues values_of(std::vector<std::size_t> const& facts, std::vector<std::string> const& keys) const {
    std::vector<TargetValues> units;
    std::map<std::size_t, std::size_t> place;  // of each fact in all units together
    std::size_t count = 0;
    for (auto const& key : keys) {
      units.push_back(target_values_from_bytes(results_.bytes(key, "values"), "object " + key));
      for (auto fact : unit_facts_.at(key)) place[fact] = count++;
    }
    auto const all = joined(units);
    TargetValues result{{}, {}, all.values};
    for (auto fact : facts) {
      result.facts.push_back(all.facts.at(place.at(fact)));
      result.value_of.push_back(all.value_of.at(place.at(fact)));
    }
    return result;
  }

  std::vector<EditRequest> requests_of(std::vector<std::size_t> const& facts, EditSet const& set) const {
    std::vector<EditRequest> requests;
    for (auto fact : facts) {
      requests.push_back(make_edit_request(run_.tokenizer, run_.plan.facts[fact].fact, set.templates, set.options.hparams,
                                           run_.model.config().positions));
    }
    return requests;
  }

  SecondMoment second_moment(int layer) const {
    return load_moment(run_.objects, run_.plan.moments.at(layer), layer, run_.model.config().inner);
  }

  /// Factorised once per layer, for all batches and weights, as long as memory allows. Holds until the next call.
  KeyBasis const& basis(EditHparams const& hparams, int layer) {
    auto const moment = run_.plan.moments.at(layer);
    bool const null_space = hparams.method == EditMethod::alphaedit;
    auto const key = null_space ? null_space_key(moment, hparams.nullspace_threshold) : moment;
    auto const found = bases_.find(key);
    if (found != bases_.end()) return found->second;
    auto const inner = static_cast<double>(run_.model.config().inner);
    auto const most = std::max(hparams.layers.size(), static_cast<std::size_t>(most_bytes / (sizeof(double) * inner * inner)));
    if (bases_.size() >= most) bases_.clear();
    if (null_space)
      return bases_.emplace(key, KeyBasis::of_null_space(matrix_from_bytes(results_.bytes(key, "null space"), "object " + key)))
          .first->second;
    return bases_.emplace(key, KeyBasis::of_moment(second_moment(layer))).first->second;
  }

  /// The model with a batch edit written into it; the plain one where there is none.
  CausalLM const& carrying(std::string const& batch) {
    if (batch.empty()) return run_.model;
    if (batch != carried_) {
      previous_ = results_.batch_edit(batch);
      edited_ = run_.model.with_projections(edited_weights(run_.model, previous_->deltas));
      carried_ = batch;
    }
    return *edited_;
  }

  static constexpr double most_bytes = 4e9;  // of bases

  WorkContext const& run_;
  StoredResults results_;
  PlannedMasks masks_;
  std::map<std::string, std::vector<std::size_t>> unit_facts_;  ///< by object of values
  std::map<std::string, KeyBasis> bases_;                       ///< by object
  std::string carried_;
  std::shared_ptr<BatchEdit const> previous_;
  std::unique_ptr<CausalLM> edited_;
};

}  // namespace

std::unique_ptr<TaskWork> make_edit_work(WorkContext const& context) {
  return std::make_unique<EditWork>(context);
}

}  // namespace onemask
