#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace onemask {

/// Twice the rank of each value, the smallest first; equal values have the mean of their ranks, so that all are whole numbers.
/// None may be NaN.
std::vector<std::uint32_t> doubled_ranks(std::span<float const> values);

/// Spearman's rank correlation of two lists by their doubled ranks; NaN where one has equal values alone.
double rank_correlation(std::vector<std::uint32_t> const& a, std::vector<std::uint32_t> const& b);

}  // namespace onemask
