#pragma once

#include "report/fact_scores.hpp"
#include "report/summary.hpp"
#include <onemask/statistics/paired_tests.hpp>
#include <onemask/statistics/resampling.hpp>

#include <optional>
#include <string>
#include <vector>

namespace onemask {

/// "mask.seed=0"; "" of a model without a mask, and where all masks of the study have one seed.
std::string seed_of(ScoredModel const& model);

/// Models of one kind that differ in their seed at most.
struct SeededModels {
  ConditionKind kind;
  std::vector<ScoredModel> models;
};

/// The facts that two kinds of models are scored on alike, and their scores there.
struct PairedScores {
  std::vector<std::size_t> facts;  ///< places in the study
  std::size_t seeds;               ///< pairs of models
  std::size_t seeds_planned;
  SeededScores a, b;                ///< one column where the kind has one model
  SeededScores difference() const;  ///< a - b
};

/// Masks are paired by their seeds, and a single model is paired with every other one. Facts that lack a finite score under one
/// of the models are left out; models without any score in the split are. `wanted` says which facts of the study may be taken.
/// Nothing where no fact or seed is common. Throws UserError where both kinds have several models without a common seed.
std::optional<PairedScores> pair_scores(FactScores const& scores, SeededModels const& a, SeededModels const& b,
                                        FactMetric const& metric, PromptKind prompts, std::vector<bool> const& wanted);

/// How often two yes/no scores agree, over facts and seeds; nothing where a score is neither 0 nor 1.
std::optional<PairedCounts> paired_counts(PairedScores const& scores);

/// Of a difference of yes/no scores: McNemar's where there is one seed, else that of the bootstrap over facts and seeds.
double p_of_yes_no(PairedScores const& scores);
/// Newcombe's interval of the difference where it is the same for all facts and seeds, so that resamples are alike; `independent`
/// of them count. Nothing elsewhere.
std::optional<Interval> interval_of_alike(PairedCounts const& counts, std::int64_t independent);
/// 95 % of the same difference: Newcombe's where there is one seed, else that of the bootstrap over facts and seeds, or
/// interval_of_alike.
Interval interval_of_yes_no(PairedScores const& scores);

}  // namespace onemask
