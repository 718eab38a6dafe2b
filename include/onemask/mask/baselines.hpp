#pragma once

#include <cstdint>
#include <string>

#include <ATen/ATen.h>

namespace onemask {

/// Masks to compare with: each has exactly `zeros` zeros, shared by all facts as ours is. All give bool [out, in], true = kept.

/// Zeros anywhere, drawn by the seed.
at::Tensor random_mask(at::IntArrayRef shape, std::int64_t zeros, std::uint64_t seed);

/// Zeros where `score` [out, in] is largest; ties go to the lower index.
at::Tensor largest_mask(at::Tensor const& score, std::int64_t zeros);

/// Mean over edits of |ΔW_i|, [out, in]: the score of the delta-magnitude baseline. left [edits, rank, out], right
/// [edits, rank, in].
at::Tensor mean_delta_magnitude(at::Tensor const& left, at::Tensor const& right);

}  // namespace onemask
