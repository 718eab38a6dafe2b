#pragma once

#include <onemask/settings/baseline.hpp>

#include <cstdint>
#include <string>

#include <ATen/ATen.h>

namespace onemask {

/// Masks to compare with: each has exactly `zeros` zeros. All give bool [out, in], true = kept.

/// Zeros anywhere, drawn by the seed; with `item`, by both.
at::Tensor random_mask(at::IntArrayRef shape, std::int64_t zeros, std::uint64_t seed);
at::Tensor random_mask(at::IntArrayRef shape, std::int64_t zeros, std::uint64_t seed, std::int64_t item);

/// Zeros where `score`, of any shape, is largest; ties go to the lower index, and what is no number is infinite. It lies where
/// the score does.
at::Tensor largest_mask(at::Tensor const& score, std::int64_t zeros);

/// Mean over edits of |ΔW_i|, [out, in]: the score of the delta-magnitude baseline. left [edits, rank, out], right
/// [edits, rank, in].
at::Tensor mean_delta_magnitude(at::Tensor const& left, at::Tensor const& right);

/// A mask [out, in] that prunes a matrix as the baseline says, `zeros` entries (pruned_entries) of it. `edited` and `original`
/// are [out, in]; not for scores that a prompt is needed for, nor for random. The mask lies where the matrices do.
at::Tensor pruning_mask(BaselineScore score, at::Tensor const& original, at::Tensor const& edited, std::int64_t zeros);

/// `edited` [out, in] with the pruned entries filled.
at::Tensor filled(Fill fill, at::Tensor const& keep, at::Tensor const& original, at::Tensor const& edited);

/// Squared norms of the rows of W + Σ_k left_k right_kᵀ for some edits, [edits, out] in float64: |W_r|² + 2 left_r (W right)_r +
/// left_r² |right|², so that no matrix of an edit is formed. weight [out, in], left [edits, rank, out], right [edits, rank, in].
/// Those of the columns are the rows of the transposed matrix, with the factors swapped.
at::Tensor squared_row_norms(at::Tensor const& weight, at::Tensor const& left, at::Tensor const& right);

/// The largest entries of |left| |right|ᵀ. In the order of falling |right| they are the first ones of every row, so that they
/// need two vectors and no matrix.
struct LargestProducts {
  at::Tensor order;   ///< [in] int64: columns by falling |right|, equal ones by index
  at::Tensor counts;  ///< [out] int64: how many of them each row has
};
/// Exactly `count` entries; of equal ones those of lower rows, then of lower columns. left [out], right [in], on the CPU.
LargestProducts largest_products(at::Tensor const& left, at::Tensor const& right, std::int64_t count);

}  // namespace onemask
