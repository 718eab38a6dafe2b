#include "work/memory_setting.hpp"
#include "work/task_work.hpp"
#include <onemask/analysis/causal_trace.hpp>

#include <optional>
#include <vector>

namespace onemask {
namespace {

class TracingWork : public TaskWork {
 public:
  explicit TracingWork(WorkContext const& context) : run_(context) {}

  bool run(PlannedTask planned, TaskContext const&) override {
    auto const& task = run_.plan.tracings[planned.index];
    auto const& options = *run_.study.tracing;
    with_remedy_for_memory("Set tracing.rows or tracing.batch to a smaller number.", [&] {
      if (!trace_ || facts_ != task.facts) prepare(task.facts);
      run_.objects.put(task.key, to_bytes(trace_->trace(task.kind, window_of(options, run_.plan.layers), options.rows)));
    });
    return true;
  }

 private:
  std::vector<TracePrompt> prompts_of(std::vector<std::size_t> const& facts) const {
    std::vector<TracePrompt> prompts;
    for (auto const fact : facts)
      prompts.push_back(make_trace_prompt(run_.tokenizer, run_.plan.facts[fact].fact, run_.model.config().positions));
    return prompts;
  }

  /// Runs the facts, unless they are those of the last task, which restored another kind of state.
  void prepare(std::vector<std::size_t> const& facts) {
    trace_.reset();
    auto const& options = *run_.study.tracing;
    if (!deviation_) deviation_ = subject_deviation(run_.model, prompts_of(run_.plan.traced));
    trace_.emplace(run_.model, prompts_of(facts), TraceNoise{options.seed, options.samples, options.noise * *deviation_});
    facts_ = facts;
  }

  WorkContext const& run_;
  std::optional<double> deviation_;  ///< of the subjects' embeddings
  std::optional<CausalTrace> trace_;
  std::vector<std::size_t> facts_;  ///< that it is of
};

}  // namespace

std::unique_ptr<TaskWork> make_tracing_work(WorkContext const& context) {
  return std::make_unique<TracingWork>(context);
}

}  // namespace onemask
