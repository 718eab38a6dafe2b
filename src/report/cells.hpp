#pragma once

#include "report/summary.hpp"
#include <onemask/report/text_table.hpp>

#include <string>
#include <vector>

namespace onemask {

/// A number with so many decimals.
std::string number(double value, int decimals);
/// A share as a percentage with one decimal.
std::string percent(double share);
/// "[low, high]" as percentages.
std::string interval(Estimate const& value);
/// "n/planned"
std::string counts(Estimate const& value);
/// A probability with three decimals, or its order of magnitude.
std::string p_text(double p);

/// "Split heldout, edit.method=rome"
std::string heading_of(std::string const& split, std::string const& edits);

/// Name of a kind of models, of which `scored` have values: where there are several, says that their mean is shown.
std::string label_of(ModelKind const& kind, std::size_t scored);
/// " (mean of 2 of 3)"; "" of a kind with one model.
std::string mean_of(ModelKind const& kind, std::size_t scored);
std::string mean_of(std::size_t models, std::size_t scored);

/// A row of a table; a label that is too long stands on its own above it.
void add_row(TextTable& table, std::string const& label, std::vector<std::string> values, std::size_t longest_label);

}  // namespace onemask
