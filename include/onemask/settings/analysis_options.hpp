#pragma once

#include <onemask/core/names.hpp>
#include <onemask/settings/field.hpp>

#include <array>
#include <string>
#include <vector>

namespace onemask {

/// Places of a rewrite prompt that an analysis looks at: its last token, which predicts the object, and the subject's last token,
/// where ROME and MEMIT write.
enum class AnalysisPlace { last, subject_last };
inline constexpr std::array<Named<AnalysisPlace>, 2> analysis_place_names{
    {{AnalysisPlace::last, "last"}, {AnalysisPlace::subject_last, "subject_last"}}};

/// Which maps of places by layers are kept: none, those of aligned places, whose mean over facts is shown, or also those of every
/// fact with all its places.
enum class MapDetail { none, mean, facts };
inline constexpr std::array<Named<MapDetail>, 3> map_detail_names{
    {{MapDetail::none, "none"}, {MapDetail::mean, "mean"}, {MapDetail::facts, "facts"}}};

/// What is looked at inside of the models while they read the rewrite prompts of some facts.
struct AnalysisOptions {
  std::string split = "heldout";
  int facts = 0;  ///< so many of the split, drawn at random; 0: all
  std::vector<AnalysisPlace> places = {AnalysisPlace::last, AnalysisPlace::subject_last};
  bool contributions = true;  ///< what embedding, attention, MLPs and biases add to the logits of the objects
  bool heads = false;         ///< contributions and attention of every head
  bool sources = false;       ///< contributions of attention by the place that it reads
  int inner_units = 0;        ///< of the edited MLP, those with the largest contributions; 0: none
  bool attention = true;      ///< attention to the subject, and the shift in parts
  bool traces = true;         ///< the logit lens after every layer
  int dimensions = 5;         ///< of the residual stream, those whose rows have most zeros in a mask; 0: none
  MapDetail maps = MapDetail::none;
};

/// Whether anything but dimensions is asked for, which takes a mask.
bool asks_for_models(AnalysisOptions const& options);

template <>
Fields<AnalysisOptions> const& fields_of<AnalysisOptions>();

}  // namespace onemask
