#include <onemask/core/invariant.hpp>
#include <onemask/edit/low_rank.hpp>

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_qr.h>

namespace onemask {

LowRank low_rank(at::Tensor const& matrix, std::int64_t rank) {
  invariant(matrix.dim() == 2 && rank > 0, "a matrix of ", matrix.dim(), " dimensions is written with a rank of ", rank);
  auto const exact = matrix.to(at::kCPU, at::kDouble);
  bool const wide = exact.size(0) <= exact.size(1);
  // The singular vectors of the shorter side are eigenvectors of a small symmetric matrix; the other factor is what the matrix
  // has along them.
  auto const [values, vectors] = at::linalg_eigh(wide ? at::matmul(exact, exact.t()) : at::matmul(exact.t(), exact));
  auto const kept = std::min(rank, vectors.size(1));
  auto const basis = vectors.narrow(1, vectors.size(1) - kept, kept).flip({1});
  auto const stored = [](at::Tensor const& factor) { return factor.to(at::kFloat).contiguous(); };
  LowRank result{stored(wide ? basis.t() : at::matmul(exact, basis).t()),
                 stored(wide ? at::matmul(basis.t(), exact) : basis.t())};
  auto const norm = exact.norm().item<double>();
  auto const rest = exact - at::matmul(result.left.t().to(at::kDouble), result.right.to(at::kDouble));
  result.lost = norm > 0 ? rest.norm().item<double>() / norm : 0;
  return result;
}

LowRank low_rank(at::Tensor const& left, at::Tensor const& right, std::int64_t rank) {
  auto const [out_basis, out_part] = at::linalg_qr(left.t().to(at::kCPU, at::kDouble));
  auto const [in_basis, in_part] = at::linalg_qr(right.t().to(at::kCPU, at::kDouble));
  // Orthonormal bases change neither singular values nor norms: the nearest matrix is that of the small one between them.
  auto const inside = low_rank(at::matmul(out_part, in_part.t()), rank);
  auto const stored = [](at::Tensor const& factor) { return factor.to(at::kFloat).contiguous(); };
  return {stored(at::matmul(inside.left.to(at::kDouble), out_basis.t())),
          stored(at::matmul(inside.right.to(at::kDouble), in_basis.t())), inside.lost};
}

}  // namespace onemask
