#pragma once

#include "report/summary.hpp"

#include <string>

namespace onemask {

/// A number with so many decimals.
std::string number(double value, int decimals);
/// A share as a percentage with one decimal.
std::string percent(double share);
/// "[low, high]" as percentages.
std::string interval(Estimate const& value);
/// "n/planned"
std::string counts(Estimate const& value);

/// "Split heldout, edit.method=rome"
std::string heading_of(std::string const& split, std::string const& edits);

/// Name of a kind of models, of which `scored` have values: where there are several, says that their mean is shown.
std::string label_of(ModelKind const& kind, std::size_t scored);
/// " (mean of 2 of 3)"; "" of a kind with one model.
std::string mean_of(ModelKind const& kind, std::size_t scored);

}  // namespace onemask
