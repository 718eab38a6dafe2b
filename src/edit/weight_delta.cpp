#include <onemask/core/error.hpp>
#include <onemask/core/invariant.hpp>
#include <onemask/edit/weight_delta.hpp>

#include <cmath>

#include <fmt/core.h>

namespace onemask {
namespace {

at::Tensor stored(at::Tensor const& tensor) {
  return tensor.to(at::kCPU, at::kFloat).contiguous();
}

}  // namespace

at::Tensor WeightDelta::matrix() const {
  return dense.defined() ? dense : at::matmul(left.t(), right);
}

WeightDelta make_delta(int layer, at::Tensor const& left, at::Tensor const& right) {
  invariant(left.dim() == 2 && right.dim() == 2, "the factors of a delta have ", left.dim(), " and ", right.dim(), " dimensions");
  invariant(left.size(0) == right.size(0), "the factors of a delta are of rank ", left.size(0), " and ", right.size(0));
  bool const factors_are_smaller = left.numel() + right.numel() < left.size(1) * right.size(1);
  if (!factors_are_smaller) return make_dense_delta(layer, at::matmul(left.t(), right));
  return {layer, stored(left), stored(right), {}};
}

WeightDelta make_dense_delta(int layer, at::Tensor const& matrix) {
  invariant(matrix.dim() == 2 && matrix.numel() > 0, "a delta has ", matrix.dim(), " dimensions and ", matrix.numel(),
            " entries");
  return {layer, {}, {}, stored(matrix)};
}

WeightDelta sum(WeightDelta const& first, WeightDelta const& second) {
  invariant(first.layer == second.layer, "deltas of layers ", first.layer, " and ", second.layer, " are added");
  if (first.left.defined() && second.left.defined())
    return make_delta(first.layer, at::cat({first.left, second.left}), at::cat({first.right, second.right}));
  auto const one = first.matrix(), other = second.matrix();
  invariant(one.sizes() == other.sizes(), "deltas of ", one.numel(), " and ", other.numel(), " entries are added");
  return make_dense_delta(first.layer, one + other);
}

double frobenius_norm(std::vector<WeightDelta> const& deltas) {
  double squares = 0;
  for (auto const& delta : deltas) squares += delta.matrix().to(at::kDouble).square().sum().item<double>();
  return std::sqrt(squares);
}

std::map<int, at::Tensor> edited_weights(CausalLM const& model, std::vector<WeightDelta> const& deltas) {
  std::map<int, at::Tensor> weights;
  for (auto const& delta : deltas) {
    auto const weight = model.projection(delta.layer).weight;
    auto const change = delta.matrix().to(weight.device());
    if (change.sizes() != weight.sizes()) {
      throw ShapeError(fmt::format(
          "The delta of layer {} [out, in] is {} x {}, but the model's matrix is {} x {}. The edit belongs to another model.",
          delta.layer, change.size(0), change.size(1), weight.size(0), weight.size(1)));
    }
    invariant(!weights.contains(delta.layer), "layer ", delta.layer, " has two deltas");
    weights[delta.layer] = (weight.to(at::kFloat) + change).to(weight.scalar_type());
  }
  return weights;
}

}  // namespace onemask
