#include "report/estimate_columns.hpp"
#include "report/fact_scores.hpp"
#include "report/phrases.hpp"
#include "report/study_parts.hpp"
#include "report/summary.hpp"
#include <onemask/core/reserved_names.hpp>
#include <onemask/report/whole_training.hpp>
#include <onemask/statistics/resampling.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <tuple>
#include <utility>

namespace onemask {
namespace {

struct WantedMetric {
  char const* metric;
  PromptKind prompts;
};
constexpr std::array<WantedMetric, 5> all_wanted{{{"rsr", PromptKind::rewrite},
                                                  {"kl", PromptKind::rewrite},
                                                  {"top1_changed", PromptKind::rewrite},
                                                  {"success", PromptKind::rewrite},
                                                  {"rsr", PromptKind::paraphrase}}};

/// A condition's scores of the facts.
struct Row {
  std::string condition;
  WantedMetric of;
  std::int64_t planned;
  std::vector<double> values;
  Interval interval = {};
};

using Planned = std::map<std::tuple<std::string, std::string, std::string>, std::int64_t>;

/// Facts of both splits that the summary plans, by condition, kind of prompts and metric.
Planned planned_facts(Table const& summary, std::string const& split) {
  auto const text = [&](char const* column, std::size_t row) -> auto const& {
    return summary.values<std::string>(column)[row];
  };
  Planned planned;
  for (std::size_t row = 0; row < summary.rows(); ++row) {
    bool const inside = text("split", row) == split || text("split", row) == validation_split;
    if (inside && text("relation", row) == every_relation)
      planned[{text("condition", row), text("prompts", row), text("metric", row)}] +=
          summary.values<std::int64_t>("planned")[row];
  }
  return planned;
}

void add_intervals(std::vector<Row>& rows) {
  std::vector<SeededScores> scores;
  for (auto const& row : rows) scores.push_back({1, row.values});
  auto const intervals = intervals_of_means(scores);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    bool const share = fact_metric(rows[i].of.metric, rows[i].of.prompts).yes_no;
    rows[i].interval = share ? interval_of_share(scores[i].mean(), intervals[i], std::ssize(rows[i].values)) : intervals[i];
  }
}

Table table_of(std::vector<Row> const& rows, std::string const& split) {
  std::vector<std::string> condition, prompts, metric;
  EstimateColumns estimates;
  for (auto const& row : rows) {
    condition.push_back(row.condition), prompts.push_back(name_of(prompt_kind_names, row.of.prompts));
    metric.emplace_back(row.of.metric);
    auto const [low, high] = row.interval;
    estimates.add(
        {row.values.empty() ? low : SeededScores{1, row.values}.mean(), low, high, std::ssize(row.values), row.planned});
  }
  Table table{{{"condition", condition},
               {"split", std::vector<std::string>(rows.size(), split + and_validation)},
               {"relation", std::vector<std::string>(rows.size(), every_relation)},
               {"prompts", prompts},
               {"metric", metric}}};
  estimates.append_to(table);
  return table;
}

}  // namespace

bool publishes_whole_training(StudyFile const& study) {
  if (!study.tables.contains("published")) return false;
  auto const& splits = need_table(study, "published").values<std::string>("split");
  return std::any_of(splits.begin(), splits.end(), [](auto const& split) { return split.ends_with(and_validation); });
}

bool add_whole_training(StudyFile& study) {
  FactScores const scores(study, FactScores::Of::changes);
  auto const split = train_split_of(study);
  std::vector<std::size_t> facts;
  for (std::size_t fact = 0; fact < scores.splits().size(); ++fact) {
    if (scores.splits()[fact] == split || scores.splits()[fact] == validation_split) facts.push_back(fact);
  }
  if (std::find(scores.splits().begin(), scores.splits().end(), split) == scores.splits().end()) return false;
  auto const planned = planned_facts(need_table(study, "summary"), split);
  std::vector<Row> rows;
  Summary const summary(study);
  for (auto const& edits : summary.edits()) {
    for (auto const& kind : edits.kinds) {
      for (auto const& model : kind.models) {
        for (auto const& wanted : all_wanted) {
          auto const found = planned.find({model.name, name_of(prompt_kind_names, wanted.prompts), wanted.metric});
          if (found == planned.end()) continue;
          auto const means = scores.means(model.name, kind.kind, fact_metric(wanted.metric, wanted.prompts), wanted.prompts);
          auto& row = rows.emplace_back(Row{model.name, wanted, found->second, {}});
          for (auto const fact : facts) {
            if (!std::isnan(means[fact])) row.values.push_back(means[fact]);
          }
        }
      }
    }
  }
  add_intervals(rows);
  study.tables[whole_training_table] = table_of(rows, split);
  return true;
}

}  // namespace onemask
