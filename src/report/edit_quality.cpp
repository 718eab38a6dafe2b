#include "report/perplexity.hpp"
#include "report/study_parts.hpp"
#include "report/summary.hpp"
#include <onemask/core/reserved_names.hpp>
#include <onemask/report/edit_quality.hpp>
#include <onemask/settings/prompt_kind.hpp>

#include <cstdint>
#include <utility>

namespace onemask {
namespace {

constexpr auto neighborhood_kind = static_cast<std::int64_t>(PromptKind::neighborhood);

/// A sum and its number of terms.
struct KlSum {
  double sum = 0;
  std::int64_t count = 0;

  double mean() const { return sum / static_cast<double>(count); }
};

/// KL at neighborhood prompts, mean over prompts, then over facts, by the condition's name.
std::map<std::string, double> neighborhood_kls(StudyFile const& study) {
  auto const& names = need_table(study, "conditions").values<std::string>("name");
  auto const& metrics = need_table(study, "metrics");
  auto const& fact = metrics.values<std::int64_t>("fact");
  auto const& condition = metrics.values<std::int64_t>("condition");
  auto const& kind = metrics.values<std::int64_t>("kind");
  auto const& kl = metrics.values<double>("kl");
  std::map<std::pair<std::int64_t, std::int64_t>, KlSum> facts;
  for (std::size_t row = 0; row < metrics.rows(); ++row) {
    if (kind[row] != neighborhood_kind) continue;
    auto& sum = facts[{condition[row], fact[row]}];
    sum.sum += kl[row];
    ++sum.count;
  }
  std::map<std::string, KlSum> conditions;
  for (auto const& [place, of_fact] : facts) {
    auto const index = static_cast<std::size_t>(place.first);
    if (index >= names.size()) continue;
    auto& sum = conditions[names[index]];
    sum.sum += of_fact.mean();
    ++sum.count;
  }
  std::map<std::string, double> means;
  for (auto const& [name, sum] : conditions) means.emplace(name, sum.mean());
  return means;
}

}  // namespace

std::map<std::string, EditQuality> edit_qualities(StudyFile const& study, std::string const& split) {
  Summary const summary(study);
  Perplexities const perplexities(study);
  auto const kls = neighborhood_kls(study);
  Group const group{split, every_relation};
  std::map<std::string, EditQuality> qualities;
  for (auto const& edits : summary.edits()) {
    auto const* const edited = edits.find(ConditionKind::edited, "");
    if (edited == nullptr) continue;
    auto const find = [&](char const* prompts, char const* metric) { return summary.mean(*edited, group, prompts, metric); };
    auto const rewrite = find("rewrite", "success"), paraphrase = find("paraphrase", "success");
    auto const neighborhood = find("neighborhood", "success"), score = find("all", "score");
    auto const kl = kls.find(edited->models.front().name);
    if (rewrite && paraphrase && neighborhood && score && kl != kls.end()) {
      qualities.insert_or_assign(edits.edits, EditQuality{*rewrite, *paraphrase, *neighborhood, *score, kl->second,
                                                          perplexities.ratio(edits, *edited, split)});
    }
  }
  return qualities;
}

}  // namespace onemask
