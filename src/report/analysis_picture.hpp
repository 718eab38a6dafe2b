#pragma once

#include "report/drawing.hpp"
#include <onemask/report/analysis.hpp>

#include <string>

namespace onemask {

/// "Attention to new less true, last token; split heldout, edit.method=rome"
std::string title_of(AnalysisTable const& table);

/// Lines over layers, one for each model; or of places a heat map over places and layers.
Drawing drawing_of(AnalysisTable const& table);

}  // namespace onemask
