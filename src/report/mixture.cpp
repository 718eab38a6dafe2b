#include "report/mixture.hpp"

#include "report/study_parts.hpp"

namespace onemask {

std::string mixture_of_kinds(StudyFile const& study) {
  if (!study.tables.contains(objects_table)) return "";
  auto const& table = need_table(study, objects_table);
  if (table.rows() < 2) return "";
  auto const& made_by = table.values<std::string>("made_by");
  auto const& objects = table.values<std::int64_t>("objects");
  std::string list, silent;
  std::size_t kinds = 0;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    auto const count = std::to_string(objects[row]);
    if (made_by[row].empty()) {
      silent = "; " + count + (objects[row] == 1 ? " does not say" : " do not say");
    } else {
      list += (list.empty() ? "" : "; ") + count + " from " + made_by[row];
      ++kinds;
    }
  }
  return std::string("The objects of this study ") + (kinds > 1 ? "" : "may ") +
         "come from several kinds of machines, so its last digits may be those of none of them alone: " + list + silent + ".";
}

}  // namespace onemask
