#include "report/perplexity.hpp"

#include "report/cells.hpp"
#include "report/study_parts.hpp"
#include <onemask/core/reserved_names.hpp>
#include <onemask/report/text_table.hpp>
#include <onemask/statistics/resampling.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/core.h>

namespace onemask {

Perplexities::Perplexities(StudyFile const& study) {
  if (!study.tables.contains("perplexity")) return;
  auto const& table = need_table(study, "perplexity");
  auto const& condition = table.values<std::string>("condition");
  auto const& split = table.values<std::string>("split");
  auto const& perplexity = table.values<double>("perplexity");
  auto const& n = table.values<std::int64_t>("n");
  auto const& planned = table.values<std::int64_t>("planned");
  auto const fact = table.find("fact") ? table.values<std::int64_t>("fact") : std::vector<std::int64_t>(table.rows(), -1);
  for (std::size_t row = 0; row < table.rows(); ++row) {
    if (std::find(splits_.begin(), splits_.end(), split[row]) == splits_.end()) splits_.push_back(split[row]);
    Value const value{perplexity[row], n[row], planned[row]};
    if (fact[row] >= 0) {
      of_facts_[{condition[row], split[row]}].push_back(value);
    } else {
      values_.insert_or_assign({condition[row], split[row]}, value);
    }
  }
}

std::vector<Perplexities::Value> Perplexities::values(ModelKind const& kind, std::string const& split) const {
  std::vector<Value> values;
  for (auto const& model : kind.models) {
    if (auto const found = values_.find({model.name, split}); found != values_.end()) values.push_back(found->second);
  }
  return values;
}

bool Perplexities::planned(ModelKind const& kind, std::string const& split) const {
  return !values(kind, split).empty();
}

std::vector<Perplexities::Value> Perplexities::whole(ModelKind const& kind, std::string const& split) const {
  auto all = values(kind, split);
  std::erase_if(all, [](auto const& value) { return value.n < value.planned; });
  return all;
}

std::size_t Perplexities::scored(ModelKind const& kind, std::string const& split) const {
  return whole(kind, split).size();
}

std::optional<double> Perplexities::mean(ModelKind const& kind, std::string const& split) const {
  auto const all = whole(kind, split);
  if (all.empty()) return std::nullopt;
  double sum = 0;
  for (auto const& value : all) sum += value.perplexity;
  return sum / static_cast<double>(all.size());
}

std::optional<double> Perplexities::ratio(EditedModels const& edits, ModelKind const& kind, std::string const& split) const {
  auto const* const original = edits.find(ConditionKind::original, "");
  auto const before = original ? mean(*original, every_split) : std::nullopt;
  auto const after = mean(kind, split);
  if (!before || !after || !std::isfinite(*after / *before)) return std::nullopt;
  return *after / *before;
}

std::optional<Perplexities::SingleEdits> Perplexities::single_edits(EditedModels const& edits, ModelKind const& kind,
                                                                    std::string const& split) const {
  auto const* const original = edits.find(ConditionKind::original, "");
  auto const before = original ? mean(*original, every_split) : std::nullopt;
  std::vector<SingleEdits> models;
  for (auto const& model : kind.models) {
    auto const found = of_facts_.find({model.name, split});
    if (found == of_facts_.end()) continue;
    std::vector<double> values;
    for (auto const& value : found->second) {
      constexpr auto infinite = std::numeric_limits<double>::infinity();  // where the model's numbers have left their range
      if (value.n == value.planned) values.push_back(std::isnan(value.perplexity) ? infinite : value.perplexity);
    }
    if (values.empty() || !before) continue;
    auto const n = std::ssize(values);
    SeededScores const scores{1, values};
    auto const high = std::count_if(values.begin(), values.end(), [&](double value) { return value > 2 * *before; });
    models.push_back({median(values), scores.mean(), interval_of_mean(scores), static_cast<double>(high) / static_cast<double>(n),
                      clopper_pearson(high, n), n, std::ssize(found->second)});
  }
  if (models.empty()) return std::nullopt;
  SingleEdits all{0, 0, {0, 0}, 0, {0, 0}, models.front().n, models.front().planned};
  for (auto const& model : models) {
    auto const part = 1 / static_cast<double>(models.size());
    all.median += part * model.median, all.mean += part * model.mean, all.high += part * model.high;
    all.interval.low += part * model.interval.low, all.interval.high += part * model.interval.high;
    all.interval_of_high.low += part * model.interval_of_high.low;
    all.interval_of_high.high += part * model.interval_of_high.high;
    all.n = std::min(all.n, model.n);
  }
  return all;
}

std::string Perplexities::counts(ModelKind const& kind, std::string const& split) const {
  std::int64_t n = 0, planned = 0;
  for (auto const& value : values(kind, split)) {
    n += value.n;
    planned += value.planned;
  }
  return fmt::format("{}/{}", n, planned);
}

std::vector<DocumentBlock> perplexity_blocks(Perplexities const& perplexities, Summary const& summary) {
  std::vector<DocumentBlock> blocks;
  for (auto const& edits : summary.edits()) {
    TextTable table;
    table.add({"model", "perplexity", "ratio", "tokens/planned"});
    bool any = false;
    for (auto const& split : perplexities.splits()) {
      for (auto const& kind : edits.kinds) {
        if (!perplexities.planned(kind, split)) continue;
        any = true;
        auto const mean = perplexities.mean(kind, split), ratio = perplexities.ratio(edits, kind, split);
        table.add({label_of(kind, perplexities.scored(kind, split)) + (split == every_split ? "" : ", facts of " + split),
                   mean ? number(*mean, 3) : "-", ratio ? number(*ratio, 3) : "-", perplexities.counts(kind, split)});
      }
    }
    if (any) blocks.push_back({"Perplexity" + (edits.edits.empty() ? "" : ", " + edits.edits), std::move(table), ""});
  }
  return blocks;
}

std::vector<DocumentBlock> single_edit_blocks(Perplexities const& perplexities, Summary const& summary) {
  std::vector<DocumentBlock> blocks;
  for (auto const& edits : summary.edits()) {
    TextTable table;
    table.add({"model", "median", "mean", "95 % interval", "above 2x %", "95 % interval", "n/planned"});
    bool any = false;
    for (auto const& split : perplexities.splits()) {
      for (auto const& kind : edits.kinds) {
        auto const of = perplexities.single_edits(edits, kind, split);
        if (!of) continue;
        any = true;
        table.add({label_of(kind, kind.models.size()) + ", facts of " + split, number(of->median, 3), number(of->mean, 3),
                   "[" + number(of->interval.low, 3) + ", " + number(of->interval.high, 3) + "]", percent(of->high),
                   "[" + percent(of->interval_of_high.low) + ", " + percent(of->interval_of_high.high) + "]",
                   fmt::format("{}/{}", of->n, of->planned)});
      }
    }
    if (any)
      blocks.push_back({"Perplexity of single edits" + (edits.edits.empty() ? "" : ", " + edits.edits), std::move(table), ""});
  }
  return blocks;
}

}  // namespace onemask
