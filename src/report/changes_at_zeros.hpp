#pragma once

#include <onemask/report/overlap.hpp>

#include <string>

namespace onemask {

/// A line for every mask over these layers and split of facts; of none the heads of the columns alone.
TextTable changes_at_zeros(MaskObjects const& objects, std::string const& layers);

/// What its columns mean.
inline constexpr char const* definitions_of_changes =
    "|dW|: Frobenius norm of the change by an edit, at zeros: of its part that the mask removes; means over edited models. "
    "energy:\n"
    "share of |dW| squared at the zeros, with its 95 % interval over models; by chance: the share of zeros. mean size: of the\n"
    "entries, in units of 0.001.\n";

}  // namespace onemask
