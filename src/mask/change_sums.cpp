#include <onemask/core/invariant.hpp>
#include <onemask/mask/change_sums.hpp>

namespace onemask {

ChangeSums change_sums(at::Tensor const& keep, at::Tensor const& left, at::Tensor const& right) {
  invariant(left.size(0) == right.size(0) && left.size(1) == keep.size(0) && right.size(1) == keep.size(1), left.size(0),
            " changes of ", left.size(1), " x ", right.size(1), " entries are put under a mask of ", keep.numel());
  auto const zeros = keep.logical_not().to(at::kDouble), l = left.to(at::kDouble).abs(), r = right.to(at::kDouble).abs();
  auto const at_zeros = [&](at::Tensor const& rows, at::Tensor const& columns) {
    return (at::matmul(rows, zeros) * columns).sum(1);
  };
  auto const rows = l.square(), columns = r.square();
  return {rows.sum(1) * columns.sum(1), at_zeros(rows, columns), l.sum(1) * r.sum(1), at_zeros(l, r)};
}

ChangeSums change_sums(at::Tensor const& keep, at::Tensor const& matrix) {
  invariant(matrix.sizes() == keep.sizes(), "a change of ", matrix.numel(), " entries is put under a mask of ", keep.numel());
  auto const sizes = matrix.to(at::kDouble).abs(), removed = sizes.masked_fill(keep, 0);
  auto const sum = [](at::Tensor const& values) { return values.sum().view({1}); };
  return {sum(sizes.square()), sum(removed.square()), sum(sizes), sum(removed)};
}

}  // namespace onemask
