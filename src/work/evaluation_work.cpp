#include "work/memory_setting.hpp"
#include "work/planned_masks.hpp"
#include "work/stored_results.hpp"
#include "work/task_work.hpp"
#include <onemask/edit/weight_delta.hpp>
#include <onemask/eval/metrics.hpp>
#include <onemask/mask/baselines.hpp>
#include <onemask/mask/shared_mask.hpp>

#include <algorithm>
#include <list>
#include <map>
#include <memory>
#include <optional>

namespace onemask {
namespace {

/// The conditions of one edit set, with their masks.
class ConditionMaker {
 public:
  ConditionMaker(WorkContext const& run, StoredResults& results, std::size_t set)
      : run_(run), results_(results), masks_(run, results), set_(set) {}

  /// Those of a mask (-1: of none), as Plan::conditions_of has them.
  std::vector<Condition> make(std::ptrdiff_t index) {
    std::vector<Condition> conditions;
    for (auto const place : run_.plan.conditions_of(set_, index)) {
      auto const& planned = run_.plan.conditions[place];
      Condition condition{planned.name, is_edited(planned.kind), masks_.mask(planned)};
      condition.cover = planned.cover;
      condition.patch = planned.patch;
      if (planned.baseline && planned.baseline->scope == BaselineScope::fact) {
        condition.own = own(planned);
      } else if (planned.baseline && planned.baseline->fill == Fill::original) {
        condition.cover = Cover::delta;
      }
      conditions.push_back(std::move(condition));
    }
    return conditions;
  }

  /// The same conditions for facts that share the edited model `key`.
  std::vector<Condition> with_shared_model(std::vector<Condition> conditions, std::ptrdiff_t mask, std::string const& key) {
    auto const& layers = run_.plan.masked_layers({{}, {}, set_, mask});
    if (edited_key_ != key) {
      edited_ = std::make_shared<std::map<int, at::Tensor> const>(edited_weights(run_.model, results_.batch_edit(key)->deltas));
      edited_key_ = key;
    }
    for (auto& condition : conditions) {
      if (condition.patch) {
        condition.shared_of = [this, edited = edited_, keep = condition.keep, cover = condition.cover,
                               layers](ConditionKind kind) {
          auto weights = *edited;
          if (kind == ConditionKind::mask) weights = masked_projections(run_.model, std::move(weights), layers, keep, cover);
          return run_.model.with_projections(std::move(weights));
        };
        continue;
      }
      if (!condition.edited && !condition.keep.defined()) continue;
      condition.shared = [this, edited = edited_, key, keep = condition.keep, cover = condition.cover, own = condition.own,
                          is_edited = condition.edited, layers] {
        auto weights = is_edited ? *edited : std::map<int, at::Tensor>();
        if (keep.defined()) weights = masked_projections(run_.model, std::move(weights), layers, keep, cover);
        for (auto& [layer, weight] : weights) {
          if (!own) continue;
          auto baseline = *own;
          if (baseline.what.score == BaselineScore::bottom_rank) baseline.spectrum = spectrum_of(key, weight);
          weight = changed_matrix(baseline, run_.model.projection(layer).weight, weight);
        }
        return run_.model.with_projections(std::move(weights));
      };
    }
    return conditions;
  }

 private:
  MaskTask const& task_of(PlannedCondition const& planned) const {
    return run_.plan.masks[static_cast<std::size_t>(planned.mask)];
  }

  /// Of an edited matrix that facts share; the last one is kept, for all numbers of components.
  std::shared_ptr<LayerSpectrum const> spectrum_of(std::string const& key, at::Tensor const& weight) {
    if (spectrum_key_ != key) spectrum_ = std::make_shared<LayerSpectrum const>(weight);
    spectrum_key_ = key;
    return spectrum_;
  }

  FactBaseline own(PlannedCondition const& planned) {
    auto const& baseline = *planned.baseline;
    FactBaseline own{baseline, pruned_entries(baseline, run_.plan.out, run_.plan.in, masks_.zeros_of_mask(planned)),
                     planned.mask < 0 ? 0 : task_of(planned).seed};
    if (baseline.score == BaselineScore::bottom_rank && !is_batch()) {
      auto const layer = run_.plan.masked_layers(planned).front();
      if (!spectrum_) spectrum_ = std::make_shared<LayerSpectrum const>(run_.model.projection(layer).weight);
      own.spectrum = spectrum_;
    }
    return own;
  }

  bool is_batch() const { return run_.plan.sets[set_].in_batches; }

  WorkContext const& run_;
  StoredResults& results_;
  PlannedMasks masks_;
  std::size_t set_;
  std::shared_ptr<LayerSpectrum const> spectrum_;  ///< of the unedited matrix, or of the one that `spectrum_key_` names
  std::string spectrum_key_;
  std::shared_ptr<std::map<int, at::Tensor> const> edited_;  ///< the matrices of the batch edit `edited_key_`
  std::string edited_key_;
};

/// Conditions of the masks used last, as many as fit into some memory; masks take one bit an entry, so that those of a curve
/// stay from one batch of facts to the next.
class ConditionCache {
 public:
  std::vector<Condition> get(std::ptrdiff_t mask, ConditionMaker& maker) {
    auto const found = std::find_if(entries_.begin(), entries_.end(), [&](auto const& entry) { return entry.mask == mask; });
    if (found != entries_.end()) {
      entries_.splice(entries_.begin(), entries_, found);
      auto conditions = found->conditions;
      for (auto& condition : conditions) {
        if (condition.keep.defined()) condition.keep = unpacked_bits(condition.keep, found->shape);
      }
      return conditions;
    }
    auto conditions = maker.make(mask);
    auto& entry = entries_.emplace_front(Entry{mask, conditions, {}});
    for (auto& condition : entry.conditions) {
      if (!condition.keep.defined()) continue;
      entry.shape = condition.keep.sizes().vec();
      condition.keep = packed_bits(condition.keep);
    }
    drop_oldest();
    return conditions;
  }

 private:
  struct Entry {
    std::ptrdiff_t mask;
    std::vector<Condition> conditions;  ///< whose masks are packed
    std::vector<std::int64_t> shape;    ///< of all of them
  };

  void drop_oldest() {
    std::int64_t bytes = 0;
    for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
      for (auto const& condition : entry->conditions) bytes += condition.keep.defined() ? condition.keep.numel() : 0;
      if (bytes <= most_bytes || entry == entries_.begin()) continue;
      entries_.erase(entry, entries_.end());
      return;
    }
  }

  static constexpr std::int64_t most_bytes = std::int64_t{1} << 29;
  std::list<Entry> entries_;
};

class EvaluationWork : public TaskWork {
 public:
  explicit EvaluationWork(WorkContext const& context) : run_(context), results_(context.objects, context.plan) {}

  bool run(PlannedTask planned, TaskContext const&) override {
    auto const& task = run_.plan.evaluations[planned.index];
    with_memory_set_by("evaluation.batch", [&] { score(task); });
    return true;
  }

 private:
  void score(EvaluationTask const& task) {
    if (!maker_ || set_ != task.set) {
      facts_.clear();
      conditions_ = {};
      maker_.emplace(run_, results_, task.set);
      set_ = task.set;
    }
    if (facts_.empty() || first_ != task.first) prepare(task);
    auto const conditions = conditions_.get(task.mask, *maker_);
    bool const batch = run_.plan.sets[set_].in_batches;
    std::vector<PromptMetrics> rows;
    for (auto const& [key, scorer] : facts_) {
      auto const found = scorer.score(batch ? maker_->with_shared_model(conditions, task.mask, key) : conditions);
      rows.insert(rows.end(), found.begin(), found.end());
    }
    if (task.mask >= 0) {
      auto const& mask = run_.plan.masks[static_cast<std::size_t>(task.mask)];
      std::erase_if(rows, [&](auto const& row) { return !is_scored(mask, task.first + static_cast<std::size_t>(row.fact)); });
    }
    run_.objects.put(task.key, to_bytes(rows));
  }

  /// Facts that share an edited model are scored together.
  void prepare(EvaluationTask const& task) {
    facts_.clear();
    auto const& set = run_.plan.sets[task.set];
    bool const batch = set.in_batches;
    std::vector<std::size_t> facts;
    for (std::size_t f = task.first; f < task.first + task.count; ++f) facts.push_back(f);
    auto const edits = results_.edits_of(task.set, facts);
    for (std::size_t first = 0, last = 0; first < facts.size(); first = last) {
      auto const& key = set.keys[facts[first]];
      while (last < facts.size() && (!batch || set.keys[facts[last]] == key)) ++last;
      std::vector<EvaluationFact> some;
      for (auto i = first; i < last; ++i) {
        some.push_back({static_cast<std::int64_t>(i), &run_.plan.facts[facts[i]].fact,
                        edits[i].second.failure.empty() ? &edits[i].second : nullptr});
      }
      facts_.emplace_back(key, FactScorer(run_.model, run_.tokenizer, set.options.hparams.layers.front(), some, options()));
    }
    first_ = task.first;
  }

  EvaluationOptions options() const {
    return {.kinds = run_.study.evaluation.kinds(),
            .token_accuracy = run_.study.evaluation.scores_tokens(),
            .generate = run_.study.evaluation.generate,
            .entropy = run_.study.evaluation.entropy,
            .compare_texts = run_.study.peer_compatible,
            .leading_space = run_.study.peer_compatible};
  }

  WorkContext const& run_;
  StoredResults results_;
  std::optional<ConditionMaker> maker_;  ///< of the set `set_`
  ConditionCache conditions_;
  std::size_t set_ = 0, first_ = 0;
  std::vector<std::pair<std::string, FactScorer>> facts_;  ///< from `first_` on, by the edited model that they share
};

}  // namespace

std::unique_ptr<TaskWork> make_evaluation_work(WorkContext const& context) {
  return std::make_unique<EvaluationWork>(context);
}

}  // namespace onemask
