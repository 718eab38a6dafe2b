#pragma once

#include <onemask/settings/condition_kind.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace onemask {

/// By what a baseline changes the edited matrix W' = W + ΔW. All but the last two prune: entries, or whole lines, with the
/// largest score become what `Fill` says (defined in docs/masks.md).
enum class BaselineScore {
  random,
  magnitude,
  delta_magnitude,
  magnitude_rows,
  magnitude_columns,
  magnitude_per_row,
  activation,
  activation_signed,
  gradient,
  bottom_rank,  ///< W' without its largest singular components (arXiv 2505.20819)
  shrink        ///< alpha W'
};
inline constexpr std::array<Named<BaselineScore>, 11> baseline_score_names{
    {{BaselineScore::random, "random"},
     {BaselineScore::magnitude, "magnitude"},
     {BaselineScore::delta_magnitude, "delta_magnitude"},
     {BaselineScore::magnitude_rows, "magnitude_rows"},
     {BaselineScore::magnitude_columns, "magnitude_columns"},
     {BaselineScore::magnitude_per_row, "magnitude_per_row"},
     {BaselineScore::activation, "activation"},
     {BaselineScore::activation_signed, "activation_signed"},
     {BaselineScore::gradient, "gradient"},
     {BaselineScore::bottom_rank, "bottom_rank"},
     {BaselineScore::shrink, "shrink"}}};

/// Whether one change serves all facts, or every fact has its own, made from its own edited matrix.
enum class BaselineScope { shared, fact };
inline constexpr std::array<Named<BaselineScope>, 2> baseline_scope_names{
    {{BaselineScope::shared, "shared"}, {BaselineScope::fact, "fact"}}};

/// What a pruned entry becomes: 0, or the entry of the unedited matrix.
enum class Fill { zero, original };
inline constexpr std::array<Named<Fill>, 2> fill_names{{{Fill::zero, "zero"}, {Fill::original, "original"}}};

/// A model to compare a mask with.
struct Baseline {
  BaselineScore score = BaselineScore::random;
  BaselineScope scope = BaselineScope::shared;
  Fill fill = Fill::zero;
  /// Share of zeros; of bottom_rank the number of components, of shrink the factor. Nothing: as many zeros as the mask has.
  std::optional<double> amount = {};

  bool operator==(Baseline const&) const = default;
};

/// The most components that bottom_rank removes.
inline constexpr int most_components = 32;

/// Whether entries are pruned; otherwise the matrix is changed as a whole.
inline bool prunes(Baseline const& baseline) {
  return baseline.score != BaselineScore::bottom_rank && baseline.score != BaselineScore::shrink;
}
/// Whether it is one of `baseline_names`, as a plain name in a study asks for it.
bool is_plain(Baseline const& baseline);
ConditionKind condition_kind_of(Baseline const& baseline);
/// Whether it is told by a trained mask: shared ones are scored beside every mask, and those that take the mask's number of
/// zeros.
bool belongs_to_mask(Baseline const& baseline);

/// One line that tells it from all others: "magnitude per fact, zeros 0.05, fill original".
std::string describe(Baseline const& baseline);
/// The baseline as a study names it.
std::string yaml_text(Baseline const& baseline);

/// How many entries of a matrix [rows, columns] are pruned: exactly the share that is asked for, or else `of_mask`; where whole
/// lines are pruned, or as many of every row, the number nearest to it.
std::int64_t pruned_entries(Baseline const& baseline, std::int64_t rows, std::int64_t columns, std::int64_t of_mask);

class YamlValue;
/// Sets the baselines that a list names; a list of numbers in one stands for several. What is wrong as the end of a sentence.
std::string read_baselines(std::vector<Baseline>& baselines, YamlValue const& value);

}  // namespace onemask
