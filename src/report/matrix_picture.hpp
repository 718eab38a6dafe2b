#pragma once

#include "report/drawing.hpp"
#include <onemask/report/matrix.hpp>

#include <string>

namespace onemask {

/// Whether the metric is shown in %.
bool is_share(MatrixRequest const& request);
/// A mean as cells show it.
std::string shown_mean(double value, bool share);
/// "rsr %, split heldout"
std::string title_of(TransferMatrix const& matrix, MatrixRequest const& request);

/// A heat map without a title, the mean in every cell, with a frame around cells at home.
Drawing drawing_of(TransferMatrix const& matrix, MatrixRequest const& request);

}  // namespace onemask
