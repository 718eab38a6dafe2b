#include "report/condition_choice.hpp"
#include "report/fact_scores.hpp"
#include "report/paired_scores.hpp"
#include "report/study_parts.hpp"
#include "report/summary.hpp"
#include <onemask/core/error.hpp>
#include <onemask/core/reserved_names.hpp>
#include <onemask/core/text.hpp>
#include <onemask/report/comparison.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include <fmt/core.h>

namespace onemask {
namespace {

constexpr auto no_number = std::numeric_limits<double>::quiet_NaN();

double variance(std::vector<double> const& values) {
  auto const n = static_cast<double>(values.size());
  auto const mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0;
  for (auto const value : values) squares += (value - mean) * (value - mean);
  return squares / (n - 1);
}

/// By bootstrap over facts, from the means of the differences and of their squares.
Interval interval_of_dz(std::vector<double> const& differences, std::vector<std::size_t> const& clusters) {
  auto squares = differences;
  for (auto& value : squares) value *= value;
  auto const means = Resampling(differences.size(), 1, clusters, resamples_of_intervals).means({{1, differences}, {1, squares}});
  auto const n = static_cast<double>(differences.size());
  std::vector<double> dz;
  for (std::size_t r = 0; r < means[0].size(); ++r)
    dz.push_back(means[0][r] / std::sqrt((means[1][r] - means[0][r] * means[0][r]) * n / (n - 1)));
  auto const finite = std::all_of(dz.begin(), dz.end(), [](double value) { return std::isfinite(value); });
  return finite ? percentile_interval(std::move(dz)) : Interval{no_number, no_number};
}

/// Numbers of the facts' relations, 0 … .
std::vector<std::size_t> clusters_of(FactScores const& scores, std::vector<std::size_t> const& facts) {
  std::map<std::string, std::size_t> numbers;
  std::vector<std::size_t> clusters;
  for (auto const fact : facts) clusters.push_back(numbers.try_emplace(scores.relations()[fact], numbers.size()).first->second);
  return clusters;
}

/// Fills in all but what names the comparison and Holm's p.
void measure(Comparison& c, PairedScores const& scores, std::vector<std::size_t> const& clusters) {
  auto const difference = scores.difference();
  auto const by_fact = difference.by_fact();
  auto const facts = scores.facts.size();
  auto const n = static_cast<double>(facts);
  c.n = static_cast<std::int64_t>(facts), c.seeds = scores.seeds, c.seeds_planned = scores.seeds_planned;
  c.relations = clusters.empty() ? 0 : *std::max_element(clusters.begin(), clusters.end()) + 1;
  bool const by_bootstrap = scores.seeds > 1 || !clusters.empty();
  auto const resampled = Resampling(facts, scores.seeds, clusters, by_bootstrap ? resamples_of_p : resamples_of_intervals)
                             .means({scores.a, scores.b});
  std::vector<double> differences;
  for (std::size_t r = 0; r < resampled[0].size(); ++r) differences.push_back(resampled[0][r] - resampled[1][r]);
  c.mean_a = {scores.a.mean(), percentile_interval(resampled[0]), median(scores.a.by_fact())};
  c.mean_b = {scores.b.mean(), percentile_interval(resampled[1]), median(scores.b.by_fact())};
  c.difference = {difference.mean(), percentile_interval(differences), median(by_fact)};
  auto const uncertainty = variance(differences);
  c.effective_n = uncertainty > 0 && difference.values.size() > 1 ? variance(difference.values) / uncertainty : n;
  if (c.yes_no) {
    auto const independent = clusters.empty() ? c.n : static_cast<std::int64_t>(c.relations);
    for (auto* mean : {&c.mean_a, &c.mean_b}) mean->interval = interval_of_share(mean->mean, mean->interval, independent);
    c.counts = paired_counts(scores);
    if (c.counts) c.difference.interval = interval_of_alike(*c.counts, independent).value_or(c.difference.interval);
  }
  auto const ranks = wilcoxon(by_fact);
  c.rank_biserial = ranks.rank_biserial, c.dz = cohens_dz(by_fact);
  c.dz_interval = interval_of_dz(by_fact, clusters);
  if (by_bootstrap) {
    c.test = scores.seeds > 1 ? "two-way bootstrap" : "bootstrap";
    c.p = bootstrap_p(differences, clusters.empty() ? facts : c.relations);
  } else if (c.counts) {
    c.test = "McNemar, exact", c.p = mcnemar_exact(*c.counts);
    c.mean_a.interval = clopper_pearson(c.counts->both + c.counts->only_a, c.n);
    c.mean_b.interval = clopper_pearson(c.counts->both + c.counts->only_b, c.n);
    c.difference.interval = paired_share_difference(*c.counts);
  } else {
    c.test = ranks.exact ? "Wilcoxon, exact" : "Wilcoxon, normal", c.p = ranks.p;
  }
}

/// Facts of a subset, under the models of a way of editing.
std::vector<bool> facts_of(FactSubset subset, Summary const& summary, FactScores const& scores, std::string const& edits) {
  std::vector<bool> all(scores.splits().size(), true);
  if (subset == FactSubset::all) return all;
  auto const wanted = subset == FactSubset::known ? ConditionKind::original : ConditionKind::edited;
  for (auto const& of : summary.edits()) {
    auto const* const kind = of.edits == edits ? of.find(wanted, "") : nullptr;
    if (kind == nullptr) continue;
    auto const& name = kind->models.front().name;
    auto const outcomes = scores.outcomes(name);
    auto const member = subset == FactSubset::known  ? &FactScores::Outcome::known
                        : subset == FactSubset::took ? &FactScores::Outcome::took
                                                     : &FactScores::Outcome::took_top1;
    for (std::size_t fact = 0; fact < all.size(); ++fact) all[fact] = outcomes[fact].*member;
    return all;
  }
  throw UserError("The study has no condition '" + to_string(wanted) + "', by which these facts are chosen; compare all facts.");
}

std::vector<std::string> splits_of(Summary const& summary, std::vector<std::string> const& wanted) {
  std::vector<std::string> splits;
  for (auto const& group : summary.splits()) splits.push_back(group.split);
  for (auto const& split : wanted) {
    if (std::find(splits.begin(), splits.end(), split) == splits.end())
      throw UserError(fmt::format("The study has no split '{}'.{} It has: {}.", split, did_you_mean(split, splits),
                                  join(splits, ", ", [](auto const& s) { return s; })));
  }
  std::erase_if(splits, [&](auto const& split) {
    return !wanted.empty() && std::find(wanted.begin(), wanted.end(), split) == wanted.end();
  });
  return splits;
}

std::vector<std::string> once_each(std::vector<std::string> const& names) {
  std::vector<std::string> once;
  for (auto const& name : names) {
    if (std::find(once.begin(), once.end(), name) == once.end()) once.push_back(name);
  }
  return once;
}

PromptKind prompts_of(std::string const& name) {
  if (auto const prompts = value_of(prompt_kind_names, name)) return *prompts;
  throw UserError(fmt::format("There are no '{}' prompts; choose one of: {}.", name, all_names(prompt_kind_names)));
}

/// The setting under "evaluation." that gives a study the scores of a metric that not every one has.
std::string setting_of(FactMetric const& metric) {
  std::string const column = metric.column;
  if (column == "entropy") return column;
  return column.starts_with("gen_") ? "generate" : "token_accuracy";
}

/// Facts of the split that have such prompts.
std::int64_t planned_facts(Summary const& summary, FactScores const& scores, std::string const& split, std::string const& prompts,
                           SeededModels const& models) {
  for (auto const& model : models.models) {
    if (auto const found = summary.find(model.name, {split, every_relation}, prompts, "success")) return found->planned;
  }
  return std::count(scores.splits().begin(), scores.splits().end(), split);
}

}  // namespace

std::vector<Comparison> compare(StudyFile const& study, ComparisonRequest const& request) {
  Summary const summary(study);
  FactScores const scores(study);
  auto const prompts = prompts_of(request.prompts);
  auto const splits = splits_of(summary, request.splits);
  std::vector<Comparison> comparisons;
  for (auto const& [a, b] : choose_pairs(summary, request.a, request.b)) {
    auto const subset = facts_of(request.facts, summary, scores, b.edits);
    for (auto const& split : splits) {
      auto wanted = subset;
      for (std::size_t fact = 0; fact < wanted.size(); ++fact) wanted[fact] = wanted[fact] && scores.splits()[fact] == split;
      for (auto const& name : once_each(request.metrics)) {
        auto const& metric = fact_metric(name, prompts);
        if (!scores.has(metric))
          throw UserError(fmt::format("The study has no '{}': it was run without evaluation.{}.", name, setting_of(metric)));
        auto const paired = pair_scores(scores, a.models, b.models, metric, prompts, wanted);
        if (!paired) continue;
        Comparison comparison{};
        comparison.edits = a.edits, comparison.split = split, comparison.a = a.label, comparison.b = b.label;
        comparison.metric = name, comparison.yes_no = metric.yes_no;
        comparison.planned = planned_facts(summary, scores, split, request.prompts, b.models);
        measure(comparison, *paired, request.cluster_relations ? clusters_of(scores, paired->facts) : std::vector<std::size_t>{});
        comparisons.push_back(std::move(comparison));
      }
    }
  }
  if (comparisons.empty())
    throw UserError(fmt::format("No fact of these splits is scored under both '{}' and '{}'{}; there is nothing to compare.",
                                request.a, request.b,
                                request.facts == FactSubset::all ? "" : ", among those that were asked for"));
  std::vector<double> p;
  for (auto const& comparison : comparisons) p.push_back(comparison.p);
  auto const adjusted = holm(p);
  for (std::size_t i = 0; i < comparisons.size(); ++i) comparisons[i].p_holm = adjusted[i];
  return comparisons;
}

std::set<std::string> const& tables_of_comparisons() {
  static std::set<std::string> const tables{"conditions", "summary", "facts", "metrics"};
  return tables;
}

}  // namespace onemask
