#pragma once

#include "report/summary.hpp"
#include <onemask/report/document.hpp>
#include <onemask/statistics/proportion.hpp>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace onemask {

/// The table "perplexity" of a study file, which a study may lack.
class Perplexities {
 public:
  /// Throws UserError when the table lacks a column.
  explicit Perplexities(StudyFile const& study);

  /// Whose facts share the edited models that the text was scored under, `every_split` where nothing is edited; in the order of
  /// the file.
  std::vector<std::string> const& splits() const { return splits_; }
  /// Whether the text shall be scored under such a model.
  bool planned(ModelKind const& kind, std::string const& split) const;
  /// The kind's models under which the whole text is scored.
  std::size_t scored(ModelKind const& kind, std::string const& split) const;
  /// Mean over these.
  std::optional<double> mean(ModelKind const& kind, std::string const& split) const;
  /// The same divided by that of the unedited model; none where a number is not finite.
  std::optional<double> ratio(EditedModels const& edits, ModelKind const& kind, std::string const& split) const;
  /// Of models with the edit of one fact each: over those under which the whole text is scored. None where there are none.
  struct SingleEdits {
    double median, mean;
    Interval interval;          ///< of the mean, by bootstrap over facts
    double high;                ///< share of models with more than twice the unedited model's perplexity
    Interval interval_of_high;  ///< Clopper and Pearson's
    std::int64_t n, planned;    ///< models
  };
  /// Means over the kind's models, which differ in their seed; the smallest n.
  std::optional<SingleEdits> single_edits(EditedModels const& edits, ModelKind const& kind, std::string const& split) const;
  /// Tokens that are scored and planned, of the kind's models together.
  std::string counts(ModelKind const& kind, std::string const& split) const;

 private:
  struct Value {
    double perplexity;
    std::int64_t n, planned;
  };

  std::vector<Value> values(ModelKind const& kind, std::string const& split) const;
  std::vector<Value> whole(ModelKind const& kind, std::string const& split) const;

  std::vector<std::string> splits_;
  std::map<std::pair<std::string, std::string>, Value> values_;                 ///< by condition and split
  std::map<std::pair<std::string, std::string>, std::vector<Value>> of_facts_;  ///< of one fact's edit each
};

/// A line for every kind of model under which the text is scored; "" where it is under none.
std::vector<DocumentBlock> perplexity_blocks(Perplexities const& perplexities, Summary const& summary);

/// A line for every kind of edited model of one fact each under which the text is scored.
std::vector<DocumentBlock> single_edit_blocks(Perplexities const& perplexities, Summary const& summary);

/// What their columns mean.
inline constexpr char const* single_edit_definition =
    "single edits: facts drawn at random, each in an edited model of its own; perplexity of these models. above 2x: share of "
    "them\n"
    "with more than twice the unedited model's. Intervals: bootstrap over facts; of the share, Clopper and Pearson's.\n";

/// What the block's columns mean.
inline constexpr char const* perplexity_definition =
    "perplexity: exp of the mean -log P per token of the study's text, in windows of fixed length. ratio: to the unedited "
    "model's.\n";

}  // namespace onemask
