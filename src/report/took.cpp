#include "report/fact_scores.hpp"
#include "report/study_parts.hpp"
#include "report/summary.hpp"
#include <onemask/core/reserved_names.hpp>
#include <onemask/report/took.hpp>
#include <onemask/statistics/resampling.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <type_traits>

namespace onemask {
namespace {

using Outcome = FactScores::Outcome;
using Member = bool Outcome::*;

/// Appends rows to the table "summary".
class SummaryRows {
 public:
  explicit SummaryRows(Table& table) : table_(table) {}

  /// A share of facts; `planned` of them are.
  void add(std::string const& condition, Group const& group, std::string const& metric, std::vector<double> const& values,
           std::int64_t planned) {
    constexpr auto unknown = std::numeric_limits<double>::quiet_NaN();
    double mean = unknown;
    Interval interval{unknown, unknown};
    if (!values.empty()) {
      SeededScores const scores{1, values};
      mean = scores.mean();
      interval = interval_of_share(mean, interval_of_mean(scores), std::ssize(values));
    }
    put("condition", condition), put("split", group.split), put("relation", group.relation);
    put("prompts", std::string("rewrite")), put("metric", metric);
    put("mean", mean), put("low", interval.low), put("high", interval.high);
    put("n", static_cast<std::int64_t>(values.size())), put("planned", planned);
  }

 private:
  template <class T>
  void put(std::string const& name, T const& value) {
    table_.values<T>(name);  // throws where there is none
    auto const column =
        std::find_if(table_.columns.begin(), table_.columns.end(), [&](auto const& item) { return item.first == name; });
    std::get<std::vector<T>>(column->second).push_back(value);
  }

  Table& table_;
};

std::vector<std::size_t> facts_of(Group const& group, FactScores const& scores) {
  std::vector<std::size_t> facts;
  for (std::size_t fact = 0; fact < scores.splits().size(); ++fact) {
    bool const inside =
        scores.splits()[fact] == group.split && (group.relation == every_relation || scores.relations()[fact] == group.relation);
    if (inside) facts.push_back(fact);
  }
  return facts;
}

/// The share of facts of which the outcome under a single model holds.
void add_share(SummaryRows& rows, EditedModels const& edits, ConditionKind kind, Group const& group,
               std::vector<std::size_t> const& facts, std::vector<Outcome> const& outcomes, char const* metric, Member member) {
  std::vector<double> values;
  for (auto const fact : facts) {
    if (outcomes[fact].scored) values.push_back(outcomes[fact].*member ? 1 : 0);
  }
  rows.add(edits.find(kind, "")->models.front().name, group, metric, values, std::ssize(facts));
}

}  // namespace

void add_took(StudyFile& study) {
  Summary const summary(study);
  FactScores const scores(study, FactScores::Of::outcomes);
  SummaryRows rows(study.tables.at("summary"));
  auto const& rsr = fact_metric("rsr", PromptKind::rewrite);
  for (auto const& edits : summary.edits()) {
    auto const *const original = edits.find(ConditionKind::original, ""), *const edited = edits.find(ConditionKind::edited, "");
    if (original == nullptr || edited == nullptr) continue;
    auto const before = scores.outcomes(original->models.front().name), after = scores.outcomes(edited->models.front().name);
    for (auto const& group : summary.groups()) {
      auto const facts = facts_of(group, scores);
      add_share(rows, edits, ConditionKind::original, group, facts, before, "known_top1", &Outcome::known);
      add_share(rows, edits, ConditionKind::edited, group, facts, after, "took", &Outcome::took);
      add_share(rows, edits, ConditionKind::edited, group, facts, after, "took_top1", &Outcome::took_top1);
    }
    for (auto const& kind : edits.kinds) {
      for (auto const& model : kind.models) {
        auto const restored = scores.means(model.name, kind.kind, rsr, PromptKind::rewrite);
        for (auto const& group : summary.groups()) {
          auto const all = summary.find(model.name, group, "rewrite", "rsr");
          if (!all) continue;
          for (auto const& [metric, member] :
               {std::pair("rsr_took", &Outcome::took), std::pair("rsr_took_top1", &Outcome::took_top1)}) {
            std::vector<double> values;
            std::int64_t took = 0;
            for (auto const fact : facts_of(group, scores)) {
              if (!(after[fact].*member)) continue;
              ++took;
              if (!std::isnan(restored[fact])) values.push_back(restored[fact]);
            }
            // A mask that leaves facts of the split out is scored on the others.
            rows.add(model.name, group, metric, values,
                     all->n == all->planned ? std::ssize(values) : std::min(took, all->planned));
          }
        }
      }
    }
  }
}

}  // namespace onemask
