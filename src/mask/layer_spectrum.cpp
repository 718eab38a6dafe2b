#include <onemask/core/invariant.hpp>
#include <onemask/mask/layer_spectrum.hpp>

#include <algorithm>
#include <vector>

namespace onemask {
namespace {

constexpr std::int64_t head_size = 64;  // coordinates that are taken as they are; twice as many as components are ever asked for
constexpr int polynomials = 16;

/// T_0(x) C … T_m-1(x) C of x = 2 D / max D - 1, side by side: [edits, coordinates, m columns]. values [coordinates], falling;
/// columns [edits, coordinates, columns].
at::Tensor chebyshev_basis(at::Tensor const& values, at::Tensor const& columns) {
  auto const x = (2 * values / values[0].clamp_min(1e-300) - 1).view({1, -1, 1});
  std::vector<at::Tensor> basis{columns, x * columns};
  while (std::ssize(basis) < polynomials) basis.push_back(2 * x * basis.back() - basis[basis.size() - 2]);
  return at::cat(basis, 2);
}

}  // namespace

LayerSpectrum::LayerSpectrum(at::Tensor const& weight) : weight_(weight.to(at::kCPU, at::kDouble)) {
  auto const [values, vectors] = at::linalg_eigh(at::matmul(weight_, weight_.t()));
  values_ = values.flip(0).clamp_min(0);
  vectors_ = vectors.flip(1).contiguous();
}

at::Tensor LayerSpectrum::top(at::Tensor const& left, at::Tensor const& right, std::int64_t count) const {
  auto const out = values_.size(0);
  invariant(count >= 0 && count <= out, "of a matrix of ", out, " rows, ", count, " components are sought");
  auto const l = left.to(at::kCPU, at::kDouble), r = right.to(at::kCPU, at::kDouble);
  auto const a = at::matmul(l, vectors_);                           // [edits, rank, out]
  auto const b = at::matmul(at::matmul(r, weight_.t()), vectors_);  // [edits, rank, out]
  auto const products = at::matmul(r, r.transpose(1, 2));           // [edits, rank, rank]
  auto const edits = l.size(0), head = std::min(out, head_size);
  auto basis = at::eye(out, head, values_.options()).unsqueeze(0).expand({edits, out, head});
  if (head < out) {
    auto const tail = values_.narrow(0, head, out - head);
    auto const change = at::cat({a, b}, 1).narrow(2, head, out - head).transpose(1, 2);
    auto const spanned = std::get<0>(at::linalg_qr(chebyshev_basis(tail, change)));
    auto const below = at::cat({at::zeros({edits, head, spanned.size(2)}, values_.options()), spanned}, 1);
    basis = at::cat({basis, below}, 2);
  }
  // D + Bᵀ A + Aᵀ B + Aᵀ (right rightᵀ) A, in the basis.
  auto const small_a = at::matmul(a, basis), small_b = at::matmul(b, basis);
  auto const cross = at::matmul(small_b.transpose(1, 2), small_a);
  auto const diagonal = at::matmul(basis.transpose(1, 2), values_.view({1, -1, 1}) * basis);
  auto const small =
      diagonal + cross + cross.transpose(1, 2) + at::matmul(at::matmul(small_a.transpose(1, 2), products), small_a);
  auto const ritz = std::get<1>(at::linalg_eigh(small)).flip(2).narrow(2, 0, count);
  return at::matmul(vectors_, at::matmul(basis, ritz));
}

}  // namespace onemask
