#include "sweep/run_context.hpp"
#include <onemask/core/error.hpp>
#include <onemask/edit/weight_delta.hpp>
#include <onemask/mask/baselines.hpp>
#include <onemask/mask/shared_mask.hpp>

#include <algorithm>
#include <map>
#include <memory>
#include <numeric>

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
      masked_layers_.push_back(planned.mask < 0 ? std::vector<int>() : task_of(planned).options.layers);
    }
    return conditions;
  }

  /// The same conditions for facts that share the edited model `key`.
  std::vector<Condition> with_shared_model(std::vector<Condition> conditions, std::string const& key) const {
    auto const edited =
        std::make_shared<std::map<int, at::Tensor> const>(edited_weights(*run_.model, run_.batch_edit(key)->deltas));
    for (std::size_t c = 0; c < conditions.size(); ++c) {
      auto& condition = conditions[c];
      if (!condition.edited && !condition.keep.defined()) continue;
      condition.shared = [this, edited, keep = condition.keep, is_edited = condition.edited, layers = masked_layers_[c]] {
        auto weights = is_edited ? *edited : std::map<int, at::Tensor>();
        return run_.model->with_projections(masked_projections(*run_.model, std::move(weights), layers, keep));
      };
    }
    return conditions;
  }

 private:
  MaskTask const& task_of(PlannedCondition const& planned) const {
    return run_.plan.masks[static_cast<std::size_t>(planned.mask)];
  }

  at::Tensor mask(PlannedCondition const& planned) {
    auto const& task = task_of(planned);
    auto const keep = run_.shared_mask(task).keep(task.options.threshold);
    if (planned.kind == "mask" || planned.kind == "original_masked") return keep;
    auto const zeros = keep.logical_not().sum().item<std::int64_t>();
    if (planned.kind == "random") return random_mask(keep.sizes(), zeros, task.seed);
    if (planned.kind == "magnitude") return largest_mask(weights(task.options.layers).abs(), zeros);
    return largest_mask(delta_magnitude(task.options.layers), zeros);
  }

  /// The layers' matrices below each other.
  at::Tensor weights(std::vector<int> const& layers) const {
    std::vector<at::Tensor> matrices;
    for (auto layer : layers) matrices.push_back(run_.model->projection(layer).weight.to(at::kCPU, at::kFloat));
    return at::cat(matrices);
  }

  /// Mean over the training facts of |ΔW|, like `weights`.
  at::Tensor delta_magnitude(std::vector<int> const& layers) {
    auto& magnitude = delta_magnitudes_[layers];
    if (magnitude.defined()) return magnitude;
    auto const training = run_.plan.facts_of(run_.study.train_split);
    if (is_batch()) {
      std::vector<at::Tensor> matrices;
      auto const edit = run_.batch_edit(run_.plan.sets[set_].keys[training.front()]);
      for (auto const& delta : edit->deltas) {
        if (std::find(layers.begin(), layers.end(), delta.layer) != layers.end()) matrices.push_back(delta.matrix().abs());
      }
      return magnitude = at::cat(matrices);
    }
    std::vector<at::Tensor> lefts, rights;
    for (auto const& [fact, edit] : edits_of(run_, set_, training)) {
      if (!edit.failure.empty()) continue;
      lefts.push_back(edit.left);
      rights.push_back(edit.right);
    }
    return magnitude = mean_delta_magnitude(at::stack(lefts), at::stack(rights));
  }

  bool is_batch() const { return edits_in_batches(run_.plan.sets[set_].options.hparams.method); }

  RunContext const& run_;
  std::size_t set_;
  std::vector<std::vector<int>> masked_layers_;  ///< of each condition
  std::map<std::vector<int>, at::Tensor> delta_magnitudes_;
};

/// The evaluation of one set on this rank: its conditions, made when first needed.
class Evaluator {
 public:
  Evaluator(RunContext const& run, std::size_t set)
      : run_(run), set_(run.plan.sets[set]), maker_(run, set), conditions_(maker_.make()) {}

  void run(EvaluationTask const& task) {
    std::vector<std::size_t> facts(task.count);
    std::iota(facts.begin(), facts.end(), task.first);
    auto const edits = edits_of(run_, task.set, facts);
    std::vector<PromptMetrics> rows;
    // Facts that share an edited model are scored together.
    for (std::size_t first = 0, last = 0; first < facts.size(); first = last) {
      auto const& key = set_.keys[facts[first]];
      bool const batch = edits_in_batches(set_.options.hparams.method);
      while (last < facts.size() && (!batch || set_.keys[facts[last]] == key)) ++last;
      std::vector<EvaluationFact> some;
      for (auto i = first; i < last; ++i) {
        some.push_back({static_cast<std::int64_t>(facts[i]), &run_.plan.facts[facts[i]].fact,
                        edits[i].second.failure.empty() ? &edits[i].second : nullptr});
      }
      auto const found = evaluate(*run_.model, run_.tokenizer, set_.options.hparams.layers.front(), some,
                                  batch ? shared_conditions(key) : conditions_, options());
      rows.insert(rows.end(), found.begin(), found.end());
    }
    run_.objects.put(task.key, to_bytes(rows));
  }

 private:
  std::vector<Condition> const& shared_conditions(std::string const& key) {
    if (key != shared_key_) {
      shared_ = maker_.with_shared_model(conditions_, key);
      shared_key_ = key;
    }
    return shared_;
  }

  EvaluationOptions options() const {
    return {.paraphrases = run_.study.evaluation.paraphrases,
            .neighborhood = run_.study.evaluation.neighborhood,
            .compare_texts = run_.study.peer_compatible,
            .leading_space = run_.study.peer_compatible};
  }

  RunContext const& run_;
  EditSet const& set_;
  ConditionMaker maker_;
  std::vector<Condition> conditions_;
  std::string shared_key_;
  std::vector<Condition> shared_;  ///< the conditions for facts of the edited model `shared_key_`
};

}  // namespace

void evaluation_stage(RunContext& run) {
  std::vector<TaskItem> items;
  for (auto const& task : run.plan.evaluations) {
    items.push_back({"evaluation/" + std::to_string(task.set) + "/" + std::to_string(task.first), {task.key}});
  }
  std::map<std::size_t, Evaluator> evaluators;  // by set
  run_stage(run, "evaluation", items, [&](std::size_t index) {
    auto const& task = run.plan.evaluations[index];
    evaluators.try_emplace(task.set, run, task.set).first->second.run(task);
  });
}

}  // namespace onemask
