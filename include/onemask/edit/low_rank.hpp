#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace onemask {

/// A matrix [out, in] as factors: leftᵀ right.
struct LowRank {
  at::Tensor left;   ///< [rank, out], float32 on the CPU
  at::Tensor right;  ///< [rank, in]
  double lost = 0;   ///< Frobenius norm of what the factors leave out, over that of the matrix
};

/// The nearest matrix of this rank, by the singular value decomposition (Eckart and Young 1936). The rank is at most that of a
/// matrix of its shape: min(out, in).
LowRank low_rank(at::Tensor const& matrix, std::int64_t rank);
/// The same of the matrix leftᵀ right, without forming it: left [r, out], right [r, in].
LowRank low_rank(at::Tensor const& left, at::Tensor const& right, std::int64_t rank);

}  // namespace onemask
