#include "report/paired_scores.hpp"

#include <onemask/core/error.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/core/text.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/core.h>

namespace onemask {
namespace {

using ModelPairs = std::vector<std::pair<ScoredModel const*, ScoredModel const*>>;

ModelPairs pairs_of(SeededModels const& a, SeededModels const& b) {
  ModelPairs pairs;
  for (auto const& one : a.models) {
    for (auto const& other : b.models) {
      if (seed_of(one) == seed_of(other)) pairs.emplace_back(&one, &other);
    }
  }
  if (!pairs.empty()) return pairs;
  if (a.models.size() > 1 && b.models.size() > 1)
    throw UserError(
        fmt::format("'{}' and '{}' belong to masks that have no seed in common, so that they cannot be paired; name one "
                    "seed of each.",
                    a.models.front().name, b.models.front().name));
  for (auto const& one : a.models) {
    for (auto const& other : b.models) pairs.emplace_back(&one, &other);
  }
  return pairs;
}

/// Values of facts under models: [models][facts].
using Values = std::vector<std::vector<double>>;

/// Of the facts, under each model once where they are several.
SeededScores scores_of(Values const& values, std::vector<std::size_t> const& facts, bool single) {
  SeededScores scores{single ? 1 : values.size(), {}};
  for (auto const fact : facts) {
    for (std::size_t seed = 0; seed < scores.seeds; ++seed) scores.values.push_back(values[seed][fact]);
  }
  return scores;
}

}  // namespace

std::string seed_of(ScoredModel const& model) {
  for (auto const& word : split_text(model.point, ' ')) {
    if (word.starts_with("mask.seed=")) return word;
  }
  return "";
}

SeededScores PairedScores::difference() const {
  SeededScores result{seeds, {}};
  for (std::size_t fact = 0; fact < facts.size(); ++fact) {
    for (std::size_t seed = 0; seed < seeds; ++seed)
      result.values.push_back(a.values[fact * a.seeds + seed % a.seeds] - b.values[fact * b.seeds + seed % b.seeds]);
  }
  return result;
}

std::optional<PairedScores> pair_scores(FactScores const& scores, SeededModels const& a, SeededModels const& b,
                                        FactMetric const& metric, PromptKind prompts, std::vector<bool> const& wanted) {
  auto const pairs = pairs_of(a, b);
  Values of_a, of_b;
  auto const is_scored = [&](std::vector<double> const& values) {
    for (std::size_t fact = 0; fact < values.size(); ++fact) {
      if (wanted[fact] && std::isfinite(values[fact])) return true;
    }
    return false;
  };
  for (auto const& [one, other] : pairs) {
    auto values = scores.means(one->name, a.kind, metric, prompts);
    auto others = scores.means(other->name, b.kind, metric, prompts);
    if (!is_scored(values) || !is_scored(others)) continue;
    of_a.push_back(std::move(values)), of_b.push_back(std::move(others));
  }
  if (of_a.empty()) return std::nullopt;
  PairedScores result{{}, of_a.size(), std::max(a.models.size(), b.models.size()), {}, {}};
  for (std::size_t fact = 0; fact < wanted.size(); ++fact) {
    auto const has = [&](auto const& values) { return std::isfinite(values[fact]); };
    if (wanted[fact] && std::all_of(of_a.begin(), of_a.end(), has) && std::all_of(of_b.begin(), of_b.end(), has))
      result.facts.push_back(fact);
  }
  if (result.facts.empty()) return std::nullopt;
  result.a = scores_of(of_a, result.facts, a.models.size() == 1);
  result.b = scores_of(of_b, result.facts, b.models.size() == 1);
  return result;
}

std::optional<PairedCounts> paired_counts(PairedScores const& scores) {
  PairedCounts counts;
  for (std::size_t fact = 0; fact < scores.facts.size(); ++fact) {
    for (std::size_t seed = 0; seed < scores.seeds; ++seed) {
      auto const a = scores.a.values[fact * scores.a.seeds + seed % scores.a.seeds];
      auto const b = scores.b.values[fact * scores.b.seeds + seed % scores.b.seeds];
      if ((a != 0 && a != 1) || (b != 0 && b != 1)) return std::nullopt;
      ++(a == 1 ? (b == 1 ? counts.both : counts.only_a) : (b == 1 ? counts.only_b : counts.neither));
    }
  }
  return counts;
}

double p_of_yes_no(PairedScores const& scores) {
  if (auto const counts = paired_counts(scores); counts && scores.seeds == 1) return mcnemar_exact(*counts);
  return bootstrap_p(Resampling(scores.facts.size(), scores.seeds, {}, resamples_of_p).means({scores.difference()}).front(),
                     scores.facts.size());
}

std::optional<Interval> interval_of_alike(PairedCounts const& counts, std::int64_t independent) {
  auto const all = counts.n();
  if (counts.only_a == all) return paired_share_difference({0, independent, 0, 0});
  if (counts.only_b == all) return paired_share_difference({0, 0, independent, 0});
  if (counts.only_a + counts.only_b > 0) return std::nullopt;
  auto const both = std::llround(static_cast<double>(counts.both * independent) / static_cast<double>(all));
  return paired_share_difference({both, 0, 0, independent - both});
}

Interval interval_of_yes_no(PairedScores const& scores) {
  if (auto const counts = paired_counts(scores)) {
    if (scores.seeds == 1) return paired_share_difference(*counts);
    if (auto const alike = interval_of_alike(*counts, std::ssize(scores.facts))) return *alike;
  }
  return interval_of_mean(scores.difference(), resamples_of_p);
}

}  // namespace onemask
