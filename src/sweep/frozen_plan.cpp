#include "sweep/frozen_plan.hpp"

#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>
#include <onemask/core/log.hpp>
#include <onemask/core/posix_file.hpp>
#include <onemask/core/text.hpp>
#include <onemask/store/run_folder.hpp>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace onemask {
namespace {

void write_plan(std::filesystem::path const& file, Study const& study, OpenRun const& run, TaskList const& tasks) {
  make_folder(file.parent_path());
  auto counts = nlohmann::ordered_json::object();
  for (auto const& name : kind_names()) counts[name] = 0;
  for (std::size_t t = 0; t < tasks.planned.size(); ++t) {
    if (tasks.graph.is_join(t)) continue;
    auto& count = counts[kind_names()[static_cast<std::size_t>(tasks.planned[t].kind)]];
    count = count.get<std::size_t>() + 1;
  }
  nlohmann::ordered_json const plan{{"id", run.plan.id},
                                    {"name", study.name},
                                    {"facts", run.plan.facts.size()},
                                    {"tasks", counts},
                                    {"execution", run.fingerprints.execution},
                                    {"study", study.resolved}};
  write_file_atomically(file, plan.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

/// Whether a run other than this one has come to its tasks here, so that every rank has a journal, or is about to.
bool has_begun(std::filesystem::path const& folder, Tasks tasks) {
  std::error_code none;
  auto const journals = std::filesystem::directory_iterator(folder / "journal", none);
  return journals != std::filesystem::directory_iterator() || (tasks == Tasks::done_elsewhere && is_any_at_work(folder));
}

}  // namespace

void freeze_plan(std::filesystem::path const& folder, Study const& study, OpenRun const& run, TaskList const& all, Tasks tasks) {
  auto const file = folder / "plan.json";
  if (!run.missing.empty()) {
    return log_warning(fmt::format(
        "The plan is not frozen: the first start on GPUs makes its {}. Until then it is not known which objects it needs and "
        "which of its tasks are done.",
        join(run.missing, " and its ")));
  }
  if (!std::filesystem::exists(file)) return write_plan(file, study, run, all);
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
  if (!same_execution && !has_begun(folder, tasks)) {
    log_warning(fmt::format(
        "The plan that was frozen in {} is replaced, because no run has started with it: it is for '{}', this one for '{}'.",
        folder.string(), execution, run.fingerprints.execution));
    return write_plan(file, study, run, all);
  }
  if (!same_execution) {
    throw UserError(
        fmt::format("The folder {} holds a run that computes on '{}', but this start would compute on '{}' (device, dtype, "
                    "products, threads). Their numbers differ in the last digits, so no run has both. Continue with the settings "
                    "of the run, such as '--device {}' where such a device is visible, or use another folder for --out.",
                    folder.string(), execution, run.fingerprints.execution, execution.substr(0, execution.find(' '))));
  }
  throw UserError("The folder " + folder.string() + " holds a run of another study (plan " + id.substr(0, 12) + ", this one is " +
                  run.plan.id.substr(0, 12) + "): the study, its facts or its model differ. Use another folder for --out; " +
                  "finished edits and masks are found again when both runs name the same --objects folder.");
}

}  // namespace onemask
