#pragma once

#include <onemask/report/estimate.hpp>
#include <onemask/settings/condition_kind.hpp>
#include <onemask/statistics/resampling.hpp>
#include <onemask/store/study_file.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace onemask {

/// The rows of the table "analyses" that differ in the seed of their mask alone.
struct AnalysedKind {
  ConditionKind kind;
  std::string edits, settings, split;  ///< settings "" of models without a mask
  std::vector<std::size_t> rows;       ///< of the table
  std::vector<std::string> points;     ///< study point of each
  std::int64_t planned = 0;            ///< facts
};

/// In the order of the table. Throws UserError when a column is missing, or a kind is not known.
std::vector<AnalysedKind> analysed_kinds(StudyFile const& study);

/// The models of one way of editing and one setting of the masks: the unedited one, and those of the others that there are.
struct AnalysisGroup {
  std::string edits, settings, split;
  std::vector<AnalysedKind const*> kinds;  ///< in the order of ConditionKind; the unedited model first

  AnalysedKind const* find(ConditionKind kind) const;
};

std::vector<AnalysisGroup> analysis_groups(std::vector<AnalysedKind> const& kinds);

/// Numbers of facts in one model, by fact.
using NumbersOfFacts = std::map<std::int64_t, double>;

/// Numbers that facts have in several models: [models][fact], of those that all of them have.
struct NumbersOfModels {
  std::vector<std::int64_t> facts;
  SeededScores scores;

  /// By model; none may be missing. Empty where they have no fact in common.
  explicit NumbersOfModels(std::vector<NumbersOfFacts> const& by_model);
};

/// Bootstrap over facts and seeds; resamples of a few sizes are kept.
class AnalysisBootstrap {
 public:
  /// `planned` facts; nothing where there is none.
  std::optional<Estimate> estimate(NumbersOfModels const& numbers, std::int64_t planned);
  /// Of the ratio of two means over the same facts and seeds.
  std::optional<Estimate> ratio(NumbersOfModels const& above, NumbersOfModels const& below, std::int64_t planned);

 private:
  static constexpr std::size_t most_sizes = 8;

  Resampling const& resampling(std::size_t facts, std::size_t seeds);

  std::map<std::pair<std::size_t, std::size_t>, Resampling> resamplings_;
};

/// A table of a study file with numbers by row of "analyses", fact and a few more keys, for look-ups.
class AnalysisNumbers {
 public:
  /// `keys` are columns of whole numbers or texts; `numbers` of real or whole numbers. Throws UserError when one is missing.
  AnalysisNumbers(StudyFile const& study, std::string const& table, std::vector<std::string> const& keys,
                  std::vector<std::string> const& numbers);

  /// The keys that there are, in their order of appearance.
  std::vector<std::vector<std::string>> const& keys() const { return keys_; }
  /// Of a model and keys, `value` of the numbers in the order that they were named.
  NumbersOfFacts of(std::size_t analysis, std::vector<std::string> const& keys,
                    std::function<double(std::vector<double> const&)> const& value) const;

 private:
  struct Entry {
    std::int64_t fact;
    std::size_t row;
  };
  std::vector<std::vector<std::string>> keys_;
  std::map<std::vector<std::string>, std::size_t> place_of_;
  std::map<std::pair<std::size_t, std::size_t>, std::vector<Entry>> entries_;  ///< by analysis and place of the keys
  std::vector<std::vector<double>> numbers_;                                   ///< by column
};

}  // namespace onemask
