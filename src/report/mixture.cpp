#include "report/mixture.hpp"

#include "report/study_parts.hpp"

#include <fmt/core.h>

namespace onemask {

std::string mixture_of_kinds(StudyFile const& study) {
  if (!study.tables.contains(objects_table)) return "";
  auto const& table = need_table(study, objects_table);
  if (table.rows() < 2) return "";
  auto const& made_by = table.values<std::string>("made_by");
  auto const& objects = table.values<std::int64_t>("objects");
  std::string list, unknown;
  std::size_t kinds = 0;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    auto const count = objects[row];

    if (made_by[row].empty()) {
      unknown = fmt::format("; {} of unknown origin", count);
    } else {
      list += fmt::format("{}{} from {}", list.empty() ? "" : "; ", count, made_by[row]);
      ++kinds;
    }
  }
  return std::string("The objects of this study ") + (kinds > 1 ? "" : "may ") + "come from several kinds of machines: " + list +
         unknown + ". A run on one kind alone may differ in its last digits.";
}

}  // namespace onemask
