#include "report/analysis_maker.hpp"

#include "report/analysis_findings.hpp"
#include "report/cells.hpp"
#include "report/summary.hpp"
#include <onemask/statistics/paired_tests.hpp>

#include <algorithm>
#include <set>

namespace onemask {
namespace {

double of_new(std::vector<double> const& both) {
  return both[1];
}
double of_true(std::vector<double> const& both) {
  return both[0];
}
double less_true(std::vector<double> const& both) {
  return both[1] - both[0];
}
/// The number in a column.
std::function<double(std::vector<double> const&)> column(std::size_t which) {
  return [which](std::vector<double> const& numbers) { return numbers[which]; };
}

/// The whole numbers in a key, ascending.
std::vector<std::int64_t> layers_of(AnalysisNumbers const& numbers, std::size_t key) {
  std::set<std::int64_t> layers;
  for (auto const& keys : numbers.keys()) layers.insert(std::stoll(keys[key]));
  return {layers.begin(), layers.end()};
}

std::vector<std::string> places_of(AnalysisNumbers const& numbers) {
  std::vector<std::string> places;
  for (auto const& keys : numbers.keys()) {
    if (std::find(places.begin(), places.end(), keys.front()) == places.end()) places.push_back(keys.front());
  }
  return places;
}

/// A run in progress may have none.
bool has_numbers(AnalysisTable const& table) {
  return std::any_of(table.rows.begin(), table.rows.end(), [](auto const& row) {
    return std::any_of(row.cells.begin(), row.cells.end(), [](auto const& cell) { return cell.has_value(); });
  });
}

/// Facts that others lack too, taken from models.
NumbersOfModels common(std::vector<NumbersOfFacts> models, NumbersOfFacts const& others) {
  for (auto& model : models) std::erase_if(model, [&](auto const& item) { return !others.contains(item.first); });
  return NumbersOfModels(models);
}

}  // namespace

AnalysisTable AnalysisMaker::begin(std::string const& quantity, std::string const& place, std::string const& rows_of, Show show,
                                   Draw draw) const {
  AnalysisTable table{group_.split, group_.edits, group_.settings, place, quantity, rows_of, {}};
  table.percent = show != Show::numbers;
  table.yes_no = show == Show::yes_no;
  table.is_drawn = draw == Draw::yes;
  return table;
}

/// Of a kind's models that have any; sums over the keys.
std::vector<NumbersOfFacts> AnalysisMaker::numbers_of(AnalysisNumbers const& numbers, AnalysedKind const& kind,
                                                      std::vector<Keys> const& keys, Value const& value) const {
  std::vector<NumbersOfFacts> all;
  for (auto const row : kind.rows) {
    NumbersOfFacts sum;
    for (auto const& each : keys) {
      for (auto const& [fact, number] : numbers.of(row, each, value)) sum.try_emplace(fact, 0).first->second += number;
    }
    if (!sum.empty()) all.push_back(std::move(sum));
  }
  return all;
}

std::string AnalysisMaker::label_of(AnalysedKind const& kind, AnalysisNumbers const& numbers,
                                    std::vector<NumberRow> const& rows) const {
  auto const scored = rows.empty() ? 0 : numbers_of(numbers, kind, rows.back().keys, of_true).size();
  return label_of_kind(kind.kind) + mean_of(kind.rows.size(), scored);
}

/// Fills a table whose columns are models and keeps it, where it has rows.
void AnalysisMaker::add(AnalysisTable table, AnalysisNumbers const& numbers, std::vector<NumberRow> const& rows,
                        Value const& value, bool of_original) {
  std::vector<AnalysedKind const*> kinds;
  for (auto const* kind : group_.kinds) {
    if (kind->kind == ConditionKind::original && !of_original) continue;
    kinds.push_back(kind);
    table.columns.push_back(label_of(*kind, numbers, rows));
    table.kinds.push_back(kind->kind);
  }
  for (auto const& row : rows) {
    AnalysisTable::Row cells{row.label, {}};
    bool any = false;
    for (auto const* kind : kinds) {
      auto const by_model = numbers_of(numbers, *kind, row.keys, value);
      auto estimate = by_model.empty() ? std::nullopt : bootstrap_.estimate(NumbersOfModels(by_model), kind->planned);
      if (estimate && table.yes_no) {
        auto const [low, high] = interval_of_share(estimate->mean, {estimate->low, estimate->high}, estimate->n);
        estimate->low = low, estimate->high = high;
      }
      cells.cells.push_back(estimate ? std::optional(AnalysisCell{*estimate}) : std::nullopt);
      any = any || estimate;
    }
    if (any) table.rows.push_back(std::move(cells));
  }
  if (!table.rows.empty()) report_.tables.push_back(std::move(table));
}

void AnalysisMaker::contributions(AnalysisNumbers const& numbers) {
  auto layers = layers_of(numbers, 2);
  std::erase(layers, -1);
  for (auto const& place : places_of(numbers)) {
    auto const keys = [&](std::string const& part, std::int64_t layer) { return Keys{place, part, std::to_string(layer), "-1"}; };
    auto const over_layers = [&](std::string const& part) {
      std::vector<Keys> all;
      for (auto const layer : layers) all.push_back(keys(part, layer));
      return all;
    };
    auto const show = [&](std::string const& what, std::string const& rows_of, std::vector<NumberRow> const& rows,
                          Value const& value, Draw draw = Draw::no) {
      add(begin(what, words_of_place(place), rows_of, Show::numbers, draw), numbers, rows, value);
    };
    show("contributions to new less true", "part",
         {{"embedding", {keys("embedding", -1)}},
          {"attention", over_layers("attention")},
          {"MLP", over_layers("mlp")},
          {"bias", {keys("bias", -1)}},
          {"logit", {keys("logit", -1)}}},
         less_true);
    for (auto const& [part, word] : {std::pair("attention", "attention"), std::pair("mlp", "MLP")}) {
      std::vector<NumberRow> rows;
      for (auto const layer : layers) rows.push_back({std::to_string(layer), {keys(part, layer)}});
      show(std::string(word) + " to new less true", "layer", rows, less_true, Draw::yes);
      show(std::string(word) + " to new", "layer", rows, of_new);
      show(std::string(word) + " to true", "layer", rows, of_true);
    }
  }
}

void AnalysisMaker::traces(AnalysisNumbers const& numbers) {
  for (auto const& place : places_of(numbers)) {
    std::vector<NumberRow> rows;
    for (auto const layer : layers_of(numbers, 1))
      rows.push_back({layer < 0 ? "embedding" : std::to_string(layer), {{place, std::to_string(layer)}}});
    auto const show = [&](char const* what, Show as, Value const& value, Draw draw = Draw::yes) {
      add(begin(what, words_of_place(place), "after layer", as, draw), numbers, rows, value);
    };
    show("logit of new less true so far", Show::numbers, less_true, Draw::no);
    show("log-odds of new over true, logit lens", Show::numbers, [](auto const& n) { return n[3] - n[2]; });
    show("true object likeliest, logit lens", Show::yes_no, [](auto const& n) { return n[4] == 1; });
    show("new object likeliest, logit lens", Show::yes_no, [](auto const& n) { return n[5] == 1; });
  }
}

void AnalysisMaker::attention(AnalysisNumbers const& numbers) {
  std::vector<NumberRow> rows;
  std::vector<Keys> layers;
  for (auto const layer : layers_of(numbers, 0)) {
    layers.push_back({std::to_string(layer), "-1"});
    rows.push_back({std::to_string(layer), {layers.back()}});
  }
  if (rows.empty()) return;  // nothing is analysed yet
  auto const table = [&](char const* what, Show as, Draw draw = Draw::no) { return begin(what, "", "layer", as, draw); };
  add(table("attention to the subject's last token, mean over heads", Show::shares, Draw::yes), numbers, rows, column(0));
  add(table("attention to the subject's last token, largest head", Show::shares), numbers, rows, column(1));
  add(table("attention to all of the subject, mean over heads", Show::shares), numbers, rows, column(2));
  drift(numbers, rows, column(0));
  add(table("drifting heads", Show::shares), numbers, rows, column(3), /*of_original=*/false);
  add(table("subject pull", Show::numbers), numbers, rows, column(4));
  shift(numbers, layers);
}

/// Differences to the unedited model, fact by fact.
std::vector<NumbersOfFacts> AnalysisMaker::drift_of(AnalysisNumbers const& numbers, AnalysedKind const& kind,
                                                    std::vector<Keys> const& keys, Value const& value) const {
  auto const before = numbers_of(numbers, *group_.kinds.front(), keys, value);
  if (before.empty()) return {};
  auto all = numbers_of(numbers, kind, keys, value);
  for (auto& model : all) {
    std::erase_if(model, [&](auto const& item) { return !before.front().contains(item.first); });
    for (auto& [fact, number] : model) number -= before.front().at(fact);
  }
  return all;
}

/// Wilcoxon's test in every layer that changes, Holm's correction over them.
void AnalysisMaker::drift(AnalysisNumbers const& numbers, std::vector<NumberRow> const& rows, Value const& value) {
  auto table = begin(drift_name, "", "layer", Show::shares, Draw::yes);
  for (auto const& row : rows) table.rows.push_back({row.label, {}});
  for (auto const* kind : group_.kinds) {
    if (kind->kind == ConditionKind::original) continue;
    table.columns.push_back(label_of(*kind, numbers, rows));
    table.kinds.push_back(kind->kind);
    std::vector<double> p;
    std::vector<std::size_t> tested;
    for (std::size_t r = 0; r < rows.size(); ++r) {
      auto& cell = table.rows[r].cells.emplace_back();
      auto const by_model = drift_of(numbers, *kind, rows[r].keys, value);
      if (by_model.empty()) continue;
      NumbersOfModels const all(by_model);
      auto const estimate = bootstrap_.estimate(all, kind->planned);
      if (!estimate) continue;
      cell = AnalysisCell{*estimate};
      auto const test = wilcoxon(all.scores.by_fact());
      if (test.n == 0) continue;  // below the edit
      p.push_back(test.p);
      tested.push_back(r);
    }
    auto const adjusted = holm(p);
    for (std::size_t i = 0; i < tested.size(); ++i) table.rows[tested[i]].cells.back()->p = adjusted[i];
  }
  if (!has_numbers(table)) return;
  report_.tables.push_back(table);
  removed(numbers, rows, value, table);
}

/// The share of the edited model's drift that a mask takes away, where there is one, and over these layers together.
void AnalysisMaker::removed(AnalysisNumbers const& numbers, std::vector<NumberRow> const& rows, Value const& value,
                            AnalysisTable const& drift) {
  auto const *const edited = group_.find(ConditionKind::edited), *const masked = group_.find(ConditionKind::mask);
  if (edited == nullptr || masked == nullptr) return;
  auto table = begin(removed_name, "", "layer", Show::shares);
  table.columns.push_back(label_of(*masked, numbers, rows));
  auto const add_share = [&](std::string const& label, std::vector<Keys> const& keys) {
    auto const above = drift_of(numbers, *masked, keys, value), below = drift_of(numbers, *edited, keys, value);
    if (above.empty() || below.empty()) return;
    NumbersOfModels const of_mask = common(above, below.front());
    NumbersOfFacts shared;
    for (auto const fact : of_mask.facts) shared[fact] = 0;
    auto ratio = bootstrap_.ratio(of_mask, common(below, shared), masked->planned);
    if (!ratio) return;
    *ratio = {1 - ratio->mean, 1 - ratio->high, 1 - ratio->low, ratio->n, ratio->planned};
    table.rows.push_back({label, {AnalysisCell{*ratio}}});
  };
  std::vector<Keys> all;
  auto const place = static_cast<std::size_t>(
      std::find_if(group_.kinds.begin() + 1, group_.kinds.end(), [&](auto const* kind) { return kind == edited; }) -
      group_.kinds.begin() - 1);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    auto const& cell = drift.rows[r].cells[place];
    if (!cell || !cell->p || *cell->p >= error_rate || cell->value.mean <= 0) continue;
    add_share(rows[r].label, rows[r].keys);
    all.push_back(rows[r].keys.front());
  }
  if (all.size() > 1) add_share(all_of_them, all);
  if (!table.rows.empty()) report_.tables.push_back(std::move(table));
}

/// Sums over layers.
void AnalysisMaker::shift(AnalysisNumbers const& numbers, std::vector<Keys> const& layers) {
  struct Part {
    char const* label;
    std::vector<std::size_t> measures;
  };
  static std::vector<Part> const parts{{"pattern, subject's last token", {5}},
                                       {"value, subject's last token", {6}},
                                       {"interaction, subject's last token", {7}},
                                       {"pattern, elsewhere", {8}},
                                       {"value, elsewhere", {9}},
                                       {"interaction, elsewhere", {10}},
                                       {"all", {5, 6, 7, 8, 9, 10}}};
  auto table = begin(shift_name, "", "part", Show::numbers);
  for (auto const* kind : group_.kinds) {
    if (kind->kind != ConditionKind::original) table.columns.push_back(label_of(*kind, numbers, {{"", layers}}));
  }
  for (auto const& [label, measures] : parts) {
    auto& row = table.rows.emplace_back();
    row.label = label;
    for (auto const* kind : group_.kinds) {
      if (kind->kind == ConditionKind::original) continue;
      auto const by_model = numbers_of(numbers, *kind, layers, [&measures = measures](auto const& n) {
        double sum = 0;
        for (auto const which : measures) sum += n[which];
        return sum;
      });
      auto const estimate = by_model.empty() ? std::nullopt : bootstrap_.estimate(NumbersOfModels(by_model), kind->planned);
      row.cells.push_back(estimate ? std::optional(AnalysisCell{*estimate}) : std::nullopt);
    }
  }
  if (has_numbers(table)) report_.tables.push_back(std::move(table));
}

}  // namespace onemask
