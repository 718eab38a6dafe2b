#include <onemask/core/random.hpp>
#include <onemask/eval/aggregate.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <optional>

namespace onemask {
namespace {

constexpr std::size_t resamples = 1000;

using Value = std::function<double(PromptMetrics const&)>;

/// A fact's mean of a value over its prompts of one kind, as part of a metric.
struct Part {
  PromptKind kind;
  Value value;
};

/// A mean over facts; of several parts the harmonic mean of their means, over the facts that have them all.
struct Metric {
  char const* prompts;
  char const* name;
  std::vector<Part> parts;
};

/// log P per token of an object, in nats.
double true_per_token(PromptMetrics const& row) {
  return row.lp_true / static_cast<double>(row.tokens_true);
}
double new_per_token(PromptMetrics const& row) {
  return row.lp_new / static_cast<double>(row.tokens_new);
}

double edit_succeeds(PromptMetrics const& row) {
  return new_per_token(row) > true_per_token(row) ? 1 : 0;
}
double edit_magnitude(PromptMetrics const& row) {
  return std::exp(new_per_token(row)) - std::exp(true_per_token(row));
}
double neighbor_stays(PromptMetrics const& row) {
  return true_per_token(row) > new_per_token(row) ? 1 : 0;
}

std::vector<Metric> all_metrics() {
  std::vector<Metric> metrics;
  for (auto const& [kind, prompts] :
       {std::pair(PromptKind::rewrite, "rewrite"), std::pair(PromptKind::paraphrase, "paraphrase")}) {
    auto const add = [&](char const* name, Value const& value) { metrics.push_back({prompts, name, {{kind, value}}}); };
    add("rsr", [](auto const& r) { return r.lp_true > r.lp_new ? 1 : 0; });
    add("rsm", [](auto const& r) { return r.lp_true - r.lp_new; });
    add("kl", [](auto const& r) { return r.kl; });
    add("top1_changed", [](auto const& r) { return static_cast<double>(r.top1_changed); });
    add("p_true", [](auto const& r) { return std::exp(r.lp_true); });
    add("p_new", [](auto const& r) { return std::exp(r.lp_new); });
    add("overlap5", [](auto const& r) { return r.overlap5; });
    add("overlap10", [](auto const& r) { return r.overlap10; });
    add("overlap100", [](auto const& r) { return r.overlap100; });
    add("success", edit_succeeds);
    add("magnitude", edit_magnitude);
  }
  metrics.push_back({"neighborhood", "success", {{PromptKind::neighborhood, neighbor_stays}}});
  metrics.push_back(
      {"neighborhood", "magnitude", {{PromptKind::neighborhood, [](auto const& r) { return -edit_magnitude(r); }}}});
  metrics.push_back({"all",
                     "score",
                     {{PromptKind::rewrite, edit_succeeds},
                      {PromptKind::paraphrase, edit_succeeds},
                      {PromptKind::neighborhood, neighbor_stays}}});
  return metrics;
}

bool has_prompts(FactPlace const& fact, PromptKind kind) {
  return kind == PromptKind::rewrite || (kind == PromptKind::paraphrase ? fact.has_paraphrases : fact.has_neighborhood);
}

/// A group's facts that are averaged together.
struct Group {
  std::string split, relation;
  std::vector<std::size_t> facts;
};

std::vector<Group> make_groups(std::vector<FactPlace> const& facts) {
  std::vector<Group> groups;
  std::map<std::pair<std::string, std::string>, std::size_t> index;
  auto const add = [&](std::string const& split, std::string const& relation, std::size_t fact) {
    auto const [found, is_new] = index.try_emplace({split, relation}, groups.size());
    if (is_new) groups.push_back({split, relation, {}});
    groups[found->second].facts.push_back(fact);
  };
  for (std::size_t f = 0; f < facts.size(); ++f) {
    add(facts[f].split, "all", f);
    add(facts[f].split, facts[f].relation, f);
  }
  return groups;
}

/// By fact; nothing where no prompt of the kind is scored.
using FactMeans = std::vector<std::optional<double>>;

FactMeans means_by_fact(std::vector<PromptMetrics const*> const& rows, Part const& part, std::size_t facts) {
  FactMeans means(facts);
  std::vector<double> counts(facts);
  for (auto const* row : rows) {
    auto const fact = static_cast<std::size_t>(row->fact);
    if (row->kind != part.kind || fact >= facts) continue;
    means[fact] = means[fact].value_or(0) + part.value(*row);
    counts[fact] += 1;
  }
  for (std::size_t f = 0; f < facts; ++f) {
    if (means[f]) *means[f] /= counts[f];
  }
  return means;
}

/// How often each of n facts is drawn in each resample, [resamples][n]: the same for every metric and condition of n facts.
std::vector<std::vector<double>> draw(std::size_t n) {
  RandomStream random({stream::bootstrap, n});
  std::vector<std::vector<double>> weights(resamples, std::vector<double>(n));
  for (auto& weight : weights) {
    for (std::size_t i = 0; i < n; ++i) weight[random.below(n)] += 1;
  }
  return weights;
}

/// One value per fact.
using Series = std::vector<double>;

double mean(Series const& series, std::vector<double> const& weights) {
  double sum = 0;
  for (std::size_t i = 0; i < series.size(); ++i) sum += weights[i] * series[i];
  return sum / static_cast<double>(series.size());
}

/// Harmonic mean of the means of several series; of a single one its mean.
double combined_mean(std::vector<Series> const& parts, std::vector<double> const& weights) {
  if (parts.size() == 1) return mean(parts.front(), weights);
  double inverse = 0;  // infinite where a mean is 0
  for (auto const& series : parts) inverse += 1 / mean(series, weights);
  return static_cast<double>(parts.size()) / inverse;
}

/// Mean and interval of series over the same facts, at least one.
void estimate(SummaryRow& row, std::vector<Series> const& parts, std::vector<std::vector<double>> const& weights) {
  row.mean = combined_mean(parts, std::vector<double>(parts.front().size(), 1));
  if (!std::isfinite(row.mean)) return;
  std::vector<double> means;
  for (auto const& weight : weights) means.push_back(combined_mean(parts, weight));
  std::sort(means.begin(), means.end());
  row.low = means[resamples * 25 / 1000];
  row.high = means[resamples * 975 / 1000 - 1];
}

}  // namespace

std::vector<SummaryRow> aggregate(std::vector<PromptMetrics> const& rows, std::vector<FactPlace> const& facts,
                                  std::vector<std::string> const& conditions) {
  auto const metrics = all_metrics();
  auto const groups = make_groups(facts);
  std::map<std::int64_t, std::vector<PromptMetrics const*>> rows_of;
  for (auto const& row : rows) rows_of[row.condition].push_back(&row);

  constexpr auto unknown = std::numeric_limits<double>::quiet_NaN();
  std::map<std::size_t, std::vector<std::vector<double>>> weights;
  std::vector<SummaryRow> summary;
  for (std::size_t c = 0; c < conditions.size(); ++c) {
    std::vector<std::vector<FactMeans>> means;  // of each part of each metric
    for (auto const& metric : metrics) {
      means.emplace_back();
      for (auto const& part : metric.parts)
        means.back().push_back(means_by_fact(rows_of[static_cast<std::int64_t>(c)], part, facts.size()));
    }
    for (auto const& group : groups) {
      for (std::size_t m = 0; m < metrics.size(); ++m) {
        auto const& [prompts, name, parts] = metrics[m];
        SummaryRow row{conditions[c], group.split, group.relation, prompts, name, unknown, unknown, unknown, 0, 0};
        std::vector<Series> series(parts.size());
        for (auto fact : group.facts) {
          row.planned += std::all_of(parts.begin(), parts.end(), [&](auto const& p) { return has_prompts(facts[fact], p.kind); });
          if (!std::all_of(means[m].begin(), means[m].end(), [&](auto const& of) { return of[fact].has_value(); })) continue;
          row.n += 1;
          for (std::size_t p = 0; p < parts.size(); ++p) series[p].push_back(*means[m][p][fact]);
        }
        if (row.planned == 0) continue;
        if (row.n > 0) {
          auto const n = series.front().size();
          if (!weights.contains(n)) weights[n] = draw(n);
          estimate(row, series, weights[n]);
        }
        summary.push_back(std::move(row));
      }
    }
  }
  return summary;
}

}  // namespace onemask
