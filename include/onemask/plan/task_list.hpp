#pragma once

#include <onemask/plan/plan.hpp>
#include <onemask/schedule/task_graph.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace onemask {

/// How far a run goes. Each stage needs the earlier ones' tasks, too.
enum class Stage { edit, mask, evaluate, gather };

/// Kinds of tasks, in the order in which they feed each other.
enum class TaskKind : std::uint32_t {
  moments,
  null_space,
  edit,
  batch_edit,
  mask,
  evaluation,
  perplexity,
  masked_edit,
  masked_values,
  masked_solve,
  injection,
  tracing,
  analysis
};
constexpr std::size_t task_kinds = 13;
/// As in tables and messages: "second moments", "edits" …
std::array<std::string, task_kinds> const& kind_names();

/// Which of a plan's tasks it is: its index in the plan's list of its kind. All second moments are one task.
struct PlannedTask {
  TaskKind kind = TaskKind::edit;
  std::uint32_t index = 0;
};

/// The id of a task in the journal, e.g. "edit/0/17".
std::string task_id(Plan const& plan, PlannedTask task);
/// The kind that an id of the journal belongs to. Throws std::out_of_range.
TaskKind kind_of_id(std::string const& id);
/// The keys that are in the store when it is done.
std::vector<std::string> objects_of(Plan const& plan, PlannedTask task);
/// How much work it is, in units of its kind: tokens (second moments, perplexity), fact-steps (edits and values, also under
/// masks), facts (batch edits, also under masks), fact-epochs (masks), prompts under a condition (evaluation, injection,
/// analysis), samples of facts (tracing), layers (null spaces).
double units_of(Plan const& plan, Study const& study, PlannedTask task);

/// Seconds that a unit of work of each kind takes on one rank.
struct TaskRates {
  std::array<double, task_kinds> seconds{};
  std::array<std::size_t, task_kinds> measured{};  ///< tasks that it was measured on; 0: guessed
};

/// A study as a graph: what each task waits for and how long it is thought to take. Tasks with equal objects are one.
struct TaskList {
  TaskGraph graph;
  std::vector<PlannedTask> planned;  ///< of each task of the graph; of no meaning for joins
};

/// The tasks up to a stage.
TaskList make_task_list(Plan const& plan, Study const& study, TaskRates const& rates, Stage last);

}  // namespace onemask
