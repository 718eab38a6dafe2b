#include "report/cells.hpp"
#include "report/picture.hpp"
#include "report/study_parts.hpp"
#include "report/summary.hpp"
#include <onemask/report/plot.hpp>

#include <vector>

namespace onemask {
namespace {

std::vector<BarRow> rows_of(Summary const& summary, EditedModels const& edits, Group const& group) {
  std::vector<BarRow> rows;
  for (auto const& kind : edits.kinds) {
    auto const value = summary.mean(kind, group, "rewrite", "rsr");
    if (!value) continue;
    rows.push_back({to_string(kind.kind), label_of(kind, summary.scored(kind, group).size()) + ", n " + counts(*value), *value});
  }
  return rows;
}

}  // namespace

std::string to_svg(StudyFile const& study) {
  Summary const summary(study);
  std::vector<BarBlock> blocks;
  for (auto const& group : summary.splits()) {
    for (auto const& edits : summary.edits()) {
      blocks.push_back({heading_of(group.split, edits.edits), rows_of(summary, edits, group)});
    }
  }
  return bar_picture(title_of(study),
                     "RSR: share of prompts after which the true object is likelier than the new one. Whiskers: 95 % interval.",
                     blocks);
}

}  // namespace onemask
