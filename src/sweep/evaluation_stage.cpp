#include "sweep/run_context.hpp"
#include <onemask/core/error.hpp>
#include <onemask/mask/baselines.hpp>
#include <onemask/mask/shared_mask.hpp>

#include <map>

namespace onemask {
namespace {

/// All conditions of one edit set, with their masks.
class ConditionMaker {
 public:
  ConditionMaker(RunContext const& run, std::size_t set) : run_(run), set_(set) {}

  std::vector<Condition> make() {
    std::vector<Condition> conditions;
    for (auto const& planned : run_.plan.conditions) {
      // Conditions of other sets keep their places but are not scored.
      if (planned.set != set_) continue;
      bool const edited = planned.kind != "original" && planned.kind != "original_masked";
      conditions.push_back({planned.name, edited, planned.mask < 0 ? at::Tensor() : mask(planned)});
    }
    return conditions;
  }

 private:
  at::Tensor mask(PlannedCondition const& planned) {
    auto const& task = run_.plan.masks[static_cast<std::size_t>(planned.mask)];
    auto const keep = trained(task).keep(task.options.threshold);
    if (planned.kind == "mask" || planned.kind == "original_masked") return keep;
    auto const zeros = keep.logical_not().sum().item<std::int64_t>();
    if (planned.kind == "random") return random_mask(keep.sizes(), zeros, task.seed);
    if (planned.kind == "magnitude") return largest_mask(weight().abs(), zeros);
    return largest_mask(mean_delta(), zeros);
  }

  SharedMask trained(MaskTask const& task) const {
    auto bytes = run_.objects.get(task.key);
    if (!bytes)
      throw RunError("The mask " + task.key +
                     " has vanished from the object store while the run goes on. Start the same command again.");
    return shared_mask_from_bytes(std::move(*bytes), "object " + task.key);
  }

  at::Tensor weight() const {
    return run_.model->projection(run_.plan.sets[set_].options.hparams.layer).weight.to(at::kCPU, at::kFloat);
  }

  at::Tensor mean_delta() {
    if (!mean_delta_.defined()) {
      std::vector<at::Tensor> lefts, rights;
      for (auto fact : run_.plan.facts_of(run_.study.train_split)) {
        auto const edit = run_.edit(run_.plan.sets[set_], fact);
        if (!edit.failure.empty()) continue;
        lefts.push_back(edit.left);
        rights.push_back(edit.right);
      }
      mean_delta_ = mean_delta_magnitude(at::stack(lefts), at::stack(rights));
    }
    return mean_delta_;
  }

  RunContext const& run_;
  std::size_t set_;
  at::Tensor mean_delta_;
};

void evaluate_batch(RunContext const& run, EvaluationTask const& task, std::vector<Condition> const& conditions) {
  auto const& set = run.plan.sets[task.set];
  std::vector<Edit> edits;
  for (auto fact = task.first; fact < task.first + task.count; ++fact) edits.push_back(run.edit(set, fact));
  std::vector<EvaluationFact> facts;
  for (std::size_t i = 0; i < task.count; ++i) {
    facts.push_back({static_cast<std::int64_t>(task.first + i), &run.plan.facts[task.first + i].fact,
                     edits[i].failure.empty() ? &edits[i] : nullptr});
  }
  EvaluationOptions const options{run.study.evaluation.paraphrases, run.study.peer_compatible, run.study.peer_compatible};
  run.objects.put(task.key, to_bytes(evaluate(*run.model, run.tokenizer, set.options.hparams.layer, facts, conditions, options)));
}

}  // namespace

void evaluation_stage(RunContext& run) {
  std::vector<TaskItem> items;
  for (auto const& task : run.plan.evaluations) {
    items.push_back({"evaluation/" + std::to_string(task.set) + "/" + std::to_string(task.first), {task.key}});
  }
  std::map<std::size_t, std::vector<Condition>> conditions;  // by set, made when this rank first needs them
  run_stage(run, "evaluation", items, [&](std::size_t index) {
    auto const& task = run.plan.evaluations[index];
    if (!conditions.contains(task.set)) conditions[task.set] = ConditionMaker(run, task.set).make();
    evaluate_batch(run, task, conditions[task.set]);
  });
}

}  // namespace onemask
