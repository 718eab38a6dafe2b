#pragma once

#include "report/picture.hpp"
#include "report/summary.hpp"
#include <onemask/report/curve.hpp>

#include <vector>

namespace onemask {

/// RSR of every kind of model of a way of editing; the title is the heading_of the split.
BarBlock rsr_bars(Summary const& summary, EditedModels const& edits, Group const& group);

/// The curves of a study with masks of several sizes; none of another.
std::vector<Curve> curves_if_any(StudyFile const& study);

/// For every split and way of editing RSR over zeros, then RSR over KL.
std::vector<LinePanel> curve_panels(std::vector<Curve> const& curves);

}  // namespace onemask
