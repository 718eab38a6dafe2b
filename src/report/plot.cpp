#include "report/cells.hpp"
#include "report/plot_blocks.hpp"
#include "report/study_parts.hpp"
#include <onemask/report/plot.hpp>

#include <vector>

namespace onemask {

BarBlock rsr_bars(Summary const& summary, EditedModels const& edits, Group const& group) {
  BarBlock block{heading_of(group.split, edits.edits), {}, "RSR"};
  for (auto const& kind : edits.kinds) {
    auto const value = summary.mean(kind, group, "rewrite", "rsr");
    if (!value) continue;
    block.rows.push_back(
        {to_string(kind.kind), label_of(kind, summary.scored(kind, group).size()) + ", n " + counts(*value), *value});
  }
  return block;
}

std::string to_svg(StudyFile const& study) {
  Summary const summary(study);
  std::vector<BarBlock> blocks;
  for (auto const& group : summary.splits()) {
    for (auto const& edits : summary.edits()) {
      blocks.push_back(rsr_bars(summary, edits, group));
    }
  }
  return bar_picture(title_of(study),
                     "RSR: share of prompts after which the true object is likelier than the new one. Whiskers: 95 % interval.",
                     blocks);
}

}  // namespace onemask
