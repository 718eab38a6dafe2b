#include "report/split_counts.hpp"

#include "report/study_parts.hpp"
#include <onemask/core/reserved_names.hpp>
#include <onemask/core/text.hpp>

#include <algorithm>

#include <fmt/core.h>

namespace onemask {

std::vector<SplitCounts> counts_by_split(StudyFile const& study) {
  std::vector<SplitCounts> counts;
  auto const& table = need_table(study, "summary");
  auto const text = [&](char const* column, std::size_t row) -> auto const& {
    return table.values<std::string>(column)[row];
  };
  for (std::size_t row = 0; row < table.rows(); ++row) {
    if (text("metric", row) != "rsr" || text("prompts", row) != "rewrite" || text("relation", row) != every_relation) continue;
    auto found = std::find_if(counts.begin(), counts.end(), [&](auto const& of) { return of.split == text("split", row); });
    if (found == counts.end()) found = counts.insert(counts.end(), {text("split", row), {}, 0});
    auto const planned = table.values<std::int64_t>("planned")[row];
    found->scores.n += table.values<std::int64_t>("n")[row], found->scores.planned += planned;
    found->facts = std::max(found->facts, planned);
  }
  return counts;
}

std::vector<std::string> warnings_of_few_facts(StudyFile const& study) {
  std::vector<std::string> warnings;
  for (auto const& [split, scores, facts] : counts_by_split(study)) {
    if (facts > 0 && facts < few_facts)
      warnings.push_back(fmt::format("Split {} has {}: with so few, intervals are wide and tests find only large differences.",
                                     split, counted(static_cast<std::size_t>(facts), "fact")));
  }
  return warnings;
}

}  // namespace onemask
