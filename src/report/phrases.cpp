#include "report/phrases.hpp"

#include "report/cells.hpp"
#include "report/study_parts.hpp"
#include <onemask/core/reserved_names.hpp>

#include <fmt/core.h>

namespace onemask {

std::string share_text(Estimate const& value) {
  return number(100 * value.mean, 0) + " % [" + number(100 * value.low, 0) + ", " + number(100 * value.high, 0) + "]";
}

std::string enumeration(std::vector<std::string> const& parts) {
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) text += (i == 0 ? "" : i + 1 == parts.size() ? " and " : ", ") + parts[i];
  return text;
}

std::string train_split_of(StudyFile const& study) {
  auto const train = study.attributes.find("train_split");
  return train == study.attributes.end() ? "train" : train->second;
}

std::string facts_text(std::string const& train_split, std::string const& split, Estimate const& value) {
  auto const count =
      value.n == value.planned ? fmt::format("the {}", value.n) : fmt::format("{} of the {}", value.n, value.planned);
  if (split == train_split) return count + " training facts";
  if (split == validation_split) return count + " facts held back from training";
  if (split == "heldout") return count + " held-out facts";
  return count + " facts of '" + split + "'";
}

std::string so_far(StudyFile const& study) {
  if (need_status(study) != "PARTIAL") return "";
  return "so far (PARTIAL: " + need_attribute(study, "tasks_done") + " of " + need_attribute(study, "tasks_planned") + " tasks)";
}

}  // namespace onemask
