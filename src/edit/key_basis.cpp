#include <onemask/core/error.hpp>
#include <onemask/edit/key_basis.hpp>

#include <ATen/ops/linalg_cholesky_ex.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_solve_triangular.h>

namespace onemask {
namespace {

constexpr std::int64_t usual_tokens_per_direction = 10;

std::string advice(std::int64_t inner) {
  return "It takes more than " + std::to_string(inner) + " tokens, the width of the keys, and " +
         std::to_string(usual_tokens_per_direction * inner) + " or more to be good.";
}

}  // namespace

void require_enough_tokens(std::int64_t tokens, std::int64_t inner, std::string const& where) {
  if (tokens > inner) return;
  throw UserError(where + " was made from " + std::to_string(tokens) +
                  " tokens, too few for a second moment of keys to be positive definite. " + advice(inner));
}

KeyBasis KeyBasis::of_moment(at::Tensor const& moment, std::int64_t tokens, std::string const& where) {
  require_enough_tokens(tokens, moment.size(0), where);
  auto [lower, info] = at::linalg_cholesky_ex(moment.to(at::kDouble));
  if (info.item<int>() != 0 || !lower.isfinite().all().item<bool>()) {
    throw UserError(where + " is not positive definite, though it was made from " + std::to_string(tokens) +
                    " tokens: some keys hardly occur in them. Use more text, or text of more kinds. " + advice(moment.size(0)));
  }
  return {lower, true};
}

at::Tensor KeyBasis::null_space(at::Tensor const& moment, double threshold, std::string const& where) {
  auto const [values, vectors] = at::linalg_eigh(moment.to(at::kDouble));
  auto const count = values.lt(threshold).sum().item<std::int64_t>();
  if (count == 0) {
    throw UserError(where + " has no eigenvalue below the nullspace_threshold " + std::to_string(threshold) +
                    "; its smallest is " + std::to_string(values[0].item<double>()) + ". Raise the threshold.");
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
