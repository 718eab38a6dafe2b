#include <onemask/core/error.hpp>
#include <onemask/edit/key_basis.hpp>

#include <ATen/ops/linalg_cholesky_ex.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_solve_triangular.h>
#include <fmt/core.h>

namespace onemask {
namespace {

std::string name_of(SecondMoment const& moment) {
  return fmt::format("The second moment of layer {}", moment.layer);
}

}  // namespace

KeyBasis KeyBasis::of_moment(SecondMoment const& moment) {
  require_enough_tokens(moment, "Edits cannot be solved for");
  auto [lower, info] = at::linalg_cholesky_ex(moment.matrix.to(at::kDouble));
  if (info.item<int>() != 0 || !lower.isfinite().all().item<bool>()) {
    throw UserError(fmt::format(
        "{} is not positive definite, although it was computed from {} tokens: some neurons of its MLP are almost never active "
        "in them. Use more text, or more varied text. Its MLP is {} wide; ten times as many tokens are a good start.",
        name_of(moment), moment.tokens, moment.matrix.size(0)));
  }
  return {lower, true};
}

at::Tensor KeyBasis::null_space(SecondMoment const& moment, double threshold) {
  auto const [values, vectors] = at::linalg_eigh(moment.matrix.to(at::kDouble));
  auto const count = values.lt(threshold).sum().item<std::int64_t>();
  if (count == 0) {
    throw UserError(
        fmt::format("{} has no eigenvalue below the nullspace_threshold {:f}; its smallest is {:f}. Raise the threshold.",
                    name_of(moment), threshold, values[0].item<double>()));
  }
  return vectors.narrow(1, 0, count).to(at::kFloat).contiguous();
}

KeyBasis KeyBasis::of_null_space(at::Tensor const& eigenvectors) {
  return {eigenvectors.to(at::kDouble), false};
}

at::Tensor KeyBasis::whiten(at::Tensor const& keys) const {
  auto const matrix = matrix_.to(keys.device());
  return triangular_ ? at::linalg_solve_triangular(matrix, keys, /*upper=*/false) : at::matmul(matrix.t(), keys);
}

at::Tensor KeyBasis::restore(at::Tensor const& keys) const {
  auto const matrix = matrix_.to(keys.device());
  return triangular_ ? at::linalg_solve_triangular(matrix.t(), keys, /*upper=*/true) : at::matmul(matrix, keys);
}

}  // namespace onemask
