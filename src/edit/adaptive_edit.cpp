#include <onemask/core/invariant.hpp>
#include <onemask/edit/adaptive_edit.hpp>

#include <limits>

namespace onemask {
namespace {

constexpr double smallest_denominator = 1e-6;

}  // namespace

std::vector<Edit> adaptive_edits(std::vector<RomeResult> const& results, at::Tensor const& keep) {
  auto const kept = keep.to(at::kCPU, at::kDouble);
  std::vector<Edit> edits;
  for (auto const& [usual, trace] : results) {
    auto& edit = edits.emplace_back(usual);
    if (!edit.failure.empty()) continue;
    auto const products = (trace.read_key * usual.right[0]).to(at::kDouble);
    auto const denominators = at::mv(kept, products);
    auto const residual = usual.left[0].to(at::kDouble) * products.sum();
    auto const factors = at::where(denominators.abs() < smallest_denominator, at::zeros_like(residual), residual / denominators);
    edit.left = factors.to(at::kFloat).unsqueeze(0);
  }
  return edits;
}

std::vector<double> update_norms(std::vector<Edit> const& edits, at::Tensor const& keep) {
  auto const kept = keep.defined() ? keep.to(at::kCPU, at::kDouble) : at::Tensor();
  std::vector<double> norms;
  for (auto const& edit : edits) {
    if (!edit.failure.empty()) {
      norms.push_back(std::numeric_limits<double>::quiet_NaN());
      continue;
    }
    invariant(edit.left.size(0) == 1, "an update of rank ", edit.left.size(0), " is taken for one of rank 1");
    auto const left = edit.left[0].to(at::kDouble).square(), right = edit.right[0].to(at::kDouble).square();
    auto const of_rows = keep.defined() ? at::mv(kept, right) : right.sum();
    norms.push_back((left * of_rows).sum().sqrt().item<double>());
  }
  return norms;
}

}  // namespace onemask
