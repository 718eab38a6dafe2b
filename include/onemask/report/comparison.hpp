#pragma once

#include <onemask/core/names.hpp>
#include <onemask/statistics/paired_tests.hpp>
#include <onemask/store/study_file.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace onemask {

/// Which facts are compared: all, those whose true object the unedited model finds likeliest, or those whose edit took, which is
/// that the edited model finds the new object likelier than the true one; took-top-1: likelier than any other, by its first
/// token.
enum class FactSubset { all, known, took, took_top1 };
inline constexpr std::array<Named<FactSubset>, 4> fact_subset_names{
    {{FactSubset::all, "all"}, {FactSubset::known, "known"}, {FactSubset::took, "took"}, {FactSubset::took_top1, "took-top-1"}}};

/// What to compare. Conditions are named by their names in the table "conditions", or by their kind or its name in tables
/// ("mask", "edited + mask"): these are all of its models, of every way of editing and setting of masks. Behind a comma stand
/// words of these that choose among them: "mask, mask.threshold=0.7 mask.seed=0".
struct ComparisonRequest {
  std::string a, b;
  std::vector<std::string> splits;                                 ///< none: all
  std::vector<std::string> metrics{"rsr", "rsm", "p_true", "kl"};  ///< of the table "summary", or "confidence" (see FactMetric)
  std::string prompts = "rewrite";
  FactSubset facts = FactSubset::all;
  bool cluster_relations = false;  ///< resample relations instead of facts
};

/// A mean over facts with its 95 % interval, and the median over facts of their means over seeds.
struct ComparedMean {
  double mean;
  Interval interval;
  double median;
};

/// Two kinds of models on the same facts. With one model of each: Clopper and Pearson's intervals, Newcombe's of the difference
/// and McNemar's test of a yes/no score; else bootstrap intervals and Wilcoxon's test. Several seeds, or clusters: the bootstrap
/// over facts (or relations) and seeds together gives intervals and p; but yes/no scores that are the same for all facts have
/// Clopper and Pearson's, and Newcombe's, of as many facts (or relations).
struct Comparison {
  std::string edits, split, a, b, metric;  ///< edits: the way of editing, "" for the only one
  bool yes_no;
  std::int64_t n, planned;           ///< facts that both are scored on, and facts of the split
  std::size_t seeds, seeds_planned;  ///< pairs of models that differ in their seed
  std::size_t relations;             ///< that were resampled; 0: facts were
  /// Of independent scores of one fact under one seed, whose mean would be as uncertain as that of the differences.
  double effective_n;
  ComparedMean mean_a, mean_b, difference;
  std::optional<PairedCounts> counts;  ///< of yes/no scores, over facts and seeds
  double rank_biserial, dz;            ///< of the differences by fact, which are means over seeds
  Interval dz_interval;                ///< by bootstrap over facts (or relations)
  std::string test;
  double p, p_holm;  ///< p_holm: by Holm over all comparisons that are made together
};

/// Every metric in every split that has common facts. Throws UserError, naming what there is, for a condition, split or metric
/// that the study does not have, and where no fact is scored under both.
std::vector<Comparison> compare(StudyFile const& study, ComparisonRequest const& request);

/// "edited + mask gives back 8 of 100 facts more [2, 14] than edited (p = 0.01)."
std::string verdict(Comparison const& comparison);

/// For people, in lines of UTF-8 that end in '\n'.
std::string format_comparisons(StudyFile const& study, ComparisonRequest const& request,
                               std::vector<Comparison> const& comparisons);
/// A row for each, after the study's status; for to_csv and to_json. McNemar's table is -1 where a score is not yes/no.
Table comparison_table(StudyFile const& study, ComparisonRequest const& request, std::vector<Comparison> const& comparisons);

/// Columns of study.h5 that comparisons need, as read_study_file takes them.
std::set<std::string> const& tables_of_comparisons();

}  // namespace onemask
