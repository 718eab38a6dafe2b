#include "report/perplexity.hpp"
#include "report/summary.hpp"
#include <onemask/core/reserved_names.hpp>
#include <onemask/report/edit_quality.hpp>

namespace onemask {

std::map<std::string, EditQuality> edit_qualities(StudyFile const& study, std::string const& split) {
  Summary const summary(study);
  Perplexities const perplexities(study);
  Group const group{split, every_relation};
  std::map<std::string, EditQuality> qualities;
  for (auto const& edits : summary.edits()) {
    auto const* const edited = edits.find(ConditionKind::edited, "");
    if (edited == nullptr) continue;
    auto const find = [&](char const* prompts, char const* metric) { return summary.mean(*edited, group, prompts, metric); };
    auto const rewrite = find("rewrite", "success"), paraphrase = find("paraphrase", "success");
    auto const neighborhood = find("neighborhood", "success"), score = find("all", "score"), kl = find("neighborhood", "kl");
    if (rewrite && paraphrase && neighborhood && score && kl) {
      qualities.insert_or_assign(
          edits.edits, EditQuality{*rewrite, *paraphrase, *neighborhood, *score, *kl, perplexities.ratio(edits, *edited, split)});
    }
  }
  return qualities;
}

}  // namespace onemask
