#include <onemask/core/random.hpp>
#include <onemask/eval/aggregate.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>

namespace onemask {
namespace {

constexpr std::size_t resamples = 1000;

struct Metric {
  char const* name;
  std::function<double(PromptMetrics const&)> value;
};

std::vector<Metric> const& metrics() {
  static std::vector<Metric> const all{{"rsr", [](auto const& r) { return r.lp_true > r.lp_new ? 1.0 : 0.0; }},
                                       {"rsm", [](auto const& r) { return r.lp_true - r.lp_new; }},
                                       {"kl", [](auto const& r) { return r.kl; }},
                                       {"top1_changed", [](auto const& r) { return static_cast<double>(r.top1_changed); }},
                                       {"p_true", [](auto const& r) { return std::exp(r.lp_true); }},
                                       {"p_new", [](auto const& r) { return std::exp(r.lp_new); }},
                                       {"overlap5", [](auto const& r) { return r.overlap5; }},
                                       {"overlap10", [](auto const& r) { return r.overlap10; }},
                                       {"overlap100", [](auto const& r) { return r.overlap100; }}};
  return all;
}

/// A group's facts that are averaged together.
struct Group {
  std::string split, relation;
  std::vector<std::int64_t> facts;
};

std::vector<Group> make_groups(std::vector<FactPlace> const& facts) {
  std::vector<Group> groups;
  std::map<std::pair<std::string, std::string>, std::size_t> index;
  auto const add = [&](std::string const& split, std::string const& relation, std::int64_t fact) {
    auto const [found, is_new] = index.try_emplace({split, relation}, groups.size());
    if (is_new) groups.push_back({split, relation, {}});
    groups[found->second].facts.push_back(fact);
  };
  for (std::size_t f = 0; f < facts.size(); ++f) {
    add(facts[f].split, "all", static_cast<std::int64_t>(f));
    add(facts[f].split, facts[f].relation, static_cast<std::int64_t>(f));
  }
  return groups;
}

/// Per fact: the mean of every metric over the fact's prompts of one kind under one condition.
using FactMeans = std::map<std::int64_t, std::vector<double>>;

FactMeans means_by_fact(std::vector<PromptMetrics const*> const& rows) {
  FactMeans sums;
  std::map<std::int64_t, double> counts;
  for (auto const* row : rows) {
    auto& sum = sums[row->fact];
    sum.resize(metrics().size());
    for (std::size_t m = 0; m < sum.size(); ++m) sum[m] += metrics()[m].value(*row);
    counts[row->fact] += 1;
  }
  for (auto& [fact, sum] : sums) {
    for (auto& value : sum) value /= counts[fact];
  }
  return sums;
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

void summarise(SummaryRow row, std::vector<std::vector<double>> const& series, std::vector<std::vector<double>> const& weights,
               std::vector<SummaryRow>& out) {
  auto const n = series.front().size();
  row.n = static_cast<std::int64_t>(n);
  row.mean = row.low = row.high = std::numeric_limits<double>::quiet_NaN();
  for (std::size_t m = 0; m < series.size(); ++m) {
    row.metric = metrics()[m].name;
    if (n == 0) {
      out.push_back(row);
      continue;
    }
    double sum = 0;
    for (auto value : series[m]) sum += value;
    row.mean = sum / static_cast<double>(n);
    std::vector<double> means(resamples);
    for (std::size_t r = 0; r < resamples; ++r) {
      double resampled = 0;
      for (std::size_t i = 0; i < n; ++i) resampled += weights[r][i] * series[m][i];
      means[r] = resampled / static_cast<double>(n);
    }
    if (std::isfinite(sum)) {
      std::sort(means.begin(), means.end());
      row.low = means[resamples * 25 / 1000];
      row.high = means[resamples * 975 / 1000 - 1];
    }
    out.push_back(row);
  }
}

}  // namespace

std::vector<SummaryRow> aggregate(std::vector<PromptMetrics> const& rows, std::vector<FactPlace> const& facts,
                                  std::vector<std::string> const& conditions) {
  std::map<std::pair<std::int64_t, bool>, std::vector<PromptMetrics const*>> by_kind;
  for (auto const& row : rows) by_kind[{row.condition, row.prompt > 0}].push_back(&row);
  std::map<std::pair<std::int64_t, bool>, FactMeans> means;
  for (auto const& [kind, some] : by_kind) means[kind] = means_by_fact(some);

  std::map<std::size_t, std::vector<std::vector<double>>> weights;
  std::vector<SummaryRow> summary;
  auto const groups = make_groups(facts);
  for (std::size_t c = 0; c < conditions.size(); ++c) {
    for (auto const& group : groups) {
      for (bool paraphrase : {false, true}) {
        SummaryRow row{conditions[c], group.split, group.relation, paraphrase ? "paraphrase" : "rewrite", {}, 0, 0, 0, 0, 0};
        row.planned = std::count_if(group.facts.begin(), group.facts.end(),
                                    [&](auto f) { return !paraphrase || facts[static_cast<std::size_t>(f)].has_paraphrases; });
        auto const& values = means[{static_cast<std::int64_t>(c), paraphrase}];
        std::vector<std::vector<double>> series(metrics().size());
        for (auto fact : group.facts) {
          auto const found = values.find(fact);
          if (found == values.end()) continue;
          for (std::size_t m = 0; m < series.size(); ++m) series[m].push_back(found->second[m]);
        }
        auto const n = series.front().size();
        if (row.planned == 0) continue;
        if (!weights.contains(n)) weights[n] = draw(n);
        summarise(row, series, weights[n], summary);
      }
    }
  }
  return summary;
}

}  // namespace onemask
