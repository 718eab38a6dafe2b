#include "report/analysed_models.hpp"

#include "report/study_parts.hpp"
#include "report/summary.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace onemask {
namespace {

/// A column of whole numbers or texts, as texts.
std::string key_at(Column const& column, std::size_t row) {
  if (auto const* texts = std::get_if<std::vector<std::string>>(&column)) return (*texts)[row];
  return std::to_string(std::get<std::vector<std::int64_t>>(column)[row]);
}

std::vector<double> reals_of(Table const& table, std::string const& name) {
  auto const* column = table.find(name);
  if (column != nullptr) {
    if (auto const* whole = std::get_if<std::vector<std::int64_t>>(column)) return {whole->begin(), whole->end()};
  }
  return table.values<double>(name);
}

}  // namespace

std::vector<AnalysedKind> analysed_kinds(StudyFile const& study) {
  auto const& table = need_table(study, "analyses");
  auto const text = [&](char const* name) -> auto const& {
    return table.values<std::string>(name);
  };
  auto const &kind = text("kind"), &set = text("set"), &settings = text("settings"), &split = text("split"),
             &point = text("point");
  auto const& planned = table.values<std::int64_t>("planned");
  std::vector<AnalysedKind> kinds;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    auto const which = kind_of(kind[row], "a row of the table 'analyses'");
    auto const is_alike = [&](AnalysedKind const& other) {
      return other.kind == which && other.edits == set[row] && other.settings == settings[row] && other.split == split[row];
    };
    auto found = std::find_if(kinds.begin(), kinds.end(), is_alike);
    if (found == kinds.end()) found = kinds.insert(kinds.end(), {which, set[row], settings[row], split[row], {}, {}, 0});
    found->rows.push_back(row);
    found->points.push_back(point[row]);
    found->planned = std::max(found->planned, planned[row]);
  }
  return kinds;
}

AnalysedKind const* AnalysisGroup::find(ConditionKind kind) const {
  auto const found = std::find_if(kinds.begin(), kinds.end(), [&](auto const* each) { return each->kind == kind; });
  return found == kinds.end() ? nullptr : *found;
}

std::vector<AnalysisGroup> analysis_groups(std::vector<AnalysedKind> const& kinds) {
  std::vector<AnalysisGroup> groups;
  for (auto const& original : kinds) {
    if (original.kind != ConditionKind::original) continue;
    std::vector<std::string> settings;
    auto const is_own = [&](AnalysedKind const& kind) { return kind.edits == original.edits && kind.split == original.split; };
    for (auto const& kind : kinds) {
      if (is_own(kind) && kind.kind == ConditionKind::mask) settings.push_back(kind.settings);
    }
    if (settings.empty()) settings.emplace_back();
    for (auto const& setting : settings) {
      AnalysisGroup group{original.edits, setting, original.split, {}};
      for (auto const& kind : kinds) {
        bool const has_mask = kind.kind == ConditionKind::mask || kind.kind == ConditionKind::original_masked;
        if (is_own(kind) && (!has_mask || kind.settings == setting)) group.kinds.push_back(&kind);
      }
      std::stable_sort(group.kinds.begin(), group.kinds.end(), [](auto const* a, auto const* b) { return a->kind < b->kind; });
      groups.push_back(std::move(group));
    }
  }
  return groups;
}

NumbersOfModels::NumbersOfModels(std::vector<NumbersOfFacts> const& by_model) : facts(), scores{by_model.size(), {}} {
  for (auto const& [fact, number] : by_model.front()) {
    bool const everywhere = std::all_of(by_model.begin(), by_model.end(), [fact = fact](auto const& numbers) {
      auto const found = numbers.find(fact);
      return found != numbers.end() && std::isfinite(found->second);
    });
    if (!everywhere) continue;
    facts.push_back(fact);
    for (auto const& numbers : by_model) scores.values.push_back(numbers.at(fact));
  }
}

Resampling const& AnalysisBootstrap::resampling(std::size_t facts, std::size_t seeds) {
  auto const found = resamplings_.find({facts, seeds});
  if (found != resamplings_.end()) return found->second;
  if (resamplings_.size() == most_sizes) resamplings_.clear();
  return resamplings_
      .emplace(std::pair(facts, seeds), Resampling(facts, seeds, {}, seeds > 1 ? resamples_of_p : resamples_of_intervals))
      .first->second;
}

std::optional<Estimate> AnalysisBootstrap::estimate(NumbersOfModels const& numbers, std::int64_t planned) {
  if (numbers.facts.empty()) return std::nullopt;
  auto const means = resampling(numbers.facts.size(), numbers.scores.seeds).means({numbers.scores});
  auto const interval = percentile_interval(means.front());
  return Estimate{numbers.scores.mean(), interval.low, interval.high, std::ssize(numbers.facts), planned};
}

std::optional<Estimate> AnalysisBootstrap::ratio(NumbersOfModels const& above, NumbersOfModels const& below,
                                                 std::int64_t planned) {
  if (above.facts.empty() || above.facts != below.facts) return std::nullopt;
  auto means = resampling(above.facts.size(), above.scores.seeds).means({above.scores, below.scores});
  for (std::size_t i = 0; i < means[0].size(); ++i) means[0][i] /= means[1][i];
  auto const interval = percentile_interval(means[0]);
  return Estimate{above.scores.mean() / below.scores.mean(), interval.low, interval.high, std::ssize(above.facts), planned};
}

AnalysisNumbers::AnalysisNumbers(StudyFile const& study, std::string const& table, std::vector<std::string> const& keys,
                                 std::vector<std::string> const& numbers) {
  auto const& rows = need_table(study, table);
  auto const& analysis = rows.values<std::int64_t>("analysis");
  auto const& fact = rows.values<std::int64_t>("fact");
  std::vector<Column const*> columns;
  for (auto const& key : keys) {
    columns.push_back(rows.find(key));
    if (columns.back() == nullptr) rows.values<std::string>(key);  // throws
  }
  for (auto const& name : numbers) numbers_.push_back(reals_of(rows, name));
  std::vector<std::string> own(keys.size()), last;
  std::size_t place = 0;
  for (std::size_t row = 0; row < rows.rows(); ++row) {
    for (std::size_t k = 0; k < keys.size(); ++k) own[k] = key_at(*columns[k], row);
    if (own != last) {
      auto const [found, is_new] = place_of_.try_emplace(own, keys_.size());
      if (is_new) keys_.push_back(own);
      place = found->second;
      last = own;
    }
    entries_[{static_cast<std::size_t>(analysis[row]), place}].push_back({fact[row], row});
  }
}

NumbersOfFacts AnalysisNumbers::of(std::size_t analysis, std::vector<std::string> const& keys,
                                   std::function<double(std::vector<double> const&)> const& value) const {
  NumbersOfFacts found;
  auto const place = place_of_.find(keys);
  if (place == place_of_.end()) return found;
  auto const entries = entries_.find({analysis, place->second});
  if (entries == entries_.end()) return found;
  std::vector<double> numbers(numbers_.size());
  for (auto const& [fact, row] : entries->second) {
    for (std::size_t c = 0; c < numbers_.size(); ++c) numbers[c] = numbers_[c][row];
    found[fact] = value(numbers);
  }
  return found;
}

}  // namespace onemask
