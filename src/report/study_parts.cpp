#include "report/study_parts.hpp"

#include <onemask/core/error.hpp>

#include <fmt/core.h>

namespace onemask {

std::string const& need_attribute(StudyFile const& study, std::string const& name) {
  auto const found = study.attributes.find(name);
  if (found == study.attributes.end()) {
    throw UserError("The study file has no attribute '" + name + "'; is it the study.h5 that 'onemask gather' writes?");
  }
  return found->second;
}

Table const& need_table(StudyFile const& study, std::string const& name) {
  auto const found = study.tables.find(name);
  if (found == study.tables.end()) {
    throw UserError("The study file has no table '" + name + "'; is it the study.h5 that 'onemask gather' writes?");
  }
  for (auto const& [column, values] : found->second.columns) {
    if (length(values) == found->second.rows()) continue;
    throw ShapeError(
        fmt::format("The study file's table '{}' has {} rows, but its column '{}' has {} values; gather the study again.", name,
                    found->second.rows(), column, length(values)));
  }
  return found->second;
}

std::string const& need_status(StudyFile const& study) {
  auto const& status = need_attribute(study, "status");
  if (status != "COMPLETE" && status != "PARTIAL") {
    throw UserError("The study file's status is '" + status + "'; it must be COMPLETE or PARTIAL. Gather the study again.");
  }
  return status;
}

std::string status_line(StudyFile const& study) {
  auto const& planned = need_attribute(study, "tasks_planned");
  auto const& done = need_attribute(study, "tasks_done");
  return need_status(study) == "COMPLETE" ? "COMPLETE: " + planned + " tasks\n"
                                          : "PARTIAL: " + done + " of " + planned + " tasks\n";
}

std::string title_of(StudyFile const& study) {
  auto const name = study.attributes.find("name");
  std::string const title = name == study.attributes.end() ? "Study" : name->second;
  if (need_status(study) == "COMPLETE") return title;
  return title + ", PARTIAL: " + need_attribute(study, "tasks_done") + " of " + need_attribute(study, "tasks_planned") + " tasks";
}

}  // namespace onemask
