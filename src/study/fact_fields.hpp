#pragma once

#include <onemask/data/split.hpp>
#include <onemask/settings/field.hpp>

namespace onemask {

/// What a study says of a split, but for its name.
template <>
Fields<FactSelection> const& fields_of<FactSelection>();

}  // namespace onemask
