#include "work/task_work.hpp"
#include <onemask/work/done_tasks.hpp>
#include <onemask/work/planned_work.hpp>

#include <exception>

#include <ATen/ATen.h>

namespace onemask {
namespace {

class PlannedWork : public TaskRunner {
 public:
  PlannedWork(WorkContext const& context, TaskList const& tasks) : context_(context), tasks_(tasks) {}

  bool is_done(std::size_t task) const override {
    return are_stored(objects_of(context_.plan, tasks_.planned.at(task)), context_.objects);
  }

  bool run(std::size_t task, TaskContext const& context) override {
    auto const planned = tasks_.planned.at(task);
    return work_of(planned.kind).run(planned, context);
  }

  JournalRecord record(std::size_t task) const override {
    auto const planned = tasks_.planned.at(task);
    auto const objects = objects_of(context_.plan, planned);
    return {.task = task_id(context_.plan, planned),
            .object = objects.size() == 1 ? objects.front() : "",
            .units = units_of(context_.plan, context_.study, planned)};
  }

  void drop_caches() override { work_.reset(); }

  bool is_fit() const override {
    try {
      auto const two = at::ones({2}, at::TensorOptions().device(context_.model.device()));
      return two.sum().item<double>() == 2;
    } catch (std::exception const&) {
      return false;
    }
  }

 private:
  TaskWork& work_of(TaskKind kind) {
    // One kind's caches at a time: they can be large.
    auto const of_edits = [](TaskKind k) {
      return k < TaskKind::mask || (k >= TaskKind::masked_edit && k < TaskKind::injection);
    };
    if (work_ && (kind == kind_ || (of_edits(kind) && of_edits(kind_)))) return *work_;
    work_.reset();
    if (of_edits(kind)) work_ = make_edit_work(context_);
    if (kind == TaskKind::mask) work_ = make_mask_work(context_);
    if (kind == TaskKind::evaluation) work_ = make_evaluation_work(context_);
    if (kind == TaskKind::perplexity) work_ = make_perplexity_work(context_);
    if (kind == TaskKind::injection) work_ = make_injection_work(context_);
    if (kind == TaskKind::tracing) work_ = make_tracing_work(context_);
    if (kind == TaskKind::analysis) work_ = make_analysis_work(context_);
    kind_ = kind;
    return *work_;
  }

  WorkContext context_;
  TaskList const& tasks_;
  std::unique_ptr<TaskWork> work_;
  TaskKind kind_ = TaskKind::edit;
};

}  // namespace

std::unique_ptr<TaskRunner> make_planned_work(WorkContext const& context, TaskList const& tasks) {
  return std::make_unique<PlannedWork>(context, tasks);
}

}  // namespace onemask
