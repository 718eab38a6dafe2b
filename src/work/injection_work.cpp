#include "work/injected_model.hpp"
#include "work/masked_model.hpp"
#include "work/memory_setting.hpp"
#include "work/planned_masks.hpp"
#include "work/stored_results.hpp"
#include "work/task_work.hpp"
#include <onemask/edit/adaptive_edit.hpp>
#include <onemask/eval/injection_scores.hpp>

#include <algorithm>
#include <memory>
#include <vector>

namespace onemask {
namespace {

class InjectionWork : public TaskWork {
 public:
  explicit InjectionWork(WorkContext const& context)
      : run_(context), results_(context.objects, context.plan), masks_(run_, results_) {}

  bool run(PlannedTask planned, TaskContext const&) override {
    auto const& task = run_.plan.injections[planned.index];
    with_memory_set_by("edit.batch", [&] {
      run_.objects.put(task.key, to_bytes(task.in_one_model ? in_one_model(task)
                                          : task.sequential ? in_sequence(planned.index)
                                                            : each_by_itself(planned.index)));
    });
    return true;
  }

 private:
  RewritePrompts prompts_of(InjectionTask const& task, std::vector<std::size_t> const& some) const {
    std::vector<Fact const*> facts;
    for (auto fact : some) facts.push_back(&run_.plan.facts[fact].fact);
    return {run_.model, run_.tokenizer, run_.plan.sets[task.set].options.hparams.layers.front(), facts,
            run_.study.peer_compatible};
  }

  std::vector<InjectionScore> each_by_itself(std::size_t index) {
    auto const& task = run_.plan.injections[index];
    auto const keep = masks_.mask(task.under);
    auto const prompts = prompts_of(task, task.facts);
    auto const usual = results_.edits(task.edits), adaptive = results_.edits(task.adaptive_edits);
    auto const norms = update_norms(usual), adaptive_norms = update_norms(adaptive, keep);
    auto const score = [&](InjectionVariant variant) {
      switch (variant) {
        case InjectionVariant::unedited:
          return prompts.score(InjectedModel(run_, results_, index, keep).model());
        case InjectionVariant::inject:
          return prompts.score(usual, norms, keep);
        case InjectionVariant::adaptive:
          return prompts.score(adaptive, adaptive_norms, keep);
        case InjectionVariant::edit:
        case InjectionVariant::off:
          break;
      }
      return prompts.score(usual, norms, {});
    };
    std::vector<InjectionScore> rows;
    for (std::size_t v = 0; v < task.variants.size(); ++v) {
      for (auto row : score(task.variants[v])) {
        row.variant = static_cast<std::int64_t>(v);
        rows.push_back(row);
      }
    }
    return rows;
  }

  /// Facts that share their models.
  std::vector<InjectionScore> in_one_model(InjectionTask const& task) {
    auto const keep = masks_.mask(task.under);
    auto const layers = masks_.layers(task.under);
    auto const prompts = prompts_of(task, task.facts);
    std::vector<InjectionScore> rows;
    for (std::size_t v = 0; v < task.variants.size(); ++v) {
      auto const variant = task.variants[v];
      std::shared_ptr<BatchEdit const> edit;
      if (variant != InjectionVariant::unedited)
        edit = results_.batch_edit((variant == InjectionVariant::adaptive ? task.adaptive_edits : task.edits).front());
      bool const masked = variant != InjectionVariant::off;
      auto const norm = edit ? frobenius_norm(edit->deltas) : 0;
      for (auto row : prompts.score(*masked_model(run_.model, edit.get(), layers, masked ? keep : at::Tensor()))) {
        auto const case_id = run_.plan.facts[task.facts[static_cast<std::size_t>(row.fact)]].fact.case_id;
        if (edit && !is_in(*edit, case_id)) continue;
        row.variant = static_cast<std::int64_t>(v);
        row.update_norm = norm;
        rows.push_back(row);
      }
    }
    return rows;
  }

  /// Whether the fact was written into the model.
  static bool is_in(BatchEdit const& edit, std::int64_t case_id) {
    return std::any_of(edit.facts.begin(), edit.facts.end(),
                       [&](auto const& fact) { return fact.case_id == case_id && fact.failure.empty(); });
  }

  /// Each fact in the model that carries the edits before its own and that one.
  std::vector<InjectionScore> in_sequence(std::size_t index) {
    auto const& task = run_.plan.injections[index];
    InjectedModel injected(run_, results_, index, masks_.mask(task.under));
    auto const edits = results_.edits(task.edits);
    auto const norms = update_norms(edits);
    std::vector<InjectionScore> rows;
    for (std::size_t i = 0; i < edits.size(); ++i) {
      if (!edits[i].failure.empty()) continue;
      injected.add(edits[i]);
      auto row = prompts_of(task, {task.facts[i]}).score(injected.model()).front();
      row.fact = static_cast<std::int64_t>(i);
      row.update_norm = norms[i];
      rows.push_back(row);
    }
    return rows;
  }

  WorkContext const& run_;
  StoredResults results_;
  PlannedMasks masks_;
};

}  // namespace

std::unique_ptr<TaskWork> make_injection_work(WorkContext const& context) {
  return std::make_unique<InjectionWork>(context);
}

}  // namespace onemask
