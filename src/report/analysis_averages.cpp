#include "report/analysis_findings.hpp"
#include "report/analysis_maker.hpp"
#include "report/study_parts.hpp"
#include "report/summary.hpp"
#include <onemask/core/error.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <tuple>

namespace onemask {
namespace {

AnalysisCell bare(double value, std::int64_t n, std::int64_t planned) {
  constexpr auto unknown = std::numeric_limits<double>::quiet_NaN();
  return {{value, unknown, unknown, n, planned}};
}

}  // namespace

/// How far dimensions are moved, by the unedited model's standard deviation over facts: those with most zeros, and others.
void AnalysisMaker::dimensions() {
  auto const* const masked = group_.find(ConditionKind::mask);
  if (masked == nullptr) return;
  auto const& rows = need_table(study_, "dimensions");
  auto const &model = rows.values<std::string>("model"), &place = rows.values<std::string>("place");
  auto const &analysis = rows.values<std::int64_t>("analysis"), &layer = rows.values<std::int64_t>("layer"),
             &random = rows.values<std::int64_t>("random"), &n = rows.values<std::int64_t>("n"),
             &dimension = rows.values<std::int64_t>("dimension");
  auto const &shift = rows.values<double>("shift"), &sd = rows.values<double>("sd");
  std::set<std::size_t> const own(masked->rows.begin(), masked->rows.end());
  std::map<std::tuple<std::int64_t, std::string, std::int64_t, std::int64_t>, double> spread;  // of the unedited model
  for (std::size_t r = 0; r < rows.rows(); ++r) {
    if (model[r] == to_string(ConditionKind::original)) spread[{analysis[r], place[r], layer[r], dimension[r]}] = sd[r];
  }
  struct Mean {
    double sum = 0;
    std::int64_t count = 0, n = 0;
  };
  std::map<std::string, std::map<std::int64_t, std::map<std::pair<std::string, std::int64_t>, Mean>>> means;
  for (std::size_t r = 0; r < rows.rows(); ++r) {
    if (!own.contains(static_cast<std::size_t>(analysis[r])) || model[r] == to_string(ConditionKind::original)) continue;
    auto const size = std::abs(shift[r]) / spread[{analysis[r], place[r], layer[r], dimension[r]}];
    if (!std::isfinite(size)) continue;
    auto& mean = means[place[r]][layer[r]][{model[r], random[r]}];
    mean.sum += size, ++mean.count, mean.n = n[r];
  }
  for (auto const& [where, by_layer] : means) {
    auto table = begin("shift of dimensions by their standard deviation", words_of_place(where), "after layer", Show::numbers);
    std::vector<std::pair<std::string, std::int64_t>> columns;
    for (auto const* kind : group_.kinds) {
      if (kind->kind == ConditionKind::original) continue;
      for (std::int64_t const drawn : {0, 1}) {
        columns.emplace_back(to_string(kind->kind), drawn);
        table.columns.push_back(label_of_kind(kind->kind) + (drawn == 0 ? ", most zeros" : ", at random"));
      }
    }
    for (auto const& [after, by_model] : by_layer) {
      AnalysisTable::Row row{after < 0 ? "embedding" : std::to_string(after), {}};
      for (auto const& column : columns) {
        auto const found = by_model.find(column);
        row.cells.push_back(found == by_model.end()
                                ? std::nullopt
                                : std::optional(bare(found->second.sum / static_cast<double>(found->second.count),
                                                     found->second.n, masked->planned)));
      }
      table.rows.push_back(std::move(row));
    }
    report_.tables.push_back(std::move(table));
  }
}

/// Places that prompts share by layers: the mean over models that differ in their seed alone.
void AnalysisMaker::maps() {
  auto const& rows = need_table(study_, "maps");
  auto const& place = rows.values<std::string>("place");
  auto const &analysis = rows.values<std::int64_t>("analysis"), &layer = rows.values<std::int64_t>("layer"),
             &n = rows.values<std::int64_t>("n");
  for (auto const& [column, quantity, shown_of_original] : {std::tuple("distance", "distance to the unedited model", false),
                                                            std::tuple("log_odds", "log-odds of new over true, logit lens", true),
                                                            std::tuple("attention", "attention of the last token", true)}) {
    auto const& values = rows.values<double>(column);
    for (auto const* kind : group_.kinds) {
      if (kind->kind == ConditionKind::original && !shown_of_original) continue;
      auto const draw = kind->kind == ConditionKind::original_masked ? Draw::no : Draw::yes;
      auto table = begin(std::string(quantity) + ", " + label_of_kind(kind->kind), "", "after layer", Show::numbers, draw);
      table.columns = {"subject's first", "subject's last", "behind the subject", "last"};
      std::vector<std::string> const places{"subject_first", "subject_last", "after_subject", "last"};
      std::map<std::int64_t, std::vector<std::optional<AnalysisCell>>> by_layer;
      std::map<std::pair<std::int64_t, std::size_t>, std::int64_t> models;
      for (std::size_t r = 0; r < rows.rows(); ++r) {
        auto const& own = kind->rows;
        if (std::find(own.begin(), own.end(), static_cast<std::size_t>(analysis[r])) == own.end() || std::isnan(values[r]))
          continue;
        auto& cells = by_layer[layer[r]];
        cells.resize(places.size());
        auto const at = static_cast<std::size_t>(std::find(places.begin(), places.end(), place[r]) - places.begin());
        if (at == places.size()) throw UserError("The study file has a map of the unknown place '" + place[r] + "'.");
        auto const count = ++models[{layer[r], at}];
        auto& cell = cells[at];
        if (!cell) cell = bare(0, n[r], kind->planned);
        cell->value.mean += (values[r] - cell->value.mean) / static_cast<double>(count);
        cell->value.n = std::min(cell->value.n, n[r]);
      }
      for (auto& [after, cells] : by_layer)
        table.rows.push_back({after < 0 ? "embedding" : std::to_string(after), std::move(cells)});
      if (!table.rows.empty()) report_.tables.push_back(std::move(table));
    }
  }
}

}  // namespace onemask
