#pragma once

#include <onemask/store/study_file.hpp>

#include <string>

namespace onemask {

/// An SVG picture of a study: for every split and way of editing a horizontal bar per kind of model, as long as its RSR on a
/// scale from 0 to 100 %, with the 95 % interval as a whisker and n in its label. It states when the study is partial, and
/// follows the reader's light or dark mode; colours are those of Okabe and Ito (2008), which colour-blind readers can tell apart.
/// Equal studies give equal bytes.
///
/// Throws UserError like format_table.
std::string to_svg(StudyFile const& study);

}  // namespace onemask
