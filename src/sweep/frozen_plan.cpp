#include "sweep/frozen_plan.hpp"

#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/log.hpp>

#include <nlohmann/json.hpp>

namespace onemask {
namespace {

void write_plan(std::filesystem::path const& file, RunContext const& run, TaskList const& tasks) {
  std::filesystem::create_directories(file.parent_path());
  auto counts = nlohmann::ordered_json::object();
  for (auto const& name : kind_names()) counts[name] = 0;
  for (std::size_t t = 0; t < tasks.planned.size(); ++t) {
    if (tasks.is_gate(t)) continue;
    auto& count = counts[kind_names()[static_cast<std::size_t>(tasks.planned[t].kind)]];
    count = count.get<std::size_t>() + 1;
  }
  nlohmann::ordered_json const plan{{"id", run.plan.id},
                                    {"name", run.study.name},
                                    {"facts", run.plan.facts.size()},
                                    {"tasks", counts},
                                    {"execution", run.fingerprints.execution},
                                    {"study", run.study.resolved}};
  write_file_atomically(file, plan.dump(2) + "\n");
}

/// Whether a run has come to its tasks here: every rank then has a journal.
bool has_begun(std::filesystem::path const& folder) {
  std::error_code none;
  return std::filesystem::directory_iterator(folder / "journal", none) != std::filesystem::directory_iterator();
}

}  // namespace

void freeze_plan(RunContext const& run, TaskList const& tasks) {
  auto const& folder = run.options.folder;
  auto const file = folder / "plan.json";
  if (!std::filesystem::exists(file)) return write_plan(file, run, tasks);
  std::string id, execution;
  try {
    auto const frozen = nlohmann::json::parse(read_file(file));
    id = frozen.at("id").get<std::string>();
    execution = frozen.value("execution", run.fingerprints.execution);
  } catch (nlohmann::json::exception const&) {
    throw UserError("The plan " + file.string() + " is not a plan of onemask. Use another folder for --out.");
  }
  if (id == run.plan.id) return;
  bool const same_execution = execution == run.fingerprints.execution;
  auto const executions = "it is computed by '" + execution + "', this one by '" + run.fingerprints.execution + "'";
  if (!same_execution && !has_begun(folder)) {
    log_warning("The plan that was frozen in " + folder.string() + " is replaced, as no run has begun it: " + executions + ".");
    return write_plan(file, run, tasks);
  }
  throw UserError("The folder " + folder.string() + " holds a run of another study (plan " + id.substr(0, 12) + ", this one is " +
                  run.plan.id.substr(0, 12) + "): " + (same_execution ? "the study, its facts or its model differ" : executions) +
                  ". Use another folder for --out; finished edits and masks are found again when both runs name the same "
                  "--objects folder.");
}

}  // namespace onemask
