#pragma once

#include <onemask/report/edit_quality.hpp>

#include <map>
#include <string>

namespace onemask {

/// By the name of the settings.
using Qualities = std::map<std::string, EditQuality>;

/// As a text that other ranks read: numbers keep their bits, and those that are not finite become NaN.
std::string qualities_text(Qualities const& qualities);
Qualities qualities_of(std::string const& text);

}  // namespace onemask
