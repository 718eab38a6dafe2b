#include "sweep/frozen_plan.hpp"

#include <onemask/core/error.hpp>
#include <onemask/core/file.hpp>

#include <nlohmann/json.hpp>

namespace onemask {

void freeze_plan(RunContext const& run, TaskList const& tasks) {
  auto const file = run.options.folder / "plan.json";
  if (!std::filesystem::exists(file)) {
    std::filesystem::create_directories(run.options.folder);
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
                                      {"study", run.study.resolved}};
    write_file_atomically(file, plan.dump(2) + "\n");
    return;
  }
  std::string id;
  try {
    id = nlohmann::json::parse(read_file(file)).at("id").get<std::string>();
  } catch (nlohmann::json::exception const&) {
    throw UserError("The plan " + file.string() + " is not a plan of onemask. Use another folder for --out.");
  }
  if (id != run.plan.id) {
    throw UserError("The folder " + run.options.folder.string() + " holds a run of another study (plan " + id.substr(0, 12) +
                    ", this one is " + run.plan.id.substr(0, 12) +
                    "): the study, its facts, its model, or the threads per rank differ. Use another folder for --out; finished "
                    "edits and masks "
                    "are found again when both runs name the same --objects folder.");
  }
}

}  // namespace onemask
